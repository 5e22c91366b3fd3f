/**
 * Big-endian fields of the file format, read and written in place. No DataView: plain shifts on a typed array
 * are what V8 compiles best, and a page is a `Uint8Array` that nobody wants to wrap.
 *
 * These functions do not check bounds, since their callers have validated the page or the record first. A read
 * past the end of the array yields zero bytes and a write there is dropped; neither touches foreign memory.
 */

export function get16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!
}

export function get24(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 16) | (bytes[offset + 1]! << 8) | bytes[offset + 2]!
}

/** Unsigned. */
export function get32(bytes: Uint8Array, offset: number): number {
  return getInt32(bytes, offset) >>> 0
}

export function getInt8(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) >> 24
}

export function getInt16(bytes: Uint8Array, offset: number): number {
  return (get16(bytes, offset) << 16) >> 16
}

export function getInt24(bytes: Uint8Array, offset: number): number {
  return (get24(bytes, offset) << 8) >> 8
}

export function getInt32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
}

export function getInt48(bytes: Uint8Array, offset: number): number {
  return getInt16(bytes, offset) * 0x100000000 + get32(bytes, offset + 2)
}

export function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value
}

export function put24(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 16
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value
}

export function put32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

export function put48(bytes: Uint8Array, offset: number, value: number): void {
  put16(bytes, offset, Math.floor(value / 0x100000000) & 0xffff)
  put32(bytes, offset + 2, value >>> 0)
}

/** Order of two byte ranges as `memcmp` gives it; where one is a prefix of the other, the shorter one is first. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  const common = Math.min(aLength, bLength)
  for (let i = 0; i < common; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}
