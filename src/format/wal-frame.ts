/**
 * The 24-byte frame header and where frames lie in the log. Source: SQLite "Database File Format", section 4.1 and
 * 4.2. A frame is valid when its salts are the log header's and its checksum continues the one before it; a frame
 * whose commit mark (database size in pages) is not zero ends a transaction.
 */
import { assert } from '../assert.js'
import type { FrameNumber } from '../units.js'
import { get32, put32 } from './bytes.js'
import type { WalChecksum } from './wal-checksum.js'
import { WAL_HEADER_SIZE } from './wal-header.js'

const PAGE_NUMBER_OFFSET = 0
const COMMIT_MARK_OFFSET = PAGE_NUMBER_OFFSET + 4
const SALT1_OFFSET = COMMIT_MARK_OFFSET + 4
const SALT2_OFFSET = SALT1_OFFSET + 4
const CHECKSUM1_OFFSET = SALT2_OFFSET + 4
const CHECKSUM2_OFFSET = CHECKSUM1_OFFSET + 4
export const FRAME_HEADER_SIZE = CHECKSUM2_OFFSET + 4

export const FRAME_HEADER_OFFSETS = {
  pageNumber: PAGE_NUMBER_OFFSET,
  commitMark: COMMIT_MARK_OFFSET,
  salt1: SALT1_OFFSET,
  salt2: SALT2_OFFSET,
  checksum1: CHECKSUM1_OFFSET,
  checksum2: CHECKSUM2_OFFSET,
} as const

/** The part of the frame header that its checksum covers: page number and commit mark. */
const SUMMED_HEADER_SIZE = SALT1_OFFSET

/** Offset of the header of a frame in the log. */
export function frameOffset(frame: FrameNumber, pageSize: number): number {
  assert(frame > 0, 'frame 0 has no place in the log')
  return WAL_HEADER_SIZE + (frame - 1) * (FRAME_HEADER_SIZE + pageSize)
}

/** The page whose image follows a frame header. */
export function framePageNumber(bytes: Uint8Array): number {
  return get32(bytes, PAGE_NUMBER_OFFSET)
}

/** What a frame header says of the state that ends with it. */
export function commitFrameFields(bytes: Uint8Array): {
  readonly commitMark: number
  readonly salt1: number
  readonly salt2: number
  readonly checksum1: number
  readonly checksum2: number
} {
  const [checksum1, checksum2] = readFrameChecksum(bytes)
  return {
    commitMark: get32(bytes, COMMIT_MARK_OFFSET),
    salt1: get32(bytes, SALT1_OFFSET),
    salt2: get32(bytes, SALT2_OFFSET),
    checksum1,
    checksum2,
  }
}

/** The size of the database in pages after a commit frame; 0: it is none. */
export function frameCommitMark(bytes: Uint8Array): number {
  return get32(bytes, COMMIT_MARK_OFFSET)
}

/** The sums that stand in a frame header. */
export function readFrameChecksum(bytes: Uint8Array): [checksum1: number, checksum2: number] {
  return [get32(bytes, CHECKSUM1_OFFSET), get32(bytes, CHECKSUM2_OFFSET)]
}

/** Complete frames that fit into a log of `size` bytes. */
export function frameCountOf(size: number, pageSize: number): number {
  return size <= WAL_HEADER_SIZE ? 0 : Math.floor((size - WAL_HEADER_SIZE) / (FRAME_HEADER_SIZE + pageSize))
}

export interface FrameFields {
  pageNumber: number
  /** Database size in pages for the last frame of a transaction, else 0. */
  commitMark: number
  salt1: number
  salt2: number
}

/**
 * Writes the frame header at `start`, in front of the page image already there, and continues `sums` over both.
 */
export function sealFrame(
  bytes: Uint8Array,
  start: number,
  pageSize: number,
  frame: FrameFields,
  sums: WalChecksum,
): void {
  put32(bytes, start + PAGE_NUMBER_OFFSET, frame.pageNumber)
  put32(bytes, start + COMMIT_MARK_OFFSET, frame.commitMark)
  put32(bytes, start + SALT1_OFFSET, frame.salt1)
  put32(bytes, start + SALT2_OFFSET, frame.salt2)
  sums.add(bytes, start, SUMMED_HEADER_SIZE)
  sums.add(bytes, start + FRAME_HEADER_SIZE, pageSize)
  put32(bytes, start + CHECKSUM1_OFFSET, sums.s0)
  put32(bytes, start + CHECKSUM2_OFFSET, sums.s1)
}

/**
 * Verifies the frame at `start` against the salts and the running sums, and fills `into`.
 * @returns false if the frame does not belong to this log or is damaged; `sums` is then of no further use
 */
export function verifyFrame(
  bytes: Uint8Array,
  start: number,
  pageSize: number,
  salts: { readonly salt1: number; readonly salt2: number },
  sums: WalChecksum,
  into: FrameFields,
): boolean {
  into.pageNumber = get32(bytes, start + PAGE_NUMBER_OFFSET)
  into.commitMark = get32(bytes, start + COMMIT_MARK_OFFSET)
  into.salt1 = get32(bytes, start + SALT1_OFFSET)
  into.salt2 = get32(bytes, start + SALT2_OFFSET)
  if (into.salt1 !== salts.salt1 || into.salt2 !== salts.salt2 || into.pageNumber === 0) return false
  sums.add(bytes, start, SUMMED_HEADER_SIZE)
  sums.add(bytes, start + FRAME_HEADER_SIZE, pageSize)
  return get32(bytes, start + CHECKSUM1_OFFSET) === sums.s0 && get32(bytes, start + CHECKSUM2_OFFSET) === sums.s1
}
