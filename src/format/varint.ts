/**
 * SQLite's variable-length integers: seven bits per byte, most significant first, the high bit set on all bytes
 * but the last; a ninth byte, if reached, holds eight bits. They encode 64-bit two's complement integers.
 *
 * Reading comes in two parts, both free of allocation: the value (`getVarint`, `getRowid`) and how many bytes it
 * took (`varintSize`). Bounds are the caller's: bytes past the end of the array read as zero, so that a varint that
 * runs out of its page ends after nine bytes with a size that the caller's bounds check catches.
 */
import { highHalf, integerFromHalves, lowHalf } from './value.js'

export const VARINT_SIZE_MAX = 9

/** Bytes of the varint that starts at `offset`: 1 to 9. */
export function varintSize(bytes: Uint8Array, offset: number): number {
  if (bytes[offset]! < 0x80) return 1
  if (bytes[offset + 1]! < 0x80) return 2
  let size = 2
  while (size < 8 && !(bytes[offset + size]! < 0x80)) size++
  return size + 1
}

/**
 * A count, size or serial type. Values from 2^53 on, which no valid field holds, come back as
 * `Number.MAX_SAFE_INTEGER`: too large for every bounds check that follows.
 */
export function getVarint(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset]!
  if (first < 0x80) return first
  const second = bytes[offset + 1]!
  if (second < 0x80) return ((first & 0x7f) << 7) | second
  return getLongVarint(bytes, offset)
}

function getLongVarint(bytes: Uint8Array, offset: number): number {
  let value = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[offset + i]!
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) return saturate(value)
  }
  return saturate(value * 256 + (bytes[offset + 8]! & 0xff))
}

function saturate(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

/** A signed 64-bit integer: `number` when safe, else `bigint`. */
export function getRowid(bytes: Uint8Array, offset: number): number | bigint {
  const first = bytes[offset]!
  if (first < 0x80) return first
  const second = bytes[offset + 1]!
  if (second < 0x80) return ((first & 0x7f) << 7) | second
  const third = bytes[offset + 2]!
  if (third < 0x80) return ((first & 0x7f) << 14) | ((second & 0x7f) << 7) | third
  return getLongRowid(bytes, offset)
}

function getLongRowid(bytes: Uint8Array, offset: number): number | bigint {
  let high = 0
  let low = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[offset + i]!
    high = (high << 7) | (low >>> 25)
    low = (low << 7) | (byte & 0x7f)
    if (byte < 0x80) return integerFromHalves(high, low)
  }
  return integerFromHalves((high << 8) | (low >>> 24), (low << 8) | bytes[offset + 8]!)
}

/** Bytes that `putVarint` takes for this value, a safe integer from 0. */
export function varintSizeOf(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  let size = 3
  for (let limit = 0x200000; value >= limit && size < 8; limit *= 128) size++
  return size
}

/** Bytes that `putRowid` takes for this integer. */
export function rowidSizeOf(rowid: number | bigint): number {
  if (typeof rowid === 'number') return rowid >= 0 ? varintSizeOf(rowid) : VARINT_SIZE_MAX
  return rowid >= 0n && rowid < 1n << 56n ? 8 : VARINT_SIZE_MAX
}

/**
 * Writes a safe integer from 0.
 * @returns the offset after it
 */
export function putVarint(bytes: Uint8Array, offset: number, value: number): number {
  if (value < 0x80) {
    bytes[offset] = value
    return offset + 1
  }
  if (value < 0x4000) {
    bytes[offset] = (value >>> 7) | 0x80
    bytes[offset + 1] = value & 0x7f
    return offset + 2
  }
  const end = offset + varintSizeOf(value)
  let rest = value
  for (let at = end - 1; at >= offset; at--) {
    bytes[at] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  bytes[end - 1] = bytes[end - 1]! & 0x7f
  return end
}

/**
 * Writes a signed 64-bit integer (a `number` must be safe).
 * @returns the offset after it
 */
export function putRowid(bytes: Uint8Array, offset: number, rowid: number | bigint): number {
  if (typeof rowid === 'number' && rowid >= 0) return putVarint(bytes, offset, rowid)
  let high = highHalf(rowid)
  let low = lowHalf(rowid)
  const size = rowidSizeOf(rowid)
  const end = offset + size
  let at = end - 1
  if (size === VARINT_SIZE_MAX) {
    bytes[at--] = low
    low = (low >>> 8) | (high << 24)
    high >>>= 8
  } else {
    bytes[at--] = low & 0x7f
    low = (low >>> 7) | (high << 25)
    high >>>= 7
  }
  for (; at >= offset; at--) {
    bytes[at] = (low & 0x7f) | 0x80
    low = (low >>> 7) | (high << 25)
    high >>>= 7
  }
  return end
}
