/** Goes over a part of the rows, as one of several agents that share a scan. */
import { keyOf } from '../rows.js'
import { requireAllRows } from './scanned.js'
import type { Subject } from './task.js'
import { sharedNow, waitUntil } from './timing.js'

export interface PartScan {
  readonly firstRow: number
  /** One more than the last. */
  readonly endRow: number
  readonly startTime: number
}

/** @returns when it was done, see `sharedNow` */
export async function partScan({ connection }: Subject, { firstRow, endRow, startTime }: PartScan): Promise<number> {
  await waitUntil(startTime)
  requireAllRows(await connection.scanBetween(keyOf(firstRow), keyOf(endRow)), endRow - firstRow)
  return sharedNow()
}
