/** Large transactions into new stores, one after the other. */
import { open } from '../engine.js'
import { keyOf, nextValue, STORE_OPTIONS, xorshift32 } from '../rows.js'
import type { Workload } from './workload.js'

const ROWS_PER_LOAD = 100_000

function load(keys: readonly string[]): Workload['run'] {
  return async (path, limits) => {
    const values = keys.map(nextValue)
    const db = await open(path, { writer: 'inline' })
    let count = 0
    for (let number = 0; !limits.isOver(count); number++) {
      const map = await db.map<string, Uint8Array>(`load${number}`, STORE_OPTIONS)
      await db.transaction((tx) => {
        for (const [row, key] of keys.entries()) tx.put(map, key, values[row]!)
      })
      count += keys.length
      await db.dropStore(`load${number}`)
    }
    await db.close()
    return count
  }
}

function shuffled(keys: string[]): string[] {
  const random = xorshift32()
  for (let last = keys.length - 1; last > 0; last--) {
    const other = random() % (last + 1)
    ;[keys[last], keys[other]] = [keys[other]!, keys[last]!]
  }
  return keys
}

const sortedKeys = () => Array.from({ length: ROWS_PER_LOAD }, (_, row) => keyOf(row))

export const bulkLoadSorted: Workload = {
  name: 'bulk-load-sorted',
  about: `transactions of ${ROWS_PER_LOAD} new rows in the order of their keys`,
  companions: [],
  run: (path, limits) => load(sortedKeys())(path, limits),
}

export const bulkLoadRandom: Workload = {
  name: 'bulk-load-random',
  about: `transactions of ${ROWS_PER_LOAD} new rows in random order`,
  companions: [],
  run: (path, limits) => load(shuffled(sortedKeys()))(path, limits),
}
