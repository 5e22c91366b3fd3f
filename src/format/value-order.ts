/**
 * The order of values and of records: NULL < numbers < text < blob; numbers by exact value, whether INTEGER or
 * REAL; text by its collation over UTF-8 bytes; blobs by their bytes. Descending columns turn the result around. Keys are compared with records by search-key.
 */
import { compareBytes } from './bytes.js'
import { SERIAL_BLOB, SERIAL_NULL } from './record.js'
import type { SqlValue } from './value.js'

/** `nocase` folds the 26 ASCII letters, `rtrim` ignores spaces at the end; both are SQLite's. */
export type Collation = 'binary' | 'nocase' | 'rtrim'

export interface KeyColumn {
  readonly collation: Collation
  readonly descending: boolean
}

/** The columns that order a b-tree, in order of weight. */
export type KeyOrder = readonly KeyColumn[]

/** The order of a single binary, ascending column. */
export const BINARY_ORDER: KeyOrder = [{ collation: 'binary', descending: false }]

// Kinds in the order of the values.
export const KIND_NULL = 0
export const KIND_NUMBER = 1
export const KIND_TEXT = 2
export const KIND_BLOB = 3

export function kindOf(value: SqlValue): number {
  if (typeof value === 'string') return KIND_TEXT
  if (typeof value === 'number') return Number.isNaN(value) ? KIND_NULL : KIND_NUMBER
  if (typeof value === 'bigint') return KIND_NUMBER
  return value === null ? KIND_NULL : KIND_BLOB
}

/** Kind by serial type, for types other than the reserved ones. */
export function kindOfSerialType(serialType: number): number {
  if (serialType >= SERIAL_BLOB) return KIND_BLOB - (serialType & 1)
  return serialType === SERIAL_NULL ? KIND_NULL : KIND_NUMBER
}

/** Exact also between a bigint and a double: JavaScript's operators compare mathematical values. */
export function compareNumbers(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The order of two values as SQLite has it: negative, zero or positive. */
export function compareValues(a: SqlValue, b: SqlValue, collation: Collation): number {
  const kind = kindOf(a)
  const otherKind = kindOf(b)
  if (kind !== otherKind) return kind - otherKind
  if (kind === KIND_NULL) return 0
  if (kind === KIND_NUMBER) return compareNumbers(a as number | bigint, b as number | bigint)
  const aBytes = kind === KIND_TEXT ? Buffer.from(a as string) : (a as Uint8Array)
  const bBytes = kind === KIND_TEXT ? Buffer.from(b as string) : (b as Uint8Array)
  if (kind === KIND_TEXT) return compareText(collation, aBytes, 0, aBytes.length, bBytes, 0, bBytes.length)
  return compareBytes(aBytes, 0, aBytes.length, bBytes, 0, bBytes.length)
}

export function compareText(
  collation: Collation,
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  if (collation === 'binary') return compareBytes(a, aStart, aLength, b, bStart, bLength)
  if (collation === 'nocase') return compareFolded(a, aStart, aLength, b, bStart, bLength)
  const aTrimmed = trimmedLength(a, aStart, aLength)
  return compareBytes(a, aStart, aTrimmed, b, bStart, trimmedLength(b, bStart, bLength))
}

const SPACE = 0x20

function trimmedLength(bytes: Uint8Array, start: number, length: number): number {
  let trimmed = length
  while (trimmed > 0 && bytes[start + trimmed - 1] === SPACE) trimmed--
  return trimmed
}

/** Upper-case ASCII letters as lower-case ones. */
function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}

/** SQLite's NOCASE stops at a NUL that both texts have in one place; then the lengths decide. */
function compareFolded(
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  const common = Math.min(aLength, bLength)
  for (let i = 0; i < common; i++) {
    const byte = a[aStart + i]!
    const difference = fold(byte) - fold(b[bStart + i]!)
    if (difference !== 0) return difference
    if (byte === 0) break
  }
  return aLength - bLength
}

/**
 * The first six of `length` bytes as a number that orders as they do; bytes that are missing count as zero. Never an
 * integer: engines keep arrays of such numbers flat.
 */
export function bytesHead(bytes: Uint8Array, start: number, length: number): number {
  if (length >= 6) {
    const high = (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!
    const low = (bytes[start + 3]! << 16) | (bytes[start + 4]! << 8) | bytes[start + 5]!
    return high * 0x1000000 + low + 0.5
  }
  let head = 0
  for (let i = 0; i < 6; i++) head = head * 256 + (i < length ? bytes[start + i]! : 0)
  return head + 0.5
}
