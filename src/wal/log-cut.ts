/**
 * Cutting a log file that has become long. The kernel takes a third of a second for a gigabyte, so the file is cut from its end in
 * slices, and others get the WRITE lock, and the event loop its turn, in between.
 *
 * Nobody reads behind the newest end mark, and under WRITE nobody writes there: what lies behind the frames in use may go at any
 * time, and a crash on the way leaves a file that is longer than it need be.
 */
import type { Blocking } from '../vfs/index.js'
import { tryFor, turnStep } from './backfill.js'
import type { Wal } from './wal.js'
import { WalFile } from './wal-file.js'

const SLICE_SIZE_BYTES = 64 << 20
/** For as long as a slice waits for WRITE; the rest is cut another time. */
const WRITE_WAIT_MS = 100

/** Cuts the file down to what is in use of it, unless writers leave no room for that, or as long as it `isWanted`. */
export function* cutLog(wal: Wal, isWanted: () => boolean): Blocking<void> {
  const { locks, vfs } = wal
  for (let isDone = false; !isDone && isWanted(); ) {
    const attempt = () => !locks.isHeld('WRITE') && wal.tryLockWrite()
    const deadlineMs = vfs.now() + WRITE_WAIT_MS
    if (!(yield* tryFor(wal, attempt, { synchronous: 'off', deadlineMs }))) return
    try {
      isDone = cutSlice(wal, WalFile.sizeUpTo(wal.header.endMark, wal.pageSize))
    } finally {
      locks.releaseExclusive('WRITE')
    }
    if (!isDone) yield turnStep(wal)
  }
}

/** Cuts it to nothing. @requires lock WRITE, and a log without frames */
export function* cutEmptyLog(wal: Wal): Blocking<void> {
  wal.locks.assertHeld('WRITE')
  while (!cutSlice(wal, 0)) yield turnStep(wal)
}

/** @returns whether nothing is left to cut */
function cutSlice({ log }: Wal, keptBytes: number): boolean {
  const size = log.file.size()
  const rest = Math.max(size - SLICE_SIZE_BYTES, keptBytes)
  if (rest < size) log.file.truncate(rest)
  return rest === keptBytes
}
