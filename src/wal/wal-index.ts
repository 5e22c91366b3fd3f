/**
 * The wal-index: the mapped -shm file in which all connections meet. It holds two copies of a header that names
 * the last committed frame, the checkpoint info (backfill and read marks), and per 32 KiB block the page numbers of
 * its frames and a hash of them. All Atomics of the engine are in this file.
 *
 * Invariants (docs/invariants.md): INDEX-1 the header is published as copy 2, then copy 1, and read as copy 1, then
 * copy 2: equal copies with a right checksum are one published state. INDEX-2 a frame's page number and hash
 * slot are stored before the header that covers it. INDEX-3 nothing here is trusted beyond what can be checked: a
 * block that the file does not hold, or a header that does not verify, makes the caller rebuild the index.
 *
 * Who may write: the header, page numbers and slots under WRITE (or RECOVER with WRITE); `backfill` under CKPT;
 * a read mark under an exclusive READ(n).
 */
import { assert } from '../assert.js'
import { corrupt } from '../errors.js'
import {
  BACKFILL_ATTEMPTED_OFFSET,
  BACKFILL_OFFSET,
  BLOCK_SIZE,
  blockCapacity,
  blockOfFrame,
  frameBeforeBlock,
  HASH_SLOT_COUNT,
  HASH_TABLE_OFFSET,
  HEADER_COPY_1_OFFSET,
  HEADER_COPY_2_OFFSET,
  hashSlotOf,
  nextHashSlot,
  pageNumbersOffset,
  READ_MARK_UNUSED,
  READ_MARKS_OFFSET,
  READ_SLOT_COUNT,
} from '../format/index.js'
import type { FrameNumber, PageNumber } from '../units.js'
import type { VfsFile } from '../vfs/index.js'
import { HEADER_CHECKSUM_WORD, HEADER_WORD_COUNT, type IndexHeader } from './index-header.js'

const COPY_1_WORD = HEADER_COPY_1_OFFSET / 4
const COPY_2_WORD = HEADER_COPY_2_OFFSET / 4
const BACKFILL_WORD = BACKFILL_OFFSET / 4
const READ_MARKS_WORD = READ_MARKS_OFFSET / 4
const BACKFILL_ATTEMPTED_WORD = BACKFILL_ATTEMPTED_OFFSET / 4

/** Blocks per map: 256 KiB, the index of some 32,000 frames. */
const BLOCKS_PER_MAP = 8

/** Typed views of one 32 KiB block. */
interface Block {
  /** The page-number array: element p-1 belongs to the frame at position p of the block. */
  readonly pageNumbers: Int32Array
  /** The hash table: 1-based positions, 0 = empty. */
  readonly slots: Uint16Array
}

export class WalIndex {
  readonly file: VfsFile
  readonly #blocks: Block[] = []
  readonly #maps: Uint8Array[] = []
  /** The words of block 0: header copies and checkpoint info. */
  #words: Int32Array = new Int32Array(0)
  #knownSize = 0

  constructor(file: VfsFile) {
    this.file = file
  }

  /** Makes sure that block 0 exists and is mapped. @requires lock WRITE */
  open(): void {
    // Under WRITE only: the zeros of a second connection that finds the file short would wipe out a published header.
    this.#extendTo(0)
    this.#isOpen()
  }

  /** Whether block 0 is there to be read. */
  #isOpen(): boolean {
    if (this.#words.length > 0) return true
    if (!this.#isHeld(0)) return false
    this.#words = new Int32Array(this.#map(0).buffer, 0, BLOCK_SIZE / 4)
    return true
  }

  /** Whether the file holds the index of all frames up to `endMark`. */
  covers(endMark: FrameNumber): boolean {
    return this.#isHeld(endMark === 0 ? 0 : blockOfFrame(endMark))
  }

  /**
   * Reads the header into `into`.
   * @returns false if the copies differ or do not verify (a writer is between the two copies, or died there), or if
   *   the file has none yet
   */
  readHeader(into: IndexHeader): boolean {
    if (!this.#isOpen()) return false
    const words = this.#words
    // Copy 1 first: a writer stores copy 2 first, so equal copies cannot be the halves of two publications.
    for (let i = 0; i < HEADER_WORD_COUNT; i++) into.words[i] = Atomics.load(words, COPY_1_WORD + i)
    for (let i = 0; i < HEADER_WORD_COUNT; i++) {
      if (Atomics.load(words, COPY_2_WORD + i) !== into.words[i]) return false
    }
    return into.isValid()
  }

  /** Whether the published header is still `header`: two loads, the checksum stands for all the rest. */
  isCurrent(header: IndexHeader): boolean {
    return (
      Atomics.load(this.#words, COPY_1_WORD + HEADER_CHECKSUM_WORD) === header.words[HEADER_CHECKSUM_WORD] &&
      Atomics.load(this.#words, COPY_1_WORD + HEADER_CHECKSUM_WORD + 1) === header.words[HEADER_CHECKSUM_WORD + 1]
    )
  }

  /** Makes a header visible to every connection. @requires lock WRITE */
  publish(header: IndexHeader): void {
    header.seal()
    const words = this.#words
    // Copy 2 first: see readHeader. Sequentially consistent stores keep the two copies in this order for everyone.
    for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_2_WORD + i, header.words[i]!)
    for (let i = 0; i < HEADER_WORD_COUNT; i++) Atomics.store(words, COPY_1_WORD + i, header.words[i]!)
  }

  /** Frames known to be in the main file, and durable there as far as the mode asks (SQLite's nBackfill). */
  get backfill(): FrameNumber {
    // Loaded atomically: a checkpointer raises it while readers choose between the main file and the log.
    return (Atomics.load(this.#words, BACKFILL_WORD) >>> 0) as FrameNumber
  }

  /** @requires lock CKPT (or all of them, in recovery and log restart) */
  set backfill(frame: FrameNumber) {
    Atomics.store(this.#words, BACKFILL_WORD, frame | 0)
  }

  get backfillAttempted(): FrameNumber {
    return (Atomics.load(this.#words, BACKFILL_ATTEMPTED_WORD) >>> 0) as FrameNumber
  }

  set backfillAttempted(frame: FrameNumber) {
    Atomics.store(this.#words, BACKFILL_ATTEMPTED_WORD, frame | 0)
  }

  readMark(slot: number): number {
    // Loaded atomically: between this load and our shared lock on the slot somebody may raise the mark.
    return Atomics.load(this.#words, READ_MARKS_WORD + slot) >>> 0
  }

  /** All five, for people; null where no reader may use the slot. */
  readMarks(): (number | null)[] {
    const marks = Array.from({ length: READ_SLOT_COUNT }, (_, slot) => this.readMark(slot))
    return marks.map((mark) => (mark === READ_MARK_UNUSED ? null : mark))
  }

  /** @requires lock READ(slot) exclusive */
  setReadMark(slot: number, mark: number): void {
    Atomics.store(this.#words, READ_MARKS_WORD + slot, mark | 0)
  }

  /** Page number of a committed frame. @throws ENDMARK_CORRUPT if the index does not hold it */
  pageOfFrame(frame: FrameNumber): PageNumber {
    const index = blockOfFrame(frame)
    const page = this.#block(index).pageNumbers[frame - frameBeforeBlock(index) - 1]! >>> 0
    if (page === 0) throw corrupt({ file: this.file.path, what: `frame ${frame} has no page number` })
    return page as PageNumber
  }

  /** Whether the hash leads from the page to this frame of it, as every look-up of the frame must. */
  isInHash(frame: FrameNumber, page: PageNumber): boolean {
    const index = blockOfFrame(frame)
    const { slots } = this.#block(index)
    const position = frame - frameBeforeBlock(index)
    let slot = hashSlotOf(page)
    for (let probes = 0; slots[slot] !== 0 && probes < HASH_SLOT_COUNT; probes++) {
      if (slots[slot] === position) return true
      slot = nextHashSlot(slot)
    }
    return false
  }

  /**
   * Whether `page` is not among the frames after `after`, up to the end mark of `header`. Only a guess until the header was read
   * again: frames are overwritten once the log has been started over. @requires `header` as just read
   */
  isUntouched(page: PageNumber, after: FrameNumber, { endMark }: IndexHeader): boolean {
    for (let frame: number = after; frame < endMark; ) {
      const index = blockOfFrame(frame + 1)
      const before = frameBeforeBlock(index)
      const end = Math.min(endMark - before, blockCapacity(index))
      const { pageNumbers } = this.#block(index)
      for (let i = frame - before; i < end; i++) if (pageNumbers[i] === page) return false
      frame = before + end
    }
    return true
  }

  /**
   * Enters one frame: its page number and a hash slot. Whatever a dead or undone writer left behind `frame` is
   * cleared first. Frames are entered in order. @requires lock WRITE
   */
  addFrame(frame: FrameNumber, page: PageNumber): void {
    const index = blockOfFrame(frame)
    this.#extendTo(index)
    const block = this.#block(index)
    const position = frame - frameBeforeBlock(index)
    if (position === 1) clearBlock(block)
    else if (block.pageNumbers[position - 1] !== 0) this.removeAfter((frame - 1) as FrameNumber)
    if (!enter(block, position, page)) {
      throw corrupt({ file: this.file.path, what: `the hash of block ${index} has too many entries` })
    }
  }

  /**
   * Enters these pages as frames 1, 2, 3…, in place of all that the blocks held. Each block is put together aside and
   * copied: a reader that is looking into it finds what has not changed there at every moment. @requires lock RECOVER
   */
  rebuild(pages: readonly PageNumber[]): void {
    for (let index = 0; index <= blockOfFrame(Math.max(pages.length, 1)); index++) {
      this.#extendTo(index)
      const block = this.#block(index)
      const before = frameBeforeBlock(index)
      const aside = { pageNumbers: new Int32Array(blockCapacity(index)), slots: new Uint16Array(HASH_SLOT_COUNT) }
      const count = Math.min(pages.length - before, blockCapacity(index))
      for (let position = 1; position <= count; position++) enter(aside, position, pages[before + position - 1]!)
      block.pageNumbers.set(aside.pageNumbers)
      block.slots.set(aside.slots)
    }
  }

  /** Removes what the block of `endMark` holds beyond it. @requires lock WRITE */
  removeAfter(endMark: FrameNumber): void {
    if (endMark === 0) return
    const index = blockOfFrame(endMark)
    if (!this.#isHeld(index)) return
    const block = this.#block(index)
    const positionMax = endMark - frameBeforeBlock(index)
    for (let slot = 0; slot < HASH_SLOT_COUNT; slot++) {
      if (block.slots[slot]! > positionMax) Atomics.store(block.slots, slot, 0)
    }
    block.pageNumbers.fill(0, positionMax)
  }

  #isHeld(index: number): boolean {
    const size = (index + 1) * BLOCK_SIZE
    if (this.#knownSize < size) this.#knownSize = this.file.size()
    return this.#knownSize >= size
  }

  /** Extends the file by real zeros, not by a hole: a full disk must fail here and not kill us in the map. */
  #extendTo(index: number): void {
    while (!this.#isHeld(index)) {
      const missing = Math.min(BLOCK_SIZE, (index + 1) * BLOCK_SIZE - this.#knownSize)
      this.file.write([new Uint8Array(missing)], this.#knownSize)
      this.#knownSize = 0
    }
  }

  #block(index: number): Block {
    const known = this.#blocks[index]
    if (known !== undefined) return known
    if (!this.#isHeld(index))
      throw corrupt({ file: this.file.path, what: `block ${index} of the wal-index is missing` })
    const map = this.#map(Math.floor(index / BLOCKS_PER_MAP))
    const start = (index % BLOCKS_PER_MAP) * BLOCK_SIZE
    const first = pageNumbersOffset(index)
    const block = {
      pageNumbers: new Int32Array(map.buffer, start + first, blockCapacity(index)),
      slots: new Uint16Array(map.buffer, start + HASH_TABLE_OFFSET, HASH_SLOT_COUNT),
    }
    this.#blocks[index] = block
    return block
  }

  #map(index: number): Uint8Array {
    const known = this.#maps[index]
    if (known !== undefined) return known
    const size = BLOCKS_PER_MAP * BLOCK_SIZE
    const map = this.file.map(index * size, size, { writable: true })
    assert(map.byteOffset === 0, () => `map starts at ${map.byteOffset} of its buffer`)
    this.#maps[index] = map
    return map
  }
}

function clearBlock(block: Block): void {
  block.pageNumbers.fill(0)
  block.slots.fill(0)
}

/** @returns false if the table is damaged: fewer than `position` slots are taken, so no run can be longer */
function enter({ pageNumbers, slots }: Block, position: number, page: PageNumber): boolean {
  let slot = hashSlotOf(page)
  for (let probes = position; slots[slot] !== 0; slot = nextHashSlot(slot)) if (probes-- === 0) return false
  Atomics.store(pageNumbers, position - 1, page | 0)
  // After the page number: a reader that finds the slot looks at the page number next.
  Atomics.store(slots, slot, position)
  return true
}
