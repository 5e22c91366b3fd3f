/**
 * Records: the payload of table rows and of index entries. A record is a header (its own size as a varint, then
 * one serial type per column) followed by the column contents in the same order.
 *
 *   serial type     content
 *   0               NULL, no bytes
 *   1 2 3 4 5 6     signed big-endian integer of 1, 2, 3, 4, 6 or 8 bytes
 *   7               IEEE double, big-endian
 *   8 9             the integers 0 and 1, no bytes
 *   10 11           reserved: damage
 *   N >= 12 even    blob of (N - 12) / 2 bytes
 *   N >= 13 odd     text of (N - 13) / 2 bytes, UTF-8 here
 *
 * Decoding never trusts a size: everything is checked against the record's length, and damage is thrown as
 * `DamagedRecord`, which the layers that know the page turn into a located ENDMARK_CORRUPT. Text and blobs are
 * copied out, so that values outlive the page. Invalid UTF-8 reads as U+FFFD; lone surrogates are written as U+FFFD.
 */
import { assert } from '../assert.js'
import { BlobSource } from './blob-source.js'
import { getInt8, getInt16, getInt24, getInt32, getInt48, put16, put24, put32, put48 } from './bytes.js'
import {
  getFloat64,
  highHalf,
  INT64_MAX,
  INT64_MIN,
  integerFromHalves,
  lowHalf,
  normalizeInteger,
  putFloat64,
  type SqlValue,
} from './value.js'
import { getVarint, putVarint, varintSize, varintSizeOf } from './varint.js'

/** The payload is not a well-formed record. Knows no place: whoever knows the page says where. */
export class DamagedRecord extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'DamagedRecord'
  }
}

export const SERIAL_NULL = 0
export const SERIAL_REAL = 7
export const SERIAL_ZERO = 8
export const SERIAL_ONE = 9
/** First serial type of blobs; texts start one above. */
export const SERIAL_BLOB = 12
const SERIAL_TEXT = 13

/** Larger than any record: fails the caller's bounds check. */
const INVALID_SIZE = Number.MAX_SAFE_INTEGER
const FIXED_SIZES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, INVALID_SIZE, INVALID_SIZE] as const

/** Content bytes of a column with this serial type; of the reserved types, more than any record has. */
export function serialTypeSize(serialType: number): number {
  if (serialType < SERIAL_BLOB) return FIXED_SIZES[serialType]!
  return serialType < 0x7fffffff ? (serialType - SERIAL_BLOB) >>> 1 : Math.floor((serialType - SERIAL_BLOB) / 2)
}

/** Whether a column is NULL; SQLite has no NaN, and reads one as NULL. */
export function isNullColumn(bytes: Uint8Array, offset: number, serialType: number): boolean {
  return serialType === SERIAL_NULL || (serialType === SERIAL_REAL && Number.isNaN(getFloat64(bytes, offset)))
}

/** The number with a serial type of 1 to 9 and its content at `offset`. */
export function decodeNumber(bytes: Uint8Array, offset: number, serialType: number): number | bigint {
  switch (serialType) {
    case 1:
      return getInt8(bytes, offset)
    case 2:
      return getInt16(bytes, offset)
    case 3:
      return getInt24(bytes, offset)
    case 4:
      return getInt32(bytes, offset)
    case 5:
      return getInt48(bytes, offset)
    case 6:
      return integerFromHalves(getInt32(bytes, offset), getInt32(bytes, offset + 4))
    case SERIAL_REAL:
      return getFloat64(bytes, offset)
    default:
      return serialType - SERIAL_ZERO
  }
}

// Node's own UTF-8 decoder over a range of any byte array: no view object, no start-up as in TextDecoder.
// The types of Node do not list it: it is there in every Node that is supported.
const { utf8Slice } = Buffer.prototype as Buffer & {
  utf8Slice(this: Uint8Array, start: number, end: number): string
}

export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? '' : utf8Slice.call(bytes, start, end)
}

function decodeValue(
  blobs: BlobSource,
  bytes: Uint8Array,
  offset: number,
  serialType: number,
  size: number,
  isOwned: boolean,
): SqlValue {
  if (serialType >= SERIAL_BLOB) {
    if ((serialType & 1) === 1) return decodeText(bytes, offset, offset + size)
    return isOwned ? blobs.part(bytes, offset, size) : blobs.copy(bytes, offset, size)
  }
  if (serialType === SERIAL_NULL) return null
  const number = decodeNumber(bytes, offset, serialType)
  // SQLite has no NaN: it reads one as NULL.
  return Number.isNaN(number) ? null : number
}

/**
 * Reads the columns of one record on demand. Going forward costs nothing extra; going back starts over from
 * the header. One reader serves any number of records, one at a time.
 */
export class RecordReader {
  readonly #blobs = new BlobSource()
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  #headerEnd = 0
  /** Offset of the next serial type, offset of its content, and the column they belong to. */
  #header = 0
  #body = 0
  #index = 0
  #isOwned = false

  /**
   * Turns to another record. The bytes must stay unchanged while columns are read.
   * @param isOwned blobs may be parts of these bytes, which the caller gives away
   */
  reset(bytes: Uint8Array, start: number, length: number, isOwned = false): this {
    const headerSize = getVarint(bytes, start)
    if (length < 1 || headerSize < 1 || headerSize > length) throw damagedHeader(headerSize, length)
    this.#bytes = bytes
    this.#isOwned = isOwned
    this.#start = start
    this.#end = start + length
    this.#headerEnd = start + headerSize
    this.#rewind()
    if (this.#header > this.#headerEnd) throw damagedHeader(headerSize, length)
    return this
  }

  /** Columns in the header, counted at each call. */
  get columnCount(): number {
    const bytes = this.#bytes
    let at = this.#start + varintSize(bytes, this.#start)
    let count = 0
    while (at < this.#headerEnd) {
      at += varintSize(bytes, at)
      count++
    }
    return count
  }

  /** The value of the 0-based column, or `undefined` if the record has fewer columns. */
  column(index: number): SqlValue | undefined {
    if (index < this.#index) this.#rewind()
    while (this.#index < index) if (this.#take() < 0) return undefined
    return this.next()
  }

  /** The column after the last one read, or `undefined` past the last column. */
  next(): SqlValue | undefined {
    const serialType = this.#take()
    if (serialType < 0) return undefined
    const size = serialTypeSize(serialType)
    return decodeValue(this.#blobs, this.#bytes, this.#body - size, serialType, size, this.#isOwned)
  }

  /**
   * One column, 0-based, of a record that is read once; `undefined` if the record has fewer. `isOwned` as for `reset`. It does what the
   * methods above do, without keeping where it is: 20 ns of the 270 of a point read.
   * @throws DamagedRecord
   */
  columnOf(bytes: Uint8Array, start: number, length: number, index: number, isOwned: boolean): SqlValue | undefined {
    const headerSize = getVarint(bytes, start)
    let header = start + varintSize(bytes, start)
    const headerEnd = start + headerSize
    if (headerSize > length || header > headerEnd) throw damagedHeader(headerSize, length)
    let body = headerEnd
    for (let i = 0; header < headerEnd; i++) {
      const serialType = getVarint(bytes, header)
      header += varintSize(bytes, header)
      if (header > headerEnd) throw new DamagedRecord(`serial type ${i} runs past the record header`)
      const size = serialTypeSize(serialType)
      if (size > start + length - body) throw damagedColumn(i, serialType)
      if (i === index) return decodeValue(this.#blobs, bytes, body, serialType, size, isOwned)
      body += size
    }
    return undefined
  }

  /** Moves past one column and returns its serial type, or -1 at the end. */
  #take(): number {
    const bytes = this.#bytes
    const header = this.#header
    if (header >= this.#headerEnd) return -1
    const serialType = getVarint(bytes, header)
    const next = header + varintSize(bytes, header)
    if (next > this.#headerEnd) throw new DamagedRecord(`serial type ${this.#index} runs past the record header`)
    const size = serialTypeSize(serialType)
    if (size > this.#end - this.#body) throw damagedColumn(this.#index, serialType)
    this.#header = next
    this.#body += size
    this.#index++
    return serialType
  }

  #rewind(): void {
    this.#header = this.#start + varintSize(this.#bytes, this.#start)
    this.#body = this.#headerEnd
    this.#index = 0
  }
}

export function damagedHeader(headerSize: number, length: number): DamagedRecord {
  return new DamagedRecord(`record header of ${headerSize} bytes in a record of ${length} bytes`)
}

export function damagedColumn(index: number, serialType: number): DamagedRecord {
  const reserved = serialType === 10 || serialType === 11
  return new DamagedRecord(
    reserved
      ? `column ${index} has the reserved serial type ${serialType}`
      : `column ${index} with serial type ${serialType} runs past the end of the record`,
  )
}

const sharedReader = new RecordReader()

/**
 * All columns of a record.
 * @throws DamagedRecord
 */
export function decodeRecord(bytes: Uint8Array, start: number, length: number): SqlValue[] {
  const reader = sharedReader.reset(bytes, start, length)
  const values: SqlValue[] = []
  for (;;) {
    const value = reader.next()
    if (value === undefined) return values
    values.push(value)
  }
}

/** Up to this many characters a loop beats the call into Node's encoders. */
export const SHORT_TEXT = 40

/** Serial types of the record being encoded: filled by the first pass, used by the second. */
const serialTypes: number[] = []
/** Of that record. */
let measuredHeader = 0

/**
 * The record of these values, in an array of its own. Integral safe numbers and bigints become INTEGER in the
 * shortest width, other numbers REAL; -0 stays REAL, since no integer can hold it. NaN becomes NULL as in SQLite.
 * A bigint must fit into 64 bits.
 */
export function encodeRecord(values: readonly SqlValue[]): Uint8Array {
  const record = Buffer.allocUnsafe(measureRecord(values))
  const end = putMeasuredRecord(record, 0, values)
  assert(end === record.length, 'record sizes of the two passes differ')
  return record
}

/** Bytes of the record of these values. */
export function measureRecord(values: readonly SqlValue[]): number {
  const count = values.length
  let typesSize = 0
  let bodySize = 0
  for (let i = 0; i < count; i++) {
    const serialType = serialTypeOf(values[i]!)
    serialTypes[i] = serialType
    typesSize += varintSizeOf(serialType)
    bodySize += serialTypeSize(serialType)
  }
  measuredHeader = recordHeaderSize(typesSize)
  return measuredHeader + bodySize
}

/**
 * Writes the record of the values that were measured last.
 * @returns the offset after it
 */
export function putMeasuredRecord(target: Buffer, start: number, values: readonly SqlValue[]): number {
  const headerEnd = start + measuredHeader
  let header = putVarint(target, start, measuredHeader)
  let body = headerEnd
  for (let i = 0; i < values.length; i++) {
    const serialType = serialTypes[i]!
    header = putVarint(target, header, serialType)
    body = putContent(target, body, values[i]!, serialType)
  }
  assert(header === headerEnd, 'header sizes of the two passes differ')
  return body
}

/**
 * Writes the record of a text and a blob, the most common pair of key and value, in one pass. There must be room for
 * `pairSize`.
 * @returns where the text starts; -1 if it is longer than SHORT_TEXT or not all ASCII: that takes two passes
 */
export function putPair(target: Uint8Array, start: number, text: string, blob: Uint8Array): number {
  const { length } = text
  if (length > SHORT_TEXT) return -1
  const blobType = SERIAL_BLOB + 2 * blob.length
  // Neither the size of the header nor the type of a short text takes more than a byte.
  target[start + 1] = SERIAL_TEXT + 2 * length
  const body = putVarint(target, start + 2, blobType)
  target[start] = body - start
  let union = 0
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    union |= code
    target[body + i] = code
  }
  if (union >= 0x80) return -1
  target.set(blob, body + length)
  return body
}

/** Bytes of that record. */
export function pairSize(text: string, blob: Uint8Array): number {
  return 2 + varintSizeOf(SERIAL_BLOB + 2 * blob.length) + text.length + blob.length
}

/** The header counts its own size, whose varint may push it over a limit. */
function recordHeaderSize(typesSize: number): number {
  const guess = typesSize + varintSizeOf(typesSize)
  return varintSizeOf(guess) === varintSizeOf(typesSize) ? guess : guess + 1
}

function serialTypeOf(value: SqlValue): number {
  if (typeof value === 'string') return SERIAL_TEXT + 2 * utf8Size(value)
  if (typeof value === 'number') return serialTypeOfNumber(value)
  if (value === null) return SERIAL_NULL
  if (typeof value === 'bigint') return serialTypeOfBigint(value)
  assert(value instanceof Uint8Array, () => `a record cannot hold a value of type ${typeof value}`)
  return SERIAL_BLOB + 2 * value.length
}

function serialTypeOfNumber(value: number): number {
  if ((value | 0) === value) {
    if (value === 0) return Object.is(value, -0) ? SERIAL_REAL : SERIAL_ZERO
    if (value === 1) return SERIAL_ONE
    const magnitude = value < 0 ? ~value : value
    if (magnitude < 0x80) return 1
    if (magnitude < 0x8000) return 2
    return magnitude < 0x800000 ? 3 : 4
  }
  if (Number.isSafeInteger(value)) return value >= -0x800000000000 && value < 0x800000000000 ? 5 : 6
  return Number.isNaN(value) ? SERIAL_NULL : SERIAL_REAL
}

function serialTypeOfBigint(value: bigint): number {
  assert(value >= INT64_MIN && value <= INT64_MAX, () => `${value} does not fit into 64 bits`)
  const normal = normalizeInteger(value)
  return typeof normal === 'number' ? serialTypeOfNumber(normal) : 6
}

/** Writes one column's content and returns the offset after it. */
function putContent(record: Buffer, offset: number, value: SqlValue, serialType: number): number {
  if (serialType >= SERIAL_BLOB) {
    const size = (serialType - SERIAL_BLOB) >>> 1
    if (typeof value === 'string') putText(record, offset, value, size)
    else record.set(value as Uint8Array, offset)
    return offset + size
  }
  if (serialType === SERIAL_REAL) putFloat64(record, offset, value as number)
  else putInteger(record, offset, value as number | bigint, serialType)
  return offset + serialTypeSize(serialType)
}

function putInteger(record: Buffer, offset: number, value: number | bigint, serialType: number): void {
  switch (serialType) {
    case 1:
      record[offset] = Number(value)
      break
    case 2:
      put16(record, offset, Number(value))
      break
    case 3:
      put24(record, offset, Number(value))
      break
    case 4:
      put32(record, offset, Number(value))
      break
    case 5:
      put48(record, offset, Number(value))
      break
    case 6:
      put32(record, offset, highHalf(value))
      put32(record, offset + 4, lowHalf(value))
  }
}

/** Bytes of the text in UTF-8; lone surrogates count as U+FFFD. */
export function utf8Size(text: string): number {
  const length = text.length
  if (length > SHORT_TEXT) return Buffer.byteLength(text)
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text)
  return length
}

/** Writes the text, whose UTF-8 form is known to take `size` bytes. */
export function putText(target: Buffer, offset: number, text: string, size: number): void {
  const length = text.length
  if (size !== length) {
    target.write(text, offset, size, 'utf8')
    return
  }
  // As many bytes as characters: all of them are ASCII.
  if (length > SHORT_TEXT) target.write(text, offset, size, 'latin1')
  else for (let i = 0; i < length; i++) target[offset + i] = text.charCodeAt(i)
}
