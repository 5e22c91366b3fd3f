/** Goes over all rows, keys and values as Buffers. */
import { requireAllRows } from './scanned.js'
import type { Subject } from './task.js'
import { type LoopTime, rateOf } from './timing.js'

/** @returns rows per second */
export async function fullScan(
  { connection }: Subject,
  { rowCount, ...time }: LoopTime & { readonly rowCount: number },
): Promise<number> {
  return rateOf(async () => requireAllRows(await connection.scanAll(), rowCount), time)
}
