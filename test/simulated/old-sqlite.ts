/**
 * What SQLite did before 3.51.3, for connections that stand for it: its writers started the log over without CKPT, and
 * its checkpointers did not compare the salts once they held READ(0). Each is harmless beside Endmark's own processes;
 * both together are the WAL-reset race (WAL-1).
 */
import { READ_MARK_UNUSED, READ_SLOT_COUNT } from '../../src/format/index.js'
import { NO_FRAME } from '../../src/units.js'
import type { IndexHeader, Wal } from '../../src/wal/index.js'
import { withLogSlots } from '../../src/wal/log-restart.js'

/** Starts the log over if all of it is backfilled. @requires lock WRITE, with `wal.header` up to date. @returns whether it did */
export function restartWithoutCkpt(wal: Wal): boolean {
  const { header, index } = wal
  if (header.endMark === NO_FRAME || index.backfill !== header.endMark) return false
  return withLogSlots(wal, () => {
    if (index.backfill !== header.endMark) return false
    header.restart((header.salt1 + 1) >>> 0, wal.vfs.random32())
    index.publish(header)
    // After the header, as SQLite has it: without CKPT, a checkpointer that goes by the old header could raise it again.
    index.backfill = NO_FRAME
    index.backfillAttempted = NO_FRAME
    for (let slot = 1; slot < READ_SLOT_COUNT; slot++) index.setReadMark(slot, slot === 1 ? 0 : READ_MARK_UNUSED)
    return true
  })
}

/** From now on this connection finds the salts to be those that it read first. @returns what ends that */
export function trustSalts({ index }: Wal): () => void {
  const read = index.readHeader.bind(index)
  let first: readonly [number, number] | null = null
  index.readHeader = (into: IndexHeader) => {
    if (!read(into)) return false
    first ??= [into.salt1, into.salt2]
    into.setSalts(...first)
    return true
  }
  return () => {
    index.readHeader = read
  }
}
