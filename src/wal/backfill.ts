/**
 * Copying committed frames into the main file. Called by `checkpoint` only, with CKPT held.
 *
 * Order, each step for a reason: (1) safe frame: the lowest mark a reader may still need (SNAP-1); (2) READ(0)
 * exclusively, since readers on it rely on the main file alone; (3) compare the live salts with those of the header
 * we go by: a log restarted since must not get the old log's backfill (WAL-1); (4) sync the log before a byte of
 * it reaches the main file (WAL-3, the write-ahead rule); (5) newest copy of each page, in page order, neighbours in
 * one write, but of no page that has a newer frame behind the safe one (WAL-7); (6) set the length if complete; (7) sync the main file; (8) publish `backfill`. A crash or failure
 * before (8) costs nothing: all of it is still in the log and is copied again.
 */
import { assert } from '../assert.js'
import { corrupt } from '../errors.js'
import { READ_MARK_UNUSED, READ_SLOT_COUNT } from '../format/index.js'
import type { Synchronous } from '../units.js'
import { type FrameNumber, frameNumber, type PageNumber, pageNumber } from '../units.js'
import { type Blocking, type BlockingStep, datasyncStep, waitFor } from '../vfs/index.js'
import { IndexHeader } from './index-header.js'
import { MAIN_FILE_SLOT } from './read-mark.js'
import type { Wal } from './wal.js'

/** Most that one write call carries. */
const WRITE_SIZE_BYTES = 1 << 18
/** Bytes copied before the event loop gets a turn. */
const BYTES_PER_TURN = 1 << 19
/** Frames looked at before the event loop gets a turn: each may be a read of the disk, or only of the wal-index. */
const FRAMES_PER_TURN = 256
const INDEXED_FRAMES_PER_TURN = 8192
/**
 * Past so many frames to look through, those that are not copied are not looked at in the log itself: of one that has grown for many
 * minutes most are in memory no more, and reading all of it takes minutes.
 */
const FRAMES_READ_MAX = 1 << 16
/** A publishing writer is between its two header copies for well under a microsecond. */
const HEADER_ATTEMPTS = 1000

export interface BackfillOptions {
  readonly synchronous: Synchronous
  /** Until when to wait for whoever is in the way, by `vfs.now()`; in the past = do not wait. */
  readonly deadlineMs: number
  /** Sync the main file after every so many bytes, so that no single sync holds up those of the log for long. */
  readonly sliceBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Copies what can be copied of the frames up to `header.endMark`, and raises `backfill` accordingly.
 * @requires lock CKPT; `header` was read after it was taken
 */
export function* backfill(wal: Wal, header: IndexHeader, options: BackfillOptions): Blocking<void> {
  const { index, locks } = wal
  locks.assertHeld('CKPT')
  const safe = yield* findSafeFrame(wal, header.endMark, options)
  const start = index.backfill
  if (start >= safe) return
  const hasSlot = yield* tryFor(wal, () => locks.tryReadExclusive(MAIN_FILE_SLOT), options)
  if (!hasSlot) return
  try {
    if (!hasLiveSalts(wal, header)) return
    // Never lower: a recovery has written down the worst, as it cannot know what was copied before (SNAP-6).
    if (safe > index.backfillAttempted) index.backfillAttempted = safe
    const isSynced = options.synchronous !== 'off' || wal.hasDurableCommits
    if (isSynced) yield* wal.syncLog({ forCheckpoint: true })
    yield* copyFrames(wal, header, { start, safe, sliceBytes: isSynced ? options.sliceBytes : undefined })
    if (isLiveEndMark(wal, safe)) setMainSize(wal, header.pageCount)
    if (isSynced) yield datasyncStep(wal.main)
    assert(index.backfill === start, () => `backfill moved from ${start} to ${index.backfill} under CKPT`)
    index.backfill = safe
  } finally {
    locks.releaseReadExclusive(MAIN_FILE_SLOT)
  }
}

/** Tries, and waits if the options allow it. @returns false where the lock stayed busy */
export function* tryFor(wal: Wal, attempt: () => boolean, { deadlineMs, signal }: BackfillOptions): Blocking<boolean> {
  if (attempt()) return true
  const timeoutMs = deadlineMs - wal.vfs.now()
  if (timeoutMs <= 0) return false
  try {
    yield* waitFor(attempt, { vfs: wal.vfs, timeoutMs, signal, what: `a lock of ${wal.main.path}` })
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENDMARK_BUSY') return false
    throw error
  }
}

/** The highest frame that no reader stands before. Marks that nobody holds are moved out of the way. */
function* findSafeFrame(wal: Wal, endMark: FrameNumber, options: BackfillOptions): Blocking<FrameNumber> {
  const { index, locks } = wal
  let safe = endMark
  for (let slot = 1; slot < READ_SLOT_COUNT; slot++) {
    if (index.readMark(slot) >= safe) continue
    let isFree = false
    // Whoever reads without a pause never leaves the slot, but raises its mark.
    const attempt = () => {
      isFree = locks.tryReadExclusive(slot)
      return isFree || index.readMark(slot) >= safe
    }
    yield* tryFor(wal, attempt, options)
    if (isFree) {
      index.setReadMark(slot, slot === 1 ? safe : READ_MARK_UNUSED)
      locks.releaseReadExclusive(slot)
    } else {
      // Read again, since the wait may have let it rise; but it may rise past the frames our header knows of (SNAP-1).
      safe = frameNumber(Math.min(safe, index.readMark(slot)))
    }
  }
  return safe
}

/** The published header, or null if its writer has died between the two copies. */
export function readLiveHeader(wal: Wal): IndexHeader | null {
  const live = new IndexHeader()
  for (let attempt = 0; attempt < HEADER_ATTEMPTS; attempt++) if (wal.index.readHeader(live)) return live
  return null
}

function hasLiveSalts(wal: Wal, header: IndexHeader): boolean {
  return readLiveHeader(wal)?.hasSaltsOf(header) ?? false
}

/** Whether the log still ends there: only then is the length of the database what our header says. */
function isLiveEndMark(wal: Wal, endMark: FrameNumber): boolean {
  return readLiveHeader(wal)?.endMark === endMark
}

function setMainSize(wal: Wal, pageCount: number): void {
  const size = pageCount * wal.pageSize
  if (wal.main.size() !== size) wal.main.truncate(size)
}

/** Lets the event loop turn; in a blocking run there is nothing to let by. */
const turnStep = ({ vfs }: Wal): BlockingStep => ({
  sync: () => {},
  async: () => new Promise((resolve) => vfs.endOfTurn(resolve)),
})

interface CopyRange {
  readonly start: FrameNumber
  readonly safe: FrameNumber
  readonly sliceBytes?: number | undefined
}

function* copyFrames(wal: Wal, header: IndexHeader, range: CopyRange): Blocking<void> {
  const { sliceBytes = Number.POSITIVE_INFINITY } = range
  // Another connection may have cut the log since we last looked; READ(0) and CKPT keep it as it is from here on.
  wal.log.windows.forgetSize()
  checkPageCount(wal, header)
  const frames = yield* newestFrames(wal, header, range)
  const { pageSize } = wal
  const pagesPerWrite = Math.max(1, Math.min(WRITE_SIZE_BYTES, sliceBytes) / pageSize)
  let copiedBytes = 0
  let unsyncedBytes = 0
  for (let from = 0; from < frames.length; ) {
    const count = runLength(frames, from, pagesPerWrite)
    const run = frames.slice(from, from + count)
    // Straight from the map of the log: no copy of ours in between.
    const pages = run.map(({ page, frame }) => wal.log.page(frame, pageNumber(page), pageSize))
    wal.main.write(pages, (run[0]!.page - 1) * pageSize)
    from += count
    copiedBytes += count * pageSize
    unsyncedBytes += count * pageSize
    if (unsyncedBytes >= sliceBytes) {
      unsyncedBytes = 0
      yield datasyncStep(wal.main)
    }
    if (copiedBytes < BYTES_PER_TURN) continue
    copiedBytes = 0
    yield turnStep(wal)
  }
}

/** The main file is cut or extended to the page count, so that must be right. */
function checkPageCount(wal: Wal, { endMark, pageCount }: IndexHeader): void {
  const { index, log } = wal
  const commitMark = log.commitMark(endMark, wal.pageSize)
  if (commitMark !== pageCount) {
    const what = `a database of ${pageCount} pages, where the log ends with ${commitMark}: the wal-index is damaged`
    throw corrupt({ file: index.file.path, what })
  }
  const pageCountMax = wal.pageCountMax(endMark)
  if (pageCount <= pageCountMax) return
  const what = `frame ${endMark} makes the database ${pageCount} pages long, where no more than ${pageCountMax} can be`
  throw corrupt({ file: log.path, what })
}

interface PageFrame {
  readonly page: number
  readonly frame: FrameNumber
}

/**
 * The newest frame of each page among those after `start` up to `safe`, in page order, without the pages that have a newer one
 * (WAL-7): after a recovery, where `start` is 0 again, the main file may have that one already, and readers who began before may
 * rely on it. Whoever begins now finds it in the log.
 */
function* newestFrames(
  wal: Wal,
  { endMark, pageCount }: IndexHeader,
  { start, safe }: CopyRange,
): Blocking<PageFrame[]> {
  const newest = new Map<number, FrameNumber>()
  const isRead = endMark - start <= FRAMES_READ_MAX
  const framesPerTurn = isRead ? FRAMES_PER_TURN : INDEXED_FRAMES_PER_TURN
  for (let frame = start + 1; frame <= safe; frame++) {
    if (frame % framesPerTurn === 0) yield turnStep(wal)
    const page = wal.index.pageOfFrame(frameNumber(frame))
    // Each of them, not only the newest: a wrong page number hides the newest frame of the right one.
    checkFrame(wal, frameNumber(frame), page, isRead)
    // Pages past the end were cut off by a later commit of this log.
    if (page <= pageCount) newest.set(page, frameNumber(frame))
  }
  for (let frame = safe + 1; frame <= endMark; frame++) {
    if (frame % framesPerTurn === 0) yield turnStep(wal)
    const page = wal.index.pageOfFrame(frameNumber(frame))
    // Only of those that make a difference: a wrong page number would keep a page from being copied.
    if (newest.delete(page)) checkFrame(wal, frameNumber(frame), page, isRead)
  }
  const frames = Array.from(newest, ([page, frame]) => ({ page, frame }))
  return frames.sort((a, b) => a.page - b.page)
}

/**
 * By the header of the frame, or by the hash alone, which says the same unless both halves of the wal-index were damaged alike.
 * @throws ENDMARK_CORRUPT
 */
function checkFrame({ index, log, pageSize }: Wal, frame: FrameNumber, page: PageNumber, isRead: boolean): void {
  if (isRead) log.checkPage(frame, page, pageSize)
  else if (!index.isInHash(frame, page)) {
    const what = `the hash does not lead from page ${page} to frame ${frame}: the wal-index is damaged`
    throw corrupt({ file: index.file.path, page, what })
  }
}

/** How many of the frames from `from` belong to neighbouring pages, at most `max`. */
function runLength(frames: readonly PageFrame[], from: number, max: number): number {
  let count = 1
  while (count < max && frames[from + count]?.page === frames[from]!.page + count) count++
  return count
}
