/**
 * Whether bytes from somewhere else are a record exactly as `encodeRecord` would have written it: nothing missing, nothing
 * over, every size and number in its shortest form, text in UTF-8. Such a record means the same to every reader,
 * SQLite's included, and encodes again to the same bytes.
 */
import { compareBytes } from './bytes.js'
import { decodeNumber, decodeText, SERIAL_BLOB, SERIAL_NULL, SERIAL_REAL, serialTypeSize } from './record.js'
import { getVarint, varintSize, varintSizeOf } from './varint.js'

/** @returns the number of columns, or -1 if this is no such record */
export function canonicalColumnCount(record: Uint8Array): number {
  const { length } = record
  const headerEnd = getVarint(record, 0)
  let header = varintSize(record, 0)
  if (length === 0 || headerEnd > length || headerEnd < header || header !== varintSizeOf(headerEnd)) return -1
  let body = headerEnd
  let count = 0
  while (header < headerEnd) {
    const serialType = getVarint(record, header)
    const size = varintSize(record, header)
    header += size
    if (header > headerEnd || size !== varintSizeOf(serialType)) return -1
    const contentSize = serialTypeSize(serialType)
    if (contentSize > length - body || !isCanonical(record, body, serialType, contentSize)) return -1
    body += contentSize
    count++
  }
  return body === length ? count : -1
}

function isCanonical(record: Uint8Array, start: number, serialType: number, size: number): boolean {
  if (serialType >= SERIAL_BLOB) return (serialType & 1) === 0 || isUtf8(record, start, start + size)
  return serialType === SERIAL_NULL || isShortest(decodeNumber(record, start, serialType), serialType)
}

function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let union = 0
  for (let i = start; i < end; i++) union |= bytes[i]!
  if (union < 0x80) return true
  const again = Buffer.from(decodeText(bytes, start, end))
  return compareBytes(again, 0, again.length, bytes, start, end - start) === 0
}

/** Whether the number could not have been written with a smaller serial type, or as an integer instead of a real. */
function isShortest(value: number | bigint, serialType: number): boolean {
  switch (serialType) {
    case 1:
      return value !== 0 && value !== 1
    case 2:
      return value < -0x80 || value > 0x7f
    case 3:
      return value < -0x8000 || value > 0x7fff
    case 4:
      return value < -0x800000 || value > 0x7fffff
    case 5:
      return value < -0x80000000 || value > 0x7fffffff
    case 6:
      return value < -0x800000000000 || value > 0x7fffffffffff
    case SERIAL_REAL:
      return !Number.isNaN(value) && (!Number.isSafeInteger(value) || Object.is(value, -0))
    default:
      return true
  }
}
