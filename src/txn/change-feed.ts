/**
 * When the watches of a Database look for changes: at the end of the turn in which one is awaited, in which this Database has
 * committed, or in which the writer process says that it has; and beside that from time to time, soon after the last
 * change and less often the longer there is none. A look that finds nothing is two loads of the map.
 *
 * Whoever awaits a change keeps the process alive, and nobody else: the only timer is the one between two looks. A watch gets one
 * change a turn, so one that lags leaves the other work of its process its turns.
 */

import type { Pager } from '../pager/index.js'
import { foldName } from '../store/index.js'
import type { Wal } from '../wal/index.js'
import { ChangeReader } from './change-reader.js'
import { everyStore, Watch, type WatchHost } from './watch.js'

export interface ChangeFeedParts {
  readonly wal: Wal
  readonly pager: Pager
  /** Asks the writer process, if there is one, for word of its commits, or to stop that. */
  readonly subscribe: (isWatching: boolean) => void
}

/** Between two looks. */
const LOOK_MIN_MS = 2
const LOOK_MAX_MS = 25
const LOOK_GROWTH = 1.25
/** A writer process that has come up meanwhile is looked for this often: that takes system calls. */
const SUBSCRIBE_MS = 2000

export class ChangeFeed implements WatchHost {
  readonly reader: ChangeReader
  readonly #parts: ChangeFeedParts
  readonly #awaited = new Set<Watch>()
  #openCount = 0
  #isRunning = false
  #isClosed = false
  /** Something was committed since the last look. */
  #isWoken = false
  /** Ends the sleep that is under way. */
  #sleep: AbortController | null = null
  #subscribeAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: ChangeFeedParts) {
    this.#parts = parts
    this.reader = new ChangeReader(parts.wal, parts.pager)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @param stores names, or null for all; what is committed from now on is told */
  open(stores: readonly string[] | null, signal: AbortSignal | undefined): Watch {
    const folded = new Set(stores?.map(foldName))
    const isWanted = stores === null ? everyStore : (store: string) => folded.has(foldName(store))
    const position = this.reader.newest()
    this.#openCount++
    return new Watch({ host: this, position, isWanted, signal })
  }

  awaited(watch: Watch): void {
    this.#awaited.add(watch)
    this.wake()
    if (!this.#isRunning) void this.#run()
  }

  ended(watch: Watch): void {
    this.#awaited.delete(watch)
    if (--this.#openCount === 0) this.#unsubscribe()
    if (this.#awaited.size === 0) this.wake()
  }

  /** Something may have been committed: the watches look at the end of this turn. */
  wake(): void {
    this.#isWoken = true
    this.#sleep?.abort()
  }

  close(): void {
    this.#isClosed = true
    for (const watch of [...this.#awaited]) watch.end()
  }

  async #run(): Promise<void> {
    const { vfs } = this.#parts.wal
    this.#isRunning = true
    let pauseMs = LOOK_MIN_MS
    for (;;) {
      await new Promise<void>((resolve) => vfs.endOfTurn(resolve))
      this.#isWoken = false
      const hasFound = this.#look()
      if (this.#awaited.size === 0) break
      pauseMs = hasFound ? LOOK_MIN_MS : Math.min(pauseMs * LOOK_GROWTH, LOOK_MAX_MS)
      if (!hasFound) await this.#pause(pauseMs)
    }
    this.#isRunning = false
  }

  /** @returns whether any of them found something, and so may find more */
  #look(): boolean {
    if (this.#awaited.size > 0) this.#subscribe()
    let hasFound = false
    for (const watch of this.#awaited) {
      if (watch.look()) hasFound = true
      if (!watch.isAwaited) this.#awaited.delete(watch)
    }
    return hasFound
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#isWoken) return
    const sleep = new AbortController()
    this.#sleep = sleep
    // Cut short is as good as over.
    await this.#parts.wal.vfs.delay(milliseconds, sleep.signal).catch(() => {})
    this.#sleep = null
  }

  #subscribe(): void {
    const nowMs = this.#parts.wal.vfs.now()
    if (nowMs < this.#subscribeAtMs) return
    this.#subscribeAtMs = nowMs + SUBSCRIBE_MS
    this.#parts.subscribe(true)
  }

  #unsubscribe(): void {
    if (this.#subscribeAtMs === Number.NEGATIVE_INFINITY) return
    this.#subscribeAtMs = Number.NEGATIVE_INFINITY
    this.#parts.subscribe(false)
  }
}
