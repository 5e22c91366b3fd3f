/** Callers in one process, each of which commits one row after the other: all start at the same instant as those of other processes. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { EventLoopStall } from '../event-loop-stall.js'
import { Latencies, type LatencyCounts } from '../latencies.js'
import type { Connection } from '../peers/peer.js'
import {
  ALL_KEYS,
  ChangingValues,
  COMMIT_KEY_COUNT,
  keyOf,
  LOADER,
  RandomKeys,
  requireValue,
  writerOf,
} from '../rows.js'
import type { Subject } from './task.js'
import { waitUntil } from './timing.js'

export interface CommitLoop {
  readonly rowCount: number
  /** Commits that wait at the same time. */
  readonly outstanding: number
  /** Of the keys. */
  readonly seed: number
  /** The client works from here on, and nothing is counted yet. See `sharedNow`. */
  readonly startTime: number
  readonly countFromTime: number
  readonly endTime: number
  /** Ends earlier, after so many counted commits. Default: no limit. */
  readonly commitCountMax?: number
  /** Each call comes in a turn of the event loop of its own, as requests do. Default: as soon as the one before is done. */
  readonly inTurns?: boolean
}

export interface CommitLoopResult {
  /** Commits that were done inside the counted time. */
  readonly commits: number
  /** Of the counted time, until the end or the last commit. */
  readonly elapsedMs: number
  /** Of all calls that ended after the start of the counted time and began before its end. */
  readonly latencies: LatencyCounts
  /** Calls that were told the database is busy, and repeated; the wait goes on through the repetition. */
  readonly busy: number
  /** 0 unless calls come in turns. */
  readonly stallP99Ms: number
  readonly stallWorstMs: number
  /** Who committed in the end, if the store has several ways. */
  readonly way: string | null
}

export async function commitLoop(
  { connection }: Subject,
  parameters: CommitLoop,
  stop: AbortSignal,
): Promise<CommitLoopResult> {
  const client = new Client(connection, parameters)
  stop.addEventListener('abort', () => client.stop())
  return client.run()
}

class Client {
  readonly #connection: Connection
  readonly #outstanding: number
  readonly #inTurns: boolean
  readonly #startTime: number
  readonly #keys: RandomKeys
  readonly #values: ChangingValues
  readonly #latencies = new Latencies()
  readonly #stall = new EventLoopStall()
  /** On the clock of `performance.now()`, as the end. */
  readonly #countFrom: number
  #end: number
  readonly #commitCountMax: number
  #commits = 0
  #busy = 0
  #lastCommit = 0
  #lastRow = 0

  constructor(connection: Connection, parameters: CommitLoop) {
    this.#connection = connection
    this.#outstanding = parameters.outstanding
    this.#inTurns = parameters.inTurns ?? false
    this.#startTime = parameters.startTime
    this.#keys = new RandomKeys(parameters.rowCount, parameters.seed, ALL_KEYS, COMMIT_KEY_COUNT)
    this.#values = new ChangingValues(process.pid)
    this.#countFrom = parameters.countFromTime - performance.timeOrigin
    this.#end = parameters.endTime - performance.timeOrigin
    this.#commitCountMax = parameters.commitCountMax ?? Number.POSITIVE_INFINITY
  }

  async run(): Promise<CommitLoopResult> {
    await waitUntil(this.#startTime)
    // Only where it is asked for: its timer wakes a client a thousand times a second.
    if (this.#inTurns) this.#stall.start()
    await Promise.all(Array.from({ length: this.#outstanding }, () => this.#commitOneByOne()))
    this.#stall.stop()
    this.#requireLast()
    return {
      commits: this.#commits,
      elapsedMs: (this.#commits === this.#commitCountMax ? this.#lastCommit : this.#end) - this.#countFrom,
      latencies: this.#latencies.toCounts(),
      busy: this.#busy,
      stallP99Ms: this.#stall.p99Ms,
      stallWorstMs: this.#stall.worstMs,
      way: this.#connection.way(),
    }
  }

  stop(): void {
    this.#end = Math.min(this.#end, performance.now())
  }

  async #commitOneByOne(): Promise<void> {
    let begun = performance.now()
    while (begun < this.#end && this.#commits < this.#commitCountMax) {
      if (this.#inTurns) {
        await nextTurn()
        begun = performance.now()
      }
      const key = this.#keys.next()
      const value = this.#values.next(this.#keys.row)
      this.#lastRow = this.#keys.row
      // Here, and not in a function of its own: each await more is a share of what is measured.
      for (let isDone = false; !isDone; ) {
        try {
          await this.#connection.put(key, value)
          isDone = true
        } catch (error) {
          this.#countBusy(error)
        }
      }
      const done = performance.now()
      if (done >= this.#countFrom) this.#count(begun, done)
      begun = done
    }
  }

  #count(begun: number, done: number): void {
    this.#latencies.record(done - begun)
    if (done >= this.#end) return
    this.#commits++
    this.#lastCommit = done
  }

  /** @throws the error, if it says something else than to repeat the call */
  #countBusy(error: unknown): void {
    if (!this.#connection.isBusy(error)) throw error
    this.#busy++
  }

  /** Not timed: the row of the last commit holds what was committed, by this client or another. */
  #requireLast(): void {
    if (this.#commits === 0) return
    const value = this.#connection.get(keyOf(this.#lastRow))
    requireValue(value, this.#lastRow)
    if (writerOf(value!) === LOADER) throw new Error(`row ${this.#lastRow}: still its first value, after commits`)
  }
}
