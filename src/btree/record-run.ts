/**
 * Records on their way into an index b-tree, many at once: packed one behind the other into chunks of bytes, each as the cell
 * that it will be on a leaf, so that nothing is kept per record but where it lies and putting it there is one copy.
 *
 * Their keys are one text each, or one blob each, in a tree that orders them as plain bytes. What all keys begin with, and
 * whether they came in order, is known from comparing each with the one before; if they did not, `sort` orders them by what
 * follows, and of equal keys leaves the last.
 *
 * Filled by whoever has the records (`begin`, `end`), sorted, read by `putRun`, and cleared: in this order.
 */
import { assert } from '../assert.js'
import {
  compareBytes,
  getVarint,
  KEY_COUNT_MAX,
  type NumberedKeys,
  orderOfKeys,
  putVarint,
  SERIAL_BLOB,
  serialTypeSize,
  varintSize,
  varintSizeOf,
} from '../format/index.js'
import { CHUNK_SIZE_BYTES, type ChunkPool } from './chunk-pool.js'
import { copyRange } from './page-edit.js'

/** A position is the number of a chunk and an offset in it. */
const OFFSET_BITS = 18
const OFFSET_MASK = CHUNK_SIZE_BYTES - 1
const CHUNK_COUNT_MAX = 1 << (32 - OFFSET_BITS)
/** The first chunk is a run's own: few records take little. */
const FIRST_CHUNK_SIZE_BYTES = 1 << 14
/** Longer records do not go into a run: chunks would be left half empty. */
export const RUN_RECORD_SIZE_MAX = 1 << 14
/** Records that are read ahead together. */
const READ_AHEAD = 16
/** Of each of them so much: more is rarely there. */
const READ_AHEAD_SIZE_BYTES = 128
const LINE_SIZE_BYTES = 64
/** What a record takes besides its cell: its position, and its word and its place in the order while it is sorted. */
const BYTES_PER_RECORD = 16

/** So many more go in where it is looked only now and then whether a run is full. */
const COUNT_MARGIN = 1 << 16
const CHUNK_MARGIN = 8
const POSITIONS_MIN = 256
const POSITIONS_KEPT = 1 << 12

interface PackedCells {
  readonly extra: number
  readonly recordLengthMax: number
}

export class RecordRun implements NumberedKeys {
  /** Records put in, or, once it is sorted, left. */
  count = 0
  /** 1 if all keys are texts, 0 if blobs, -1 without any. */
  parity = -1
  /** Each key so far is greater than the one before. */
  isRising = true

  // The record that was turned to, or is being put in.
  bytes: Buffer = NOTHING
  cellStart = 0
  cellSize = 0
  recordStart = 0
  recordLength = 0
  keyStart = 0
  keyLength = 0
  // Of the key that was turned to while they are sorted.
  tailStart = 0
  keyEnd = 0

  readonly #pool: ChunkPool
  readonly #chunks: Buffer[] = [Buffer.allocUnsafeSlow(FIRST_CHUNK_SIZE_BYTES)]
  /** The chunk that is being filled, and how far. */
  #chunk = 0
  #used = 0
  #positions = new Uint32Array(POSITIONS_MIN)
  #order: Uint32Array | null = null
  // The key that was put in last.
  #last: Buffer = NOTHING
  #lastKeyStart = 0
  #lastKeyLength = 0
  /** Bytes that all keys begin with. */
  #shared = Number.POSITIVE_INFINITY
  #cellBytes = 0
  /** Of what was read ahead: nobody asks for it. */
  #aheadSum = 0

  constructor(pool: ChunkPool) {
    this.#pool = pool
  }

  /** Memory that the records take, or will take while they are sorted. */
  get sizeBytes(): number {
    return this.#cellBytes + BYTES_PER_RECORD * this.count
  }

  /** Whether it has to be put before many more records go in. */
  get isFull(): boolean {
    return this.count > KEY_COUNT_MAX - COUNT_MARGIN || this.#chunk > CHUNK_COUNT_MAX - CHUNK_MARGIN
  }

  /**
   * Makes room for a record of so many bytes, at most RUN_RECORD_SIZE_MAX: they are to be written to `bytes` from `recordStart` on.
   * Without `end` after it, nothing has happened.
   */
  begin(recordLength: number): void {
    const size = varintSizeOf(recordLength) + recordLength
    if (this.#used + size > this.#chunks[this.#chunk]!.length) this.#nextChunk()
    const bytes = this.#chunks[this.#chunk]!
    this.bytes = bytes
    this.cellStart = this.#used
    this.cellSize = size
    this.recordStart = putVarint(bytes, this.#used, recordLength)
    this.recordLength = recordLength
  }

  /**
   * The record has been written.
   * @returns false if its key is of another kind than the others, or if there are as many as can be sorted: then it has not been put in
   */
  end(): boolean {
    const { bytes, recordStart } = this
    const serialType = getVarint(bytes, recordStart + varintSize(bytes, recordStart))
    if (serialType < SERIAL_BLOB) return false
    return this.endAt(recordStart + getVarint(bytes, recordStart), serialTypeSize(serialType), serialType & 1)
  }

  /** The same where it is known which bytes are the key, and whether it is a text (1) or a blob (0). */
  endAt(keyStart: number, keyLength: number, parity: number): boolean {
    const number = this.count
    if (number === KEY_COUNT_MAX) return false
    if (number === 0) this.parity = parity
    else if (parity !== this.parity) return false
    this.keyStart = keyStart
    this.keyLength = keyLength
    if (number > 0) this.#follow()
    if (number === this.#positions.length) this.#positions = grown(this.#positions)
    this.#positions[number] = ((this.#chunk << OFFSET_BITS) | this.cellStart) >>> 0
    this.#used = this.cellStart + this.cellSize
    this.#cellBytes += this.cellSize
    this.count = number + 1
    this.#last = this.bytes
    this.#lastKeyStart = keyStart
    this.#lastKeyLength = keyLength
    return true
  }

  /** Compares with the key before: what all begin with, each and the next one do. */
  #follow(): void {
    const { bytes, keyStart, keyLength } = this
    const last = this.#last
    const lastStart = this.#lastKeyStart
    const limit = Math.min(this.#lastKeyLength, keyLength)
    let length = 0
    while (length < limit && bytes[keyStart + length] === last[lastStart + length]) length++
    if (length < this.#shared) this.#shared = length
    if (!this.isRising) return
    const isGreater =
      length < limit ? bytes[keyStart + length]! > last[lastStart + length]! : keyLength > this.#lastKeyLength
    if (!isGreater) this.isRising = false
  }

  /** Puts the records into the order of their keys; of those with one key, only the last is left. */
  sort(): void {
    if (this.isRising) return
    this.#order = orderOfKeys(this, 'last')
    this.count = this.#order.length
  }

  /** Turns the fields to the record at this place in the order. */
  turnTo(index: number): void {
    const order = this.#order
    if (order === null) {
      this.#turnToNumber(index)
      return
    }
    if ((index & (READ_AHEAD - 1)) === 0) this.#readAhead(order, index + READ_AHEAD)
    this.#turnToNumber(order[index]!)
  }

  /** Records in the order of their keys lie anywhere in memory: the waits for some of them overlap. */
  #readAhead(order: Uint32Array, from: number): void {
    const end = Math.min(from + READ_AHEAD, order.length)
    let sum = 0
    for (let index = from; index < end; index++) {
      const position = this.#positions[order[index]!]!
      const chunk = this.#chunks[position >>> OFFSET_BITS]!
      const offset = position & OFFSET_MASK
      for (let line = 0; line < READ_AHEAD_SIZE_BYTES; line += LINE_SIZE_BYTES) sum ^= chunk[offset + line]!
    }
    this.#aheadSum ^= sum
  }

  /**
   * How many of the records at `from` and behind it lie one behind the other, as those do that came in order, and have room in so many
   * bytes together, each with `extra` bytes besides. Turns to the first that is not among them, if there is one.
   */
  countBeside(from: number, room: number, { extra, recordLengthMax }: PackedCells): number {
    this.turnTo(from)
    const { bytes } = this
    let left = room
    let next = from
    let end = this.cellStart
    while (this.bytes === bytes && this.cellStart === end && this.recordLength <= recordLengthMax) {
      left -= this.cellSize + extra
      if (left < 0) break
      end = this.cellStart + this.cellSize
      if (++next === this.count) break
      this.turnTo(next)
    }
    return next - from
  }

  /** The record that was turned to, as part of its chunk. */
  record(): Uint8Array {
    return this.bytes.subarray(this.recordStart, this.recordStart + this.recordLength)
  }

  /** Forgets the records. */
  clear(): void {
    this.count = 0
    this.parity = -1
    this.isRising = true
    this.bytes = NOTHING
    this.#order = null
    this.#shared = Number.POSITIVE_INFINITY
    this.#cellBytes = 0
    this.#last = NOTHING
    if (this.#positions.length > POSITIONS_KEPT) this.#positions = new Uint32Array(POSITIONS_MIN)
    for (; this.#chunk > 0; this.#chunk--) this.#pool.give(this.#chunks.pop()!)
    this.#used = 0
  }

  /** Bytes that all keys begin with. */
  get shared(): number {
    return this.#shared
  }

  /** Moves all records, in the order in which they came, each to the run that `runOf` names when this one was turned to its key. */
  moveTo(runOf: (run: this) => RecordRun): void {
    const { count } = this
    let chunk = 0
    for (let number = 0; number < count; number++) {
      this.turnToKey(number)
      for (const from = this.#positions[number]! >>> OFFSET_BITS; chunk < from; chunk++) this.#giveBack(chunk)
      const target = runOf(this)
      target.begin(this.recordLength)
      copyRange(this.bytes, this.recordStart, target.bytes, target.recordStart, this.recordLength)
      target.endAt(target.recordStart + this.keyStart - this.recordStart, this.keyLength, this.parity)
    }
    for (; chunk <= this.#chunk; chunk++) this.#giveBack(chunk)
    this.#chunks.length = 1
    this.#chunk = 0
    this.clear()
  }

  /** Gives a chunk away whose records have been moved; the first one stays. */
  #giveBack(chunk: number): void {
    if (chunk > 0) this.#pool.give(this.#chunks[chunk]!)
  }

  turnToKey(number: number): void {
    this.#turnToNumber(number)
    this.tailStart = this.keyStart + this.#shared
    this.keyEnd = this.keyStart + this.keyLength
  }

  compare(a: number, b: number): number {
    this.#turnToNumber(a)
    const { bytes, keyStart, keyLength } = this
    this.#turnToNumber(b)
    return compareBytes(bytes, keyStart, keyLength, this.bytes, this.keyStart, this.keyLength)
  }

  #turnToNumber(number: number): void {
    const position = this.#positions[number]!
    const bytes = this.#chunks[position >>> OFFSET_BITS]!
    const cellStart = position & OFFSET_MASK
    const recordLength = getVarint(bytes, cellStart)
    const recordStart = cellStart + varintSize(bytes, cellStart)
    this.bytes = bytes
    this.cellStart = cellStart
    this.recordStart = recordStart
    this.recordLength = recordLength
    this.cellSize = recordStart - cellStart + recordLength
    this.keyStart = recordStart + getVarint(bytes, recordStart)
    this.keyLength = serialTypeSize(getVarint(bytes, recordStart + varintSize(bytes, recordStart)))
  }

  #nextChunk(): void {
    assert(this.#chunk + 1 < CHUNK_COUNT_MAX, 'a run of records outgrows its positions')
    this.#chunk++
    this.#chunks.push(this.#pool.take())
    this.#used = 0
  }
}

const NOTHING = Buffer.alloc(0)

function grown(positions: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * positions.length)
  larger.set(positions)
  return larger
}
