/**
 * Choosing a read mark: how a reader tells everyone which frames it needs, without waiting for anybody.
 *
 * While a reader holds READ(n) shared on a slot whose mark is at most its end mark, (SNAP-1) no checkpoint copies
 * frames past that mark into the main file and (SNAP-2) nobody restarts the log; on READ(0) no checkpoint copies
 * anything. Each step is checked again after the lock is held, since everything may change before it is.
 */
import { EndmarkError } from '../errors.js'
import { READ_SLOT_COUNT } from '../format/index.js'
import type { FrameNumber } from '../units.js'
import { type Blocking, delayStep, runSync } from '../vfs/index.js'
import type { IndexHeader } from './index-header.js'
import type { Wal } from './wal.js'

/** The slot that means: everything is in the main file, the log is not needed. */
export const MAIN_FILE_SLOT = 0

/** A read lock that is held. */
export interface ReadSlot {
  readonly slot: number
  /**
   * Backfill as it was while the lock was held and the header still the newest: for every page without a frame after
   * it, up to our end mark, the main file has the right version. A later value would not do (SNAP-5): a checkpoint of
   * SQLite leaves out pages that have a newer frame than it may copy.
   */
  readonly backfill: FrameNumber
}

/** Conflicts last microseconds, so the first attempts follow at once. */
const EAGER_ATTEMPTS = 20
const RETRY_DELAY_MS = 0.2

/**
 * Brings `wal.header` up to date and takes a read lock that protects its end mark. The first attempt nearly always does, and every
 * read in a turn of its own makes one: so it goes without generators.
 * @param known a header that was read before: if it is still there, it need not be read again
 */
export function acquireReadSlot(wal: Wal, known: IndexHeader | null): ReadSlot {
  const isKnown = known !== null && wal.index.isCurrent(known) && wal.header.equals(known)
  return (isKnown || wal.tryRefresh() ? tryAcquire(wal) : null) ?? runSync(acquirePatiently(wal))
}

function* acquirePatiently(wal: Wal): Blocking<ReadSlot> {
  const deadline = wal.vfs.now() + wal.timeoutMs
  for (let attempt = 1; ; attempt++) {
    yield* wal.refresh()
    const slot = tryAcquire(wal)
    if (slot !== null) return slot
    if (attempt < EAGER_ATTEMPTS) continue
    if (wal.vfs.now() > deadline) {
      throw new EndmarkError('ENDMARK_BUSY', `no read mark of ${wal.main.path} came free within ${wal.timeoutMs} ms`)
    }
    yield delayStep(wal.vfs, RETRY_DELAY_MS)
  }
}

/** @returns null if it has to be tried again */
function tryAcquire(wal: Wal): ReadSlot | null {
  const { index, locks, header } = wal
  // All frames are in the main file: READ(0) keeps it as it is, and lets writers restart the log.
  if (index.backfill === header.endMark && locks.tryRead(MAIN_FILE_SLOT)) {
    // A checkpoint or a commit may have come between the look and the lock.
    if (index.isCurrent(header)) return { slot: MAIN_FILE_SLOT, backfill: header.endMark }
    locks.releaseRead(MAIN_FILE_SLOT)
    return null
  }
  return tryLogSlot(wal)
}

function tryLogSlot(wal: Wal): ReadSlot | null {
  const { index, locks, header } = wal
  const best = highestUsable(wal)
  const hasBest = best.slot !== MAIN_FILE_SLOT && best.mark === header.endMark
  const raised = hasBest ? MAIN_FILE_SLOT : holdRaised(wal)
  const slot = raised === MAIN_FILE_SLOT ? best.slot : raised
  if (slot === MAIN_FILE_SLOT) return null
  const mark = raised === MAIN_FILE_SLOT ? best.mark : header.endMark
  if (raised === MAIN_FILE_SLOT && !locks.tryRead(slot)) return null
  // Before the header is compared: see ReadSlot.
  const { backfill } = index
  // Before our lock the mark could still be moved, and the log be restarted: only now do both hold still.
  if (index.readMark(slot) === mark && index.isCurrent(header)) return { slot, backfill }
  locks.releaseRead(slot)
  return null
}

/** The slot with the highest mark that is not past our end mark; slot 0 if there is none. */
function highestUsable(wal: Wal): { readonly slot: number; readonly mark: number } {
  let slot = MAIN_FILE_SLOT
  let mark = 0
  for (let candidate = 1; candidate < READ_SLOT_COUNT; candidate++) {
    const candidateMark = wal.index.readMark(candidate)
    if (candidateMark > wal.header.endMark || (slot !== MAIN_FILE_SLOT && candidateMark < mark)) continue
    slot = candidate
    mark = candidateMark
  }
  return { slot, mark }
}

/**
 * Sets a slot that nobody holds to our end mark, so that a checkpoint can get that far, and keeps it shared: letting it go and taking
 * it again would be another call of the system beside a busy writer, and a moment for others to move the mark.
 * @returns slot 0 if all are held
 */
function holdRaised(wal: Wal): number {
  const { index, locks, header } = wal
  for (let slot = 1; slot < READ_SLOT_COUNT; slot++) {
    if (!locks.tryReadExclusive(slot)) continue
    index.setReadMark(slot, header.endMark)
    locks.makeReadShared(slot)
    return slot
  }
  return MAIN_FILE_SLOT
}
