/** Reads values of random keys, one after the other: in the newest state each time, or all of a round in one snapshot. */
import { type KeyChoice, keyOf, RandomKeys, requireValue, VALUE_SIZE_BYTES } from '../rows.js'
import type { Subject } from './task.js'
import { type LoopTime, rateOf, waitUntil } from './timing.js'

export interface PointReads extends LoopTime {
  readonly rowCount: number
  readonly seed: number
  readonly keys: KeyChoice
  readonly state: 'autocommit' | 'snapshot'
  /** Several agents that are to work at the same time start then. See `sharedNow`. */
  readonly startTime?: number
}

const READS_PER_BATCH = 1000

export async function pointReads({ connection }: Subject, parameters: PointReads): Promise<number> {
  const random = new RandomKeys(parameters.rowCount, parameters.seed, parameters.keys)
  const sizeExpected = parameters.keys.of === 'missing' ? undefined : VALUE_SIZE_BYTES
  const state = parameters.state === 'snapshot' ? connection.snapshot() : undefined
  const reader = state ?? connection
  requireSpread(parameters.rowCount, (key) => reader.get(key))
  if (parameters.startTime !== undefined) await waitUntil(parameters.startTime)
  const rate = await rateOf(() => {
    for (let count = 0; count < READS_PER_BATCH; count++) {
      if (reader.get(random.next())?.length !== sizeExpected) throw new Error('a value is missing, or one too many')
    }
    return READS_PER_BATCH
  }, parameters)
  state?.close()
  return rate
}

/** Not timed: the values are really those of their keys. */
function requireSpread(rowCount: number, get: (key: string) => Uint8Array | undefined): void {
  const step = Math.ceil(rowCount / READS_PER_BATCH)
  for (let row = 0; row < rowCount; row += step) requireValue(get(keyOf(row)), row)
}
