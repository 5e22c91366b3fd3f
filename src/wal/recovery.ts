/**
 * Rebuilding the wal-index from the log, when nobody has one (first opener) or its writer died while publishing.
 *
 * The log is read from the start; the first frame that does not verify ends it, and the last commit frame before
 * that is the end mark. Nothing is written to the log or the main file. Backfill starts over at 0: copying the
 * same pages again is harmless, as long as no page goes back to an older version (WAL-7).
 *
 * What was found is synced before it is published (WAL-8): its writer may have died before its sync, and others will commit behind it. Should
 * one of their syncs fail, the kernel takes these frames for clean, and no later sync would save them, nor what stands behind them.
 *
 * Locks: WRITE by the caller, so that no frame is added meanwhile; CKPT, so that no checkpointer works by the old
 * index; RECOVER, as SQLite has it. Readers that hold a read lock keep their mark: their frames are the same ones
 * (WAL-4: recovery never removes a published commit).
 */
import {
  FRAME_HEADER_SIZE,
  type FrameFields,
  frameOffset,
  isNativeBigEndian,
  READ_MARK_UNUSED,
  READ_SLOT_COUNT,
  verifyFrame,
  WalChecksum,
  type WalHeader,
} from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME, type PageNumber, pageNumber } from '../units.js'
import { runSync } from '../vfs/index.js'
import { IndexHeader } from './index-header.js'
import type { Wal } from './wal.js'
import type { WalFile } from './wal-file.js'

const READ_SIZE_BYTES = 1 << 20

/**
 * @returns false if a checkpointer or another recovery is in the way. It is never waited for under WRITE: a checkpoint
 *   that holds CKPT may itself be waiting for WRITE (LOCK-1)
 */
export function tryRecover(wal: Wal, { holdsCkpt = false } = {}): boolean {
  const { locks } = wal
  locks.assertHeld('WRITE')
  if (!holdsCkpt && !locks.tryExclusive('CKPT')) return false
  locks.assertHeld('CKPT')
  try {
    if (!locks.tryExclusive('RECOVER')) return false
    try {
      rebuild(wal)
      return true
    } finally {
      locks.releaseExclusive('RECOVER')
    }
  } finally {
    if (!holdsCkpt) locks.releaseExclusive('CKPT')
  }
}

function rebuild(wal: Wal): void {
  const { index, log } = wal
  // Aside: it is that of the connection once it is published.
  const header = new IndexHeader()
  index.open()
  const logHeader = log.readHeader()
  header.reset(wal.pageSize, logHeader?.isBigEndian ?? isNativeBigEndian)
  const endMark = logHeader === null ? NO_FRAME : enterFrames(wal, logHeader, header)
  if (endMark !== NO_FRAME) runSync(wal.syncLog())
  // A log without commits gets fresh salts, so that no frame of an earlier life can ever fit behind a new header.
  if (endMark === NO_FRAME) header.setSalts(((logHeader?.salt1 ?? wal.vfs.random32()) + 1) >>> 0, wal.vfs.random32())
  resetReadMarks(wal, endMark)
  index.backfill = NO_FRAME
  index.backfillAttempted = endMark
  index.publish(header)
  wal.header.copyFrom(header)
}

/** Enters all frames that verify and moves the header to the last commit among them. */
function enterFrames(wal: Wal, logHeader: WalHeader, header: IndexHeader): FrameNumber {
  header.setSalts(logHeader.salt1, logHeader.salt2)
  const pages: PageNumber[] = []
  let endMark = NO_FRAME
  for (const { frame, fields, sums } of validFrames(wal, logHeader)) {
    pages.push(pageNumber(fields.pageNumber))
    if (fields.commitMark === 0) continue
    endMark = frame
    header.setFrameChecksum(sums.s0, sums.s1)
    header.advance(endMark, fields.commitMark)
  }
  wal.index.rebuild(pages.slice(0, endMark))
  return endMark
}

interface ValidFrame {
  readonly frame: FrameNumber
  readonly fields: FrameFields
  readonly sums: WalChecksum
}

/**
 * The frames of the log up to the first that does not verify; the yielded object is reused.
 * @throws ENDMARK_CORRUPT if they are of pages of another size than the main file has
 */
export function* validFrames(wal: Wal, logHeader: WalHeader): Generator<ValidFrame> {
  for (const valid of framesOf(wal.log, logHeader)) {
    if (logHeader.pageSize !== wal.pageSize) throw wal.otherPageSize(logHeader.pageSize)
    yield valid
  }
}

/** The same of a log for itself. */
export function* framesOf(log: WalFile, logHeader: WalHeader): Generator<ValidFrame> {
  const { pageSize } = logHeader
  const sums = new WalChecksum(logHeader.isBigEndian)
  sums.set(logHeader.checksum1, logHeader.checksum2)
  const fields: FrameFields = { pageNumber: 0, commitMark: 0, salt1: 0, salt2: 0 }
  const frameSize = FRAME_HEADER_SIZE + pageSize
  const framesPerRead = Math.max(1, Math.floor(READ_SIZE_BYTES / frameSize))
  const buffer = new Uint8Array(framesPerRead * frameSize)
  for (let first = 1; ; first += framesPerRead) {
    const readBytes = log.file.read(buffer, frameOffset(frameNumber(first), pageSize))
    const frameCount = Math.floor(readBytes / frameSize)
    for (let i = 0; i < frameCount; i++) {
      if (!verifyFrame(buffer, i * frameSize, pageSize, logHeader, sums, fields)) return
      yield { frame: frameNumber(first + i), fields, sums }
    }
    if (frameCount < framesPerRead) return
  }
}

/** Gives every free slot its starting value; one that a reader still holds keeps its mark. */
function resetReadMarks(wal: Wal, endMark: FrameNumber): void {
  const { index, locks } = wal
  index.setReadMark(0, 0)
  for (let slot = 1; slot < READ_SLOT_COUNT; slot++) {
    if (!locks.tryReadExclusive(slot)) continue
    index.setReadMark(slot, slot === 1 && endMark !== NO_FRAME ? endMark : READ_MARK_UNUSED)
    locks.releaseReadExclusive(slot)
  }
}
