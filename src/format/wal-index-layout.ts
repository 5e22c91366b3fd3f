/**
 * Where everything lies in the wal-index (the -shm file). Source: SQLite "WAL-mode File Format", section 2; where its
 * prose and its table disagree the table is right: nBackfill stands at byte 96, nBackfillAttempted at 128.
 *
 * The file is a row of 32 KiB blocks. The first begins with 136 bytes: two copies of the 48-byte header and the
 * checkpoint info. The rest of each block is the page-number array (one 32-bit number a frame) and the hash
 * table (8192 16-bit slots that hold 1-based positions in that array, 0 = empty). All in native byte order.
 * The offsets here are in bytes; `wal-index.ts` turns them into typed-array indexes.
 */
import { assert } from '../assert.js'

export const WAL_INDEX_VERSION = 3007000
export const BLOCK_SIZE = 32768

/** Fields of one copy of the header, in bytes from its start. */
export const HEADER_SIZE = 48
export const HEADER = {
  version: 0,
  /** Counts transactions; any change of the header changes it or the salts. */
  change: 8,
  /** One byte: 1 once the header is initialised. */
  isInitialised: 12,
  /** One byte: 1 if the log's checksums are big-endian. */
  isBigEndianChecksum: 13,
  /** 16 bits; 65536 is written as 1. */
  pageSize: 14,
  /** SQLite's mxFrame: the last valid frame of the log. */
  endMark: 16,
  pageCount: 20,
  frameChecksum1: 24,
  frameChecksum2: 28,
  /** The salts exactly as their bytes stand in the log header (big-endian there). */
  salt1: 32,
  salt2: 36,
  checksum1: 40,
  checksum2: 44,
} as const

export const HEADER_COPY_1_OFFSET = 0
export const HEADER_COPY_2_OFFSET = HEADER_COPY_1_OFFSET + HEADER_SIZE
export const BACKFILL_OFFSET = HEADER_COPY_2_OFFSET + HEADER_SIZE
export const READ_MARKS_OFFSET = BACKFILL_OFFSET + 4
export const LOCK_BYTES_OFFSET = READ_MARKS_OFFSET + 5 * 4
export const BACKFILL_ATTEMPTED_OFFSET = LOCK_BYTES_OFFSET + 8
export const INDEX_HEADER_SIZE = BACKFILL_ATTEMPTED_OFFSET + 8

/** Read mark of a slot that no reader may use. */
export const READ_MARK_UNUSED = 0xffffffff

export const HASH_SLOT_COUNT = 8192
const HASH_TABLE_SIZE = HASH_SLOT_COUNT * 2
export const HASH_TABLE_OFFSET = BLOCK_SIZE - HASH_TABLE_SIZE
export const FRAMES_PER_BLOCK = HASH_TABLE_OFFSET / 4
/** The header takes the place of the first page numbers of the first block. */
export const FRAMES_IN_FIRST_BLOCK = (HASH_TABLE_OFFSET - INDEX_HEADER_SIZE) / 4
const HASH_FACTOR = 383

assert(BACKFILL_OFFSET === 96 && BACKFILL_ATTEMPTED_OFFSET === 128, 'checkpoint info is where SQLite has it')
assert(FRAMES_PER_BLOCK === 4096 && FRAMES_IN_FIRST_BLOCK === 4062, 'frames per block as SQLite has them')

/** 0-based block that indexes a frame (1-based number). */
export function blockOfFrame(frame: number): number {
  return Math.floor((frame + FRAMES_PER_BLOCK - FRAMES_IN_FIRST_BLOCK - 1) / FRAMES_PER_BLOCK)
}

/** Number of the frame before a block's first one: position p in the block is frame `frameBeforeBlock + p`. */
export function frameBeforeBlock(block: number): number {
  return block === 0 ? 0 : FRAMES_IN_FIRST_BLOCK + (block - 1) * FRAMES_PER_BLOCK
}

/** Frames a block can hold. */
export function blockCapacity(block: number): number {
  return block === 0 ? FRAMES_IN_FIRST_BLOCK : FRAMES_PER_BLOCK
}

/** Byte offset of the page-number array within its block. */
export function pageNumbersOffset(block: number): number {
  return block === 0 ? INDEX_HEADER_SIZE : 0
}

/** First slot to look at for a page; a collision goes on to the next slot. */
export function hashSlotOf(page: number): number {
  return Math.imul(page, HASH_FACTOR) & (HASH_SLOT_COUNT - 1)
}

export function nextHashSlot(slot: number): number {
  return (slot + 1) & (HASH_SLOT_COUNT - 1)
}
