/** Holds one snapshot for a while: what it reads in the end is what it read at first, or the store has ended it. */
import { keyOf, requireValue } from '../rows.js'
import type { Subject } from './task.js'
import { waitUntil } from './timing.js'

export interface HoldSnapshot {
  /** See `sharedNow`. */
  readonly startTime: number
  readonly endTime: number
  readonly row: number
}

const EXPIRED = 'ENDMARK_SNAPSHOT_EXPIRED'

/** @returns whether the store ended the snapshot */
export async function holdSnapshot(
  { connection }: Subject,
  { startTime, endTime, row }: HoldSnapshot,
): Promise<boolean> {
  await waitUntil(startTime)
  const snapshot = connection.snapshot()
  const read = () => Buffer.from(snapshot.get(keyOf(row)) ?? [])
  const first = read()
  requireValue(first, row)
  await waitUntil(endTime)
  try {
    if (!read().equals(first)) throw new Error(`row ${row} has changed within a snapshot`)
    return false
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === EXPIRED)) throw error
    return true
  } finally {
    snapshot.close()
  }
}
