/** Reads 64 values of random keys with one call. */
import { RandomKeys, requireValue, VALUE_SIZE_BYTES } from '../rows.js'
import type { Subject } from './task.js'
import { type LoopTime, rateOf } from './timing.js'

export interface GetMany extends LoopTime {
  readonly rowCount: number
  readonly seed: number
  readonly keysPerCall: number
}

/** @returns keys per second */
export async function getMany({ connection }: Subject, parameters: GetMany): Promise<number> {
  const { rowCount, seed, keysPerCall } = parameters
  const random = new RandomKeys(rowCount, seed)
  const keys = random.nextMany(keysPerCall)
  // Some stores reuse the buffer of a value, so only the last one is sure to be what was read.
  requireValue((await connection.getMany(keys)).at(-1), Number.parseInt(keys.at(-1)!, 16))

  const check = (values: readonly (Uint8Array | undefined)[]): number => {
    for (const value of values) if (value?.length !== VALUE_SIZE_BYTES) throw new Error('a value is missing')
    return values.length
  }
  return rateOf(() => {
    const values = connection.getMany(random.nextMany(keysPerCall))
    return values instanceof Promise ? values.then(check) : check(values)
  }, parameters)
}
