/**
 * Reads a random key in each turn of the event loop, while others write: every store has to look for the newest state. A few rows are
 * looked at again and again, and never go back to an earlier value of the same writer.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Latencies, type LatencyCounts } from '../latencies.js'
import { ALL_KEYS, counterOf, keyOf, RandomKeys, requireValue, VALUE_SIZE_BYTES, writerOf } from '../rows.js'
import type { Subject } from './task.js'
import { waitUntil } from './timing.js'

export interface TurnReads {
  readonly rowCount: number
  readonly seed: number
  /** See `sharedNow`. */
  readonly startTime: number
  readonly countFromTime: number
  readonly endTime: number
}

export interface TurnReadsResult {
  readonly reads: number
  readonly elapsedMs: number
  readonly latencies: LatencyCounts
}

const READS_PER_WATCH = 64
const WATCHED_ROWS = 16

export async function turnReads({ connection }: Subject, parameters: TurnReads): Promise<TurnReadsResult> {
  const { rowCount, seed, startTime } = parameters
  const random = new RandomKeys(rowCount, seed, ALL_KEYS)
  const watched = new WatchedRows(rowCount, (key) => connection.get(key))
  const latencies = new Latencies()
  const countFrom = parameters.countFromTime - performance.timeOrigin
  const end = parameters.endTime - performance.timeOrigin
  let reads = 0
  await waitUntil(startTime)
  for (let turn = 0; ; turn++) {
    await nextTurn()
    const key = random.next()
    const begun = performance.now()
    if (begun >= end) break
    const value = connection.get(key)
    const done = performance.now()
    if (value?.length !== VALUE_SIZE_BYTES) throw new Error('a value is missing')
    if (begun >= countFrom) {
      latencies.record(done - begun)
      reads++
    }
    if (turn % READS_PER_WATCH === 0) watched.look()
  }
  return { reads, elapsedMs: end - countFrom, latencies: latencies.toCounts() }
}

class WatchedRows {
  readonly #rows: readonly number[]
  readonly #get: (key: string) => Uint8Array | undefined
  /** By row and writer. */
  readonly #newest = new Map<string, number>()
  #next = 0

  constructor(rowCount: number, get: (key: string) => Uint8Array | undefined) {
    this.#rows = Array.from({ length: WATCHED_ROWS }, (_, index) => Math.floor((index * rowCount) / WATCHED_ROWS))
    this.#get = get
  }

  look(): void {
    const row = this.#rows[this.#next++ % WATCHED_ROWS]!
    const value = this.#get(keyOf(row))
    requireValue(value, row)
    const [name, counter] = [`${row} ${writerOf(value!)}`, counterOf(value!)]
    if (counter < (this.#newest.get(name) ?? 0)) throw new Error(`row ${row} has gone back to an earlier value`)
    this.#newest.set(name, counter)
  }
}
