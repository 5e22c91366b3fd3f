/**
 * A private copy of the 48-byte header of the wal-index, as twelve 32-bit words in native byte order. Reading,
 * changing and sealing (checksumming) happen on the copy; `WalIndex` moves it in and out of the map.
 */
import {
  decodePageSize,
  encodePageSize,
  HEADER,
  HEADER_SIZE,
  isNativeBigEndian,
  isPageSize,
  WAL_INDEX_VERSION,
} from '../format/index.js'
import { type FrameNumber, NO_FRAME } from '../units.js'

export const HEADER_WORD_COUNT = HEADER_SIZE / 4
export const HEADER_CHECKSUM_WORD = HEADER.checksum1 / 4
const VERSION_WORD = HEADER.version / 4
const CHANGE_WORD = HEADER.change / 4
const END_MARK_WORD = HEADER.endMark / 4
const PAGE_COUNT_WORD = HEADER.pageCount / 4
const FRAME_CHECKSUM_WORD = HEADER.frameChecksum1 / 4
const PAGE_SIZE_HALF = HEADER.pageSize / 2

/** The words as smaller units. */
interface HeaderViews {
  readonly bytes: Uint8Array
  readonly halves: Uint16Array
}

export class IndexHeader {
  readonly words = new Int32Array(HEADER_WORD_COUNT)
  #views: HeaderViews | null = null

  /**
   * Made when first asked for: each snapshot has a copy of the header that needs only words, and V8 keeps so short an array without a
   * buffer of its own until somebody wants to have that.
   */
  get #units(): HeaderViews {
    if (this.#views !== null) return this.#views
    const { buffer } = this.words
    this.#views = { bytes: new Uint8Array(buffer), halves: new Uint16Array(buffer) }
    return this.#views
  }

  /** Whether this is a state somebody published: initialised, of the version we know, and with a right checksum. */
  isValid(): boolean {
    return (
      this.words[VERSION_WORD] === WAL_INDEX_VERSION &&
      // SQLite leaves the page size of a log that never had a frame at 0.
      (isPageSize(this.pageSize) || this.endMark === NO_FRAME) &&
      this.#isSealed()
    )
  }

  /** A whole header of another version is not damage: a newer SQLite may hold it. */
  hasForeignVersion(): boolean {
    return this.words[VERSION_WORD] !== WAL_INDEX_VERSION && this.#isSealed()
  }

  #isSealed(): boolean {
    const [first, second] = this.#sums()
    return (
      this.#units.bytes[HEADER.isInitialised] === 1 &&
      this.words[HEADER_CHECKSUM_WORD] === first &&
      this.words[HEADER_CHECKSUM_WORD + 1] === second
    )
  }

  /** Stores the checksum over all the other fields. */
  seal(): void {
    const [first, second] = this.#sums()
    this.words[HEADER_CHECKSUM_WORD] = first
    this.words[HEADER_CHECKSUM_WORD + 1] = second
  }

  #sums(): readonly [number, number] {
    const words = this.words
    let s0 = 0
    let s1 = 0
    for (let i = 0; i < HEADER_CHECKSUM_WORD; i += 2) {
      s0 = (s0 + words[i]! + s1) | 0
      s1 = (s1 + words[i + 1]! + s0) | 0
    }
    return [s0, s1]
  }

  equals(other: IndexHeader): boolean {
    for (let i = 0; i < HEADER_WORD_COUNT; i++) if (this.words[i] !== other.words[i]) return false
    return true
  }

  copyFrom(other: IndexHeader): void {
    this.words.set(other.words)
  }

  clone(): IndexHeader {
    const copy = new IndexHeader()
    copy.copyFrom(this)
    return copy
  }

  /** An initialised header of an empty log. */
  reset(pageSize: number, isBigEndianChecksum: boolean): void {
    this.words.fill(0)
    this.words[VERSION_WORD] = WAL_INDEX_VERSION
    this.#units.bytes[HEADER.isInitialised] = 1
    this.#units.bytes[HEADER.isBigEndianChecksum] = isBigEndianChecksum ? 1 : 0
    this.#units.halves[PAGE_SIZE_HALF] = encodePageSize(pageSize)
  }

  /** SQLite's mxFrame. */
  get endMark(): FrameNumber {
    return (this.words[END_MARK_WORD]! >>> 0) as FrameNumber
  }

  /** Counts the commits, whoever makes them; checkpoints and restarts of the log leave it. */
  get change(): number {
    return this.words[CHANGE_WORD]!
  }

  get pageCount(): number {
    return this.words[PAGE_COUNT_WORD]! >>> 0
  }

  get pageSize(): number {
    return decodePageSize(this.#units.halves[PAGE_SIZE_HALF]!)
  }

  get isBigEndianChecksum(): boolean {
    return this.#units.bytes[HEADER.isBigEndianChecksum] !== 0
  }

  set isBigEndianChecksum(value: boolean) {
    this.#units.bytes[HEADER.isBigEndianChecksum] = value ? 1 : 0
  }

  get frameChecksum1(): number {
    return this.words[FRAME_CHECKSUM_WORD]! >>> 0
  }

  get frameChecksum2(): number {
    return this.words[FRAME_CHECKSUM_WORD + 1]! >>> 0
  }

  setFrameChecksum(s0: number, s1: number): void {
    this.words[FRAME_CHECKSUM_WORD] = s0
    this.words[FRAME_CHECKSUM_WORD + 1] = s1
  }

  get salt1(): number {
    return this.#getSalt(HEADER.salt1)
  }

  get salt2(): number {
    return this.#getSalt(HEADER.salt2)
  }

  setSalts(salt1: number, salt2: number): void {
    this.#setSalt(HEADER.salt1, salt1)
    this.#setSalt(HEADER.salt2, salt2)
  }

  hasSaltsOf(other: IndexHeader): boolean {
    const word = HEADER.salt1 / 4
    return this.words[word] === other.words[word] && this.words[word + 1] === other.words[word + 1]
  }

  /** Moves on to a committed state: end mark, database size, and one more change. */
  advance(endMark: FrameNumber, pageCount: number): void {
    this.words[END_MARK_WORD] = endMark
    this.words[PAGE_COUNT_WORD] = pageCount
    this.words[CHANGE_WORD] = this.words[CHANGE_WORD]! + 1
  }

  /** Takes over the transaction count, so that readers notice the next change. */
  copyChangeOf(other: IndexHeader): void {
    this.words[CHANGE_WORD] = other.words[CHANGE_WORD]!
  }

  /** Turns to a new generation of the log: no frames, new salts. The database keeps its size. */
  restart(salt1: number, salt2: number): void {
    this.words[END_MARK_WORD] = NO_FRAME
    this.setSalts(salt1, salt2)
    this.isBigEndianChecksum = isNativeBigEndian
    this.setFrameChecksum(0, 0)
  }

  /** The salts stand here as in the log, big-endian, whatever the machine's byte order. */
  #getSalt(offset: number): number {
    const b = this.#units.bytes
    return ((b[offset]! << 24) | (b[offset + 1]! << 16) | (b[offset + 2]! << 8) | b[offset + 3]!) >>> 0
  }

  #setSalt(offset: number, salt: number): void {
    this.#units.bytes[offset] = salt >>> 24
    this.#units.bytes[offset + 1] = salt >>> 16
    this.#units.bytes[offset + 2] = salt >>> 8
    this.#units.bytes[offset + 3] = salt
  }
}
