/**
 * Taking hold of a committed state that is not the newest: the one that a token names, as long as the log and the main file
 * still have it. It is held by a read lock of ours, so it stays when whoever made the token lets go.
 *
 * Invariant SNAP-6, why it is that state and no other:
 * - the salts name the generation of the log, and the frame at the end mark has the cumulative checksum of the token: the frames
 *   up to it are those of that state. While READ(1) to READ(4) is held shared, the generation cannot end (SNAP-2);
 * - a page without such a frame comes from the main file, which must have none from later ones. Checkpoints write down
 *   how far they will copy (`backfillAttempted`) before they copy, and recovery writes down the worst. CKPT is held shared
 *   here, so no checkpoint is under way; if neither count is past the end mark, nothing later was ever copied;
 * - from here on no checkpoint passes the mark of our slot, which is at most the end mark (SNAP-1). It was looked at when the
 *   lock was held, and before CKPT is given back, so a checkpoint that had not seen it does not exist.
 * What is in the main file need not be known: the frame map of such a state begins at 0, so every page that has a frame
 * comes from the log.
 *
 * Locks: CKPT shared while looking, then READ(n) by try; whoever holds READ(n) waits for nothing (LOCK-1).
 */
import { EndmarkError } from '../errors.js'
import { commitFrameFields, FRAME_HEADER_SIZE, frameOffset, READ_SLOT_COUNT } from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME } from '../units.js'
import type { Blocking, BlockingStep } from '../vfs/index.js'
import { readLiveHeader } from './backfill.js'
import type { IndexHeader } from './index-header.js'
import { MAIN_FILE_SLOT } from './read-mark.js'
import type { Wal } from './wal.js'

/** What no other committed state of the database has: an `IndexHeader` says it of its own. */
export interface StateName {
  readonly salt1: number
  readonly salt2: number
  readonly endMark: number
  readonly frameChecksum1: number
  readonly frameChecksum2: number
}

/** A past state that is held: READ(slot) is the caller's. */
export interface PastState {
  readonly slot: number
  readonly header: IndexHeader
}

const RETRY_DELAY_MS = 1

/** A log that SQLite has never written to has no salts, and its states no names. */
export function hasName({ salt1, salt2 }: StateName): boolean {
  return salt1 !== 0 || salt2 !== 0
}

export function isSameState(a: StateName, b: StateName): boolean {
  return (
    a.endMark === b.endMark &&
    a.frameChecksum1 === b.frameChecksum1 &&
    a.frameChecksum2 === b.frameChecksum2 &&
    a.salt1 === b.salt1 &&
    a.salt2 === b.salt2
  )
}

/**
 * @returns null if the database no longer has that state, or never had
 * @throws ENDMARK_BUSY if a checkpoint takes longer than the timeout
 */
export function* acquirePastState(wal: Wal, name: StateName): Blocking<PastState | null> {
  if (!hasName(name)) return null
  const deadlineMs = wal.vfs.now() + wal.timeoutMs
  for (;;) {
    yield* wal.refresh()
    const state = tryAcquire(wal, name)
    if (state !== 'busy') return state
    if (wal.vfs.now() > deadlineMs) throw checkpointIsLong(wal)
    yield delayUnlessOwn(wal)
  }
}

/**
 * For a reader on READ(0), whose log may be started over at any time: keeps its generation as well, so that others can find the
 * state there. READ(0) has kept backfill out all the while.
 * @returns the slot that is now held, or null if the log has been started over, or no slot is free
 * @requires READ(0) shared since `header` was the newest
 */
export function tryKeepGeneration(wal: Wal, header: IndexHeader): number | null {
  const slot = tryLockUpTo(wal, header.endMark)
  if (slot === null) return null
  const live = readLiveHeader(wal)
  if (live !== null && isBefore(header, live)) return slot
  wal.locks.releaseRead(slot)
  return null
}

function tryAcquire(wal: Wal, name: StateName): PastState | 'busy' | null {
  const { locks } = wal
  if (!locks.tryShared('CKPT')) return 'busy'
  try {
    const found = readLiveHeader(wal)
    if (found === null || !wal.index.covers(found.endMark)) return 'busy'
    if (!isBefore(name, found)) return null
    const slot = tryLockUpTo(wal, frameNumber(name.endMark))
    if (slot === null) return 'busy'
    // Before our lock the log could still be started over by a SQLite, which does not ask for CKPT.
    const live = readLiveHeader(wal)
    const header = live === null ? null : headerAt(wal, live, name)
    if (header === null) locks.releaseRead(slot)
    if (live === null) return 'busy'
    return header === null ? null : { slot, header }
  } finally {
    locks.releaseShared('CKPT')
  }
}

/**
 * The header of that state, made from the live one; null if the files no longer have that state.
 * @requires CKPT shared, and READ(n) on a mark up to that state's
 */
function headerAt(wal: Wal, live: IndexHeader, name: StateName): IndexHeader | null {
  const { index } = wal
  if (!isBefore(name, live)) return null
  if (index.backfill > name.endMark || index.backfillAttempted > name.endMark) return null
  if (live.endMark === name.endMark) return isSameState(live, name) ? live : null
  const pageCount = pageCountAt(wal, name)
  if (pageCount === null) return null
  live.advance(frameNumber(name.endMark), pageCount)
  live.setFrameChecksum(name.frameChecksum1, name.frameChecksum2)
  live.seal()
  return live
}

function isBefore({ salt1, salt2, endMark }: StateName, live: IndexHeader): boolean {
  return live.salt1 === salt1 && live.salt2 === salt2 && live.endMark >= endMark
}

/** Page count of that state, 0 if the log does not say; null if the frame is another one. */
function pageCountAt({ log, pageSize }: Wal, name: StateName): number | null {
  if (name.endMark === NO_FRAME) return name.frameChecksum1 === 0 && name.frameChecksum2 === 0 ? 0 : null
  const bytes = new Uint8Array(FRAME_HEADER_SIZE)
  if (log.file.read(bytes, frameOffset(frameNumber(name.endMark), pageSize)) < bytes.length) return null
  const { salt1, salt2, commitMark, checksum1, checksum2 } = commitFrameFields(bytes)
  const isThat =
    salt1 === name.salt1 &&
    salt2 === name.salt2 &&
    checksum1 === name.frameChecksum1 &&
    checksum2 === name.frameChecksum2
  return isThat && commitMark > 0 ? commitMark : null
}

/** Takes READ(1) to READ(4) shared on a mark that is at most `endMark`, the highest there is; a free slot is set to it. */
function tryLockUpTo(wal: Wal, endMark: FrameNumber): number | null {
  const { index, locks } = wal
  const exact = slotWith(wal, (mark) => mark === endMark)
  const slot = exact ?? trySetMark(wal, endMark) ?? slotWith(wal, (mark) => mark <= endMark)
  if (slot === null || !locks.tryRead(slot)) return null
  // Before our lock the mark could still be moved.
  if (index.readMark(slot) <= endMark) return slot
  locks.releaseRead(slot)
  return null
}

function slotWith({ index }: Wal, fits: (mark: number) => boolean): number | null {
  let best: number | null = null
  for (let slot = MAIN_FILE_SLOT + 1; slot < READ_SLOT_COUNT; slot++) {
    const mark = index.readMark(slot)
    if (fits(mark) && (best === null || mark > index.readMark(best))) best = slot
  }
  return best
}

function trySetMark({ index, locks }: Wal, endMark: FrameNumber): number | null {
  for (let slot = MAIN_FILE_SLOT + 1; slot < READ_SLOT_COUNT; slot++) {
    if (!locks.tryReadExclusive(slot)) continue
    index.setReadMark(slot, endMark)
    locks.releaseReadExclusive(slot)
    return slot
  }
  return null
}

/** A checkpoint of our own ends only when the event loop goes on: blocking would wait for it in vain. */
function delayUnlessOwn(wal: Wal): BlockingStep {
  const { locks, vfs } = wal
  const sync = () => {
    if (locks.isHeld('CKPT')) throw checkpointIsLong(wal)
    vfs.delaySync(RETRY_DELAY_MS)
  }
  return { sync, async: () => vfs.delay(RETRY_DELAY_MS) }
}

function checkpointIsLong(wal: Wal): EndmarkError {
  const message = `a checkpoint of ${wal.main.path} is under way, and a past state is not to be had meanwhile: try again`
  return new EndmarkError('ENDMARK_BUSY', message)
}
