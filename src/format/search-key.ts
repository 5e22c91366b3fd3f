/**
 * A key to look for, encoded once and then compared with records where they lie, without an allocation per comparison. By
 * far the most common key, one text or blob column in plain binary order, takes a short path of its own; everything else goes
 * column by column, in the order of value-order.
 */
import { compareBytes } from './bytes.js'
import { hashBytes, hashInteger } from './entry-hash.js'
import {
  DamagedRecord,
  damagedColumn,
  damagedHeader,
  decodeNumber,
  putText,
  SERIAL_BLOB,
  SERIAL_NULL,
  SHORT_TEXT,
  serialTypeSize,
  utf8Size,
} from './record.js'
import type { SqlValue } from './value.js'
import {
  bytesHead,
  compareNumbers,
  compareText,
  type KeyOrder,
  KIND_BLOB,
  KIND_NULL,
  KIND_NUMBER,
  KIND_TEXT,
  kindOf,
  kindOfSerialType,
} from './value-order.js'
import { getVarint, varintSize } from './varint.js'

/**
 * A key, or the leading columns of one, that records are compared with. Reusable: `set...` replaces the values.
 * Whoever is handed a key may use it until it returns and must not keep it.
 */
export class SearchKey {
  readonly order: KeyOrder
  /** How many leading columns of the order the key holds. */
  count = 0

  /** True for one text or blob in binary, ascending order. */
  #isPlain = false
  /** Of the first column; KIND_NULL unless that is a text or blob in binary, ascending order, lying at `#start`. */
  #kind = KIND_NULL
  #start = 0
  #length = 0

  /** What texts and blobs are read from: `#own`, or the record of `setFromRecord`. */
  #bytes: Uint8Array
  #own: Buffer
  #ownUsed = 0
  readonly #kinds: number[] = []
  readonly #numbers: (number | bigint)[] = []
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  readonly #plainOrder: boolean
  #hash = 0
  /** What `#hash` was made with; -1: it was not. */
  #hashSeed = -1

  constructor(order: KeyOrder) {
    this.order = order
    this.#own = Buffer.allocUnsafeSlow(64)
    this.#bytes = this.#own
    this.#plainOrder = order.length > 0 && order[0]!.collation === 'binary' && !order[0]!.descending
  }

  static of(values: readonly SqlValue[], order: KeyOrder): SearchKey {
    return new SearchKey(order).set(values)
  }

  /** Takes over these values, at most as many as the order has columns. Blobs are copied. */
  set(values: readonly SqlValue[]): this {
    this.#ownUsed = 0
    for (let i = 0; i < values.length; i++) this.#encode(i, values[i]!)
    this.#bytes = this.#own
    return this.#finish(values.length)
  }

  /** The same as `set([value])` without the array. */
  setValue(value: SqlValue): this {
    this.#ownUsed = 0
    if (typeof value === 'string' && value.length <= SHORT_TEXT && this.#plainOrder && this.#encodeAscii(0, value)) {
      return this.#finishShortText(value.length)
    }
    this.#encode(0, value)
    this.#bytes = this.#own
    return this.#finish(1)
  }

  /**
   * Takes the first `count` columns of a record, without copying: the record must not change while the key is used.
   * @throws DamagedRecord, also if the record has fewer columns
   */
  setFromRecord(record: Uint8Array, start: number, length: number, count = this.order.length): this {
    let header = start + varintSize(record, start)
    const headerEnd = recordHeaderEnd(record, start, length)
    const end = start + length
    let body = headerEnd
    for (let i = 0; i < count; i++) {
      const serialType = serialTypeAt(record, header, headerEnd, i)
      header += varintSize(record, header)
      const size = serialTypeSize(serialType)
      if (size > end - body) throw damagedColumn(i, serialType)
      this.#refer(i, record, body, serialType, size)
      body += size
    }
    this.#bytes = record
    return this.#finish(count)
  }

  /**
   * Takes one text (`parity` 1) or blob (0), without copying: the bytes must not change while the key is used. The order must begin
   * with a binary, ascending column.
   */
  setFromBytes(bytes: Uint8Array, start: number, length: number, parity: number): this {
    const kind = KIND_BLOB - parity
    this.#bytes = bytes
    this.#kinds[0] = kind
    this.#starts[0] = start
    this.#lengths[0] = length
    this.#kind = kind
    this.#start = start
    this.#length = length
    this.#isPlain = true
    this.count = 1
    this.#hashSeed = -1
    return this
  }

  /**
   * Compares the key's columns with the first columns of a record: negative if the key sorts before the record,
   * 0 if they are equal as far as the key goes.
   * @throws DamagedRecord
   */
  compareRecord(bytes: Uint8Array, start: number, length: number): number {
    if (!this.#isPlain) return this.#compareColumns(bytes, start, length)
    const headerSize = bytes[start]!
    let serialType = bytes[start + 1]!
    if (serialType >= 0x80) {
      const second = bytes[start + 2]!
      // Types above two bytes, and whatever else is not plain, are left to the careful path.
      if (second >= 0x80 || headerSize < 3) return this.#compareColumns(bytes, start, length)
      serialType = ((serialType & 0x7f) << 7) | second
    }
    const recordLength = (serialType - SERIAL_BLOB) >> 1
    if (length < 2 || headerSize < 2 || headerSize >= 0x80 || recordLength < 0 || headerSize + recordLength > length) {
      return this.#compareColumns(bytes, start, length)
    }
    const recordKind = KIND_BLOB - (serialType & 1)
    if (recordKind !== this.#kind) return this.#kind - recordKind
    return compareBytes(this.#bytes, this.#start, this.#length, bytes, start + headerSize, recordLength)
  }

  #compareColumns(bytes: Uint8Array, start: number, length: number): number {
    let header = start + varintSize(bytes, start)
    const headerEnd = recordHeaderEnd(bytes, start, length)
    const end = start + length
    let body = headerEnd
    for (let i = 0; i < this.count; i++) {
      const serialType = serialTypeAt(bytes, header, headerEnd, i)
      header += varintSize(bytes, header)
      const size = serialTypeSize(serialType)
      if (size > end - body) throw damagedColumn(i, serialType)
      const result = this.#compareColumn(i, bytes, body, serialType, size)
      if (result !== 0) return this.order[i]!.descending ? -result : result
      body += size
    }
    return 0
  }

  #compareColumn(index: number, bytes: Uint8Array, offset: number, serialType: number, size: number): number {
    const kind = this.#kinds[index]!
    let recordKind = kindOfSerialType(serialType)
    let number: number | bigint = 0
    if (recordKind === KIND_NUMBER) {
      number = decodeNumber(bytes, offset, serialType)
      if (Number.isNaN(number)) recordKind = KIND_NULL
    }
    if (kind !== recordKind) return kind - recordKind
    if (kind === KIND_NUMBER) return compareNumbers(this.#numbers[index]!, number)
    if (kind === KIND_NULL) return 0
    const ownStart = this.#starts[index]!
    const ownLength = this.#lengths[index]!
    if (kind === KIND_BLOB) return compareBytes(this.#bytes, ownStart, ownLength, bytes, offset, size)
    return compareText(this.order[index]!.collation, this.#bytes, ownStart, ownLength, bytes, offset, size)
  }

  #encode(index: number, value: SqlValue): void {
    const kind = kindOf(value)
    this.#kinds[index] = kind
    if (kind === KIND_TEXT) this.#encodeText(index, value as string)
    else if (kind === KIND_BLOB) this.#encodeBlob(index, value as Uint8Array)
    else if (kind === KIND_NUMBER) this.#numbers[index] = value as number | bigint
  }

  #encodeText(index: number, text: string): void {
    if (text.length <= SHORT_TEXT && this.#encodeAscii(index, text)) return
    const size = utf8Size(text)
    const start = this.#reserve(index, size)
    putText(this.#own, start, text, size)
  }

  /** Short texts are nearly always ASCII: copied and checked in one pass. False, with the room given back, if not. */
  #encodeAscii(index: number, text: string): boolean {
    const length = text.length
    const start = this.#reserve(index, length)
    const own = this.#own
    let union = 0
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      union |= code
      own[start + i] = code
    }
    if (union < 0x80) return true
    this.#ownUsed = start
    return false
  }

  #encodeBlob(index: number, blob: Uint8Array): void {
    const start = this.#reserve(index, blob.length)
    this.#own.set(blob, start)
  }

  /** Makes room in `#own` and returns where it starts. */
  #reserve(index: number, size: number): number {
    const start = this.#ownUsed
    if (start + size > this.#own.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(start + size, 2 * this.#own.length))
      larger.set(this.#own.subarray(0, start))
      this.#own = larger
    }
    this.#ownUsed = start + size
    this.#starts[index] = start
    this.#lengths[index] = size
    return start
  }

  #refer(index: number, record: Uint8Array, offset: number, serialType: number, size: number): void {
    const kind = kindOfSerialType(serialType)
    this.#kinds[index] = kind
    if (kind === KIND_NUMBER) {
      const number = decodeNumber(record, offset, serialType)
      this.#numbers[index] = number
      if (Number.isNaN(number)) this.#kinds[index] = KIND_NULL
    }
    this.#starts[index] = offset
    this.#lengths[index] = size
  }

  /** `#finish` for one text at the start of `#own`, in binary, ascending order: by far the most common key. */
  #finishShortText(length: number): this {
    this.#bytes = this.#own
    this.#kinds[0] = KIND_TEXT
    this.#kind = KIND_TEXT
    this.#start = 0
    this.#length = length
    this.#isPlain = true
    this.count = 1
    this.#hashSeed = -1
    return this
  }

  #finish(count: number): this {
    this.count = count
    this.#hashSeed = -1
    const kind = this.#kinds[0]!
    const startsPlain = count > 0 && this.#plainOrder && (kind === KIND_TEXT || kind === KIND_BLOB)
    this.#isPlain = startsPlain && count === 1
    this.#kind = startsPlain ? kind : KIND_NULL
    if (startsPlain) {
      this.#start = this.#starts[0]!
      this.#length = this.#lengths[0]!
    }
    return this
  }

  /** Whether `hash` can be asked for: the key is one value, whose equals all have that hash. */
  get hasHash(): boolean {
    if (this.#isPlain) return this.order.length === 1
    return this.order.length === 1 && this.count === 1 && Number.isSafeInteger(this.#numberOnly())
  }

  /** As `leadingHash` gives it of the records that are equal to this key. */
  hash(seed: number): number {
    if (this.#hashSeed === seed) return this.#hash
    this.#hashSeed = seed
    this.#hash = this.#isPlain
      ? hashBytes(this.#bytes, this.#start, this.#length, seed)
      : hashInteger(this.#numberOnly() as number, seed)
    return this.#hash
  }

  #numberOnly(): number | bigint | null {
    return this.#kinds[0] === KIND_NUMBER ? this.#numbers[0]! : null
  }

  /**
   * The lowest bit of the serial type of the first column (1 text, 0 blob) if that is in binary, ascending order;
   * else -1. The methods below are for searches that know only the first bytes of that column.
   */
  get leadingParity(): number {
    return this.#kind === KIND_NULL ? -1 : KIND_BLOB - this.#kind
  }

  /** Compares the first column's first bytes with these; a column that ends before them is less. */
  compareLeading(shared: Uint8Array): number {
    const size = shared.length
    const length = this.#length
    return compareBytes(this.#bytes, this.#start, length < size ? length : size, shared, 0, size)
  }

  /** Six bytes of the first column behind the first `skip`, which it must have, as `bytesHead` gives them. */
  leadingHead(skip: number): number {
    return bytesHead(this.#bytes, this.#start + skip, this.#length - skip)
  }
}

/**
 * Hash of the first column of a record, or null if that is neither text, nor blob, nor a safe integer, or damaged. Equal
 * values have equal hashes, whatever their serial types.
 */
export function leadingHash(bytes: Uint8Array, start: number, length: number, seed: number): number | null {
  const headerSize = getVarint(bytes, start)
  const typeAt = start + varintSize(bytes, start)
  const body = start + headerSize
  if (typeAt >= body) return null
  const serialType = getVarint(bytes, typeAt)
  const size = serialTypeSize(serialType)
  if (serialType === SERIAL_NULL || headerSize + size > length) return null
  if (serialType >= SERIAL_BLOB) return hashBytes(bytes, body, size, seed)
  const number = decodeNumber(bytes, body, serialType)
  return typeof number === 'number' && Number.isSafeInteger(number) ? hashInteger(number, seed) : null
}

function recordHeaderEnd(bytes: Uint8Array, start: number, length: number): number {
  const headerSize = getVarint(bytes, start)
  if (headerSize < varintSize(bytes, start) || headerSize > length) throw damagedHeader(headerSize, length)
  return start + headerSize
}

function serialTypeAt(bytes: Uint8Array, header: number, headerEnd: number, index: number): number {
  if (header >= headerEnd) throw new DamagedRecord(`record has only ${index} of its key columns`)
  if (header + varintSize(bytes, header) > headerEnd) {
    throw new DamagedRecord(`serial type ${index} runs past the record header`)
  }
  return getVarint(bytes, header)
}
