/**
 * Starting the log over once all of it is in the main file (DUR-2), so that it is overwritten in place instead of
 * growing.
 *
 * The WAL-reset race (WAL-1): a checkpointer that has read the header, but not yet taken READ(0), must not
 * publish its backfill for a log that was restarted meanwhile. Our checkpointer re-checks the salts; this side
 * restarts only while it holds CKPT as well, which keeps every checkpointer out, old SQLite ones included.
 * Busy means: append instead, never wait.
 */
import { READ_MARK_UNUSED, READ_SLOT_COUNT } from '../format/index.js'
import { NO_FRAME } from '../units.js'
import type { Wal } from './wal.js'

/**
 * Restarts the log if all of it is backfilled and neither a checkpointer nor a reader on READ(1) to READ(4) is in the way.
 * @requires lock WRITE, with `wal.header` up to date
 * @returns whether the log was restarted
 */
export function tryRestart(wal: Wal): boolean {
  const { locks, header, index } = wal
  locks.assertHeld('WRITE')
  if (header.endMark === NO_FRAME || index.backfill !== header.endMark) return false
  if (!locks.tryExclusive('CKPT')) return false
  try {
    return withLogSlots(wal, () => {
      // CKPT is held: the backfill just read cannot belong to a checkpoint that is still going on.
      if (index.backfill !== header.endMark) return false
      publishEmptyLog(wal)
      return true
    })
  } finally {
    locks.releaseExclusive('CKPT')
  }
}

/** Runs `work` while READ(1) to READ(4) are all held exclusively. @returns false, not run, if a reader holds one */
export function withLogSlots(wal: Wal, work: () => boolean): boolean {
  const { locks } = wal
  let heldMax = 0
  try {
    for (let slot = 1; slot < READ_SLOT_COUNT; slot++) {
      if (!locks.tryReadExclusive(slot)) return false
      heldMax = slot
    }
    return work()
  } finally {
    for (let slot = 1; slot <= heldMax; slot++) locks.releaseReadExclusive(slot)
  }
}

/**
 * Publishes a new generation without frames. `backfill` goes back first (WAL-6): whoever dies in between leaves the old log
 * with all of it to be copied again, which is harmless; a new log with the backfill of the old one would pass for
 * copied when it is not. Readers that see the old header without backfill turn to READ(1) to READ(4), which we hold,
 * and try again.
 * @requires lock WRITE, CKPT and READ(1) to READ(4)
 */
export function publishEmptyLog(wal: Wal): void {
  const { header, index, locks } = wal
  locks.assertHeld('WRITE')
  locks.assertHeld('CKPT')
  index.backfill = NO_FRAME
  header.restart((header.salt1 + 1) >>> 0, wal.vfs.random32())
  index.publish(header)
  // Not before: if we die, the old log must not claim that nothing of it was ever copied (SNAP-6, WATCH-2).
  index.backfillAttempted = NO_FRAME
  for (let slot = 1; slot < READ_SLOT_COUNT; slot++) {
    locks.assertReadExclusive(slot)
    index.setReadMark(slot, slot === 1 ? 0 : READ_MARK_UNUSED)
  }
}
