/**
 * Checkpoints: the four modes of SQLite and the order of their locks. `passive` copies what it can without waiting;
 * `full` keeps writers out and waits for readers, so that everything is copied; `restart` then waits until no
 * reader uses the log, so that the next writer starts it over; `truncate` starts it over itself and cuts the file.
 *
 * Locks: CKPT for all of it; WRITE as well for full, restart and truncate; see backfill.ts for READ(n).
 */

import { corrupt } from '../errors.js'
import type { Synchronous } from '../units.js'
import { NO_FRAME } from '../units.js'
import type { Blocking } from '../vfs/index.js'
import { type BackfillOptions, backfill, tryFor } from './backfill.js'
import { publishEmptyLog, withLogSlots } from './log-restart.js'
import type { Wal } from './wal.js'

export type CheckpointMode = 'passive' | 'full' | 'restart' | 'truncate'

export interface CheckpointOptions {
  readonly mode: CheckpointMode
  readonly synchronous: Synchronous
  /** Milliseconds to wait for writers and readers in the modes that wait. */
  readonly timeoutMs: number
  /** Milliseconds to wait for readers, if that is to be less. */
  readonly readerTimeoutMs?: number
  /** Sync the main file in slices of so many bytes: longer in all, and easier on those who commit meanwhile. */
  readonly sliceBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What SQLite's `PRAGMA wal_checkpoint` reports. */
export interface CheckpointResult {
  /** True if another checkpoint, a writer or a reader kept the mode from completing. */
  readonly busy: boolean
  /** Frames in the log, or -1 if another checkpoint was running. */
  readonly log: number
  /** Frames of it that are in the main file, or -1 if another checkpoint was running. */
  readonly checkpointed: number
}

export function* checkpoint(wal: Wal, options: CheckpointOptions): Blocking<CheckpointResult> {
  const { locks } = wal
  const { mode, synchronous, signal, timeoutMs, sliceBytes, readerTimeoutMs = timeoutMs } = options
  // One deadline for all the locks: while it waits for readers, the checkpoint keeps writers waiting.
  const nowMs = wal.vfs.now()
  const deadlineMs = mode === 'passive' ? nowMs : nowMs + timeoutMs
  const waiting: BackfillOptions = { synchronous, signal, deadlineMs, sliceBytes }
  if (!(yield* tryFor(wal, () => locks.tryExclusive('CKPT'), waiting))) return { busy: true, log: -1, checkpointed: -1 }
  try {
    if (mode === 'passive') return yield* passive(wal, waiting)
    // A writer that does not make way in time turns the call into a passive one, as in SQLite.
    if (!(yield* tryFor(wal, () => wal.tryLockWrite({ holdsCkpt: true }), waiting))) {
      return { ...(yield* passive(wal, waiting)), busy: true }
    }
    try {
      const deadlineMs = Math.min(waiting.deadlineMs, wal.vfs.now() + readerTimeoutMs)
      return yield* complete(wal, mode, { ...waiting, deadlineMs })
    } finally {
      locks.releaseExclusive('WRITE')
    }
  } finally {
    locks.releaseExclusive('CKPT')
  }
}

/** @requires lock CKPT */
function* passive(wal: Wal, options: BackfillOptions): Blocking<CheckpointResult> {
  yield* wal.refresh({ holdsCkpt: true })
  const header = wal.header.clone()
  yield* backfill(wal, header, options)
  return result(wal, header.endMark, false)
}

/** @requires lock CKPT and WRITE, with `wal.header` up to date: the log does not grow meanwhile */
function* complete(
  wal: Wal,
  mode: Exclude<CheckpointMode, 'passive'>,
  options: BackfillOptions,
): Blocking<CheckpointResult> {
  const header = wal.header.clone()
  yield* backfill(wal, header, options)
  const { endMark } = header
  assertPlausible(wal, endMark)
  if (wal.index.backfill < endMark) return result(wal, endMark, true)
  if (mode === 'full') return result(wal, endMark, false)
  const emptyLog = () => {
    if (mode === 'truncate') truncateLog(wal)
    return true
  }
  const isAlone = yield* tryFor(wal, () => withLogSlots(wal, emptyLog), options)
  return result(wal, mode === 'truncate' && isAlone ? NO_FRAME : endMark, !isAlone)
}

/**
 * Copies all of the log, without waiting for anyone: for the last closer.
 * @returns whether the main file now has everything
 */
export function* backfillAll(wal: Wal, synchronous: Synchronous): Blocking<boolean> {
  const { log, checkpointed } = yield* checkpoint(wal, { mode: 'passive', synchronous, timeoutMs: 0 })
  // Compared as it stands there: the report leaves out what a damaged wal-index counts past the end.
  return log >= 0 && checkpointed === log && wal.index.backfill === log
}

/** Starts a new generation before cutting the file: a reader that comes now finds an empty log, not a missing one. */
function truncateLog(wal: Wal): void {
  publishEmptyLog(wal)
  wal.log.file.truncate(0)
}

/**
 * Nobody writes while WRITE and CKPT are held: a backfill past the end of the log is damage, and a log that counts as
 * copied by it must not be started over.
 */
function assertPlausible({ index, main }: Wal, endMark: number): void {
  if (index.backfill <= endMark) return
  const what = `${index.backfill} frames backfilled of ${endMark} in the log of ${main.path}`
  throw corrupt({ file: index.file.path, what })
}

function result(wal: Wal, endMark: number, busy: boolean): CheckpointResult {
  return { busy, log: endMark, checkpointed: Math.min(wal.index.backfill, endMark) }
}
