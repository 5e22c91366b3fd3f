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
  /** Whose signals have a listener, which outlives them unless they end. */
  readonly #listening = new Set<Watch>()
  #openCount = 0
  #isClosed = false
  /** A look at the end of this turn. */
  #isLookDue = false
  /** Stops the timer of the next look. */
  #stopTimer: (() => void) | null = null
  #pauseMs = LOOK_MIN_MS
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
    const watch = new Watch({ host: this, position, isWanted, signal })
    if (signal?.aborted === false) this.#listening.add(watch)
    return watch
  }

  awaited(watch: Watch): void {
    this.#awaited.add(watch)
    this.#pauseMs = LOOK_MIN_MS
    this.wake()
  }

  ended(watch: Watch): void {
    this.#awaited.delete(watch)
    this.#listening.delete(watch)
    if (this.#awaited.size === 0) this.#stopWaiting()
    if (--this.#openCount === 0) this.#unsubscribe()
  }

  /** Something may have been committed: whoever awaits a change looks at the end of this turn. */
  wake(): void {
    if (this.#awaited.size === 0 || this.#isLookDue) return
    this.#isLookDue = true
    this.#stopWaiting()
    this.#parts.wal.vfs.endOfTurn(this.#look)
  }

  close(): void {
    this.#isClosed = true
    for (const watch of [...this.#awaited, ...this.#listening]) watch.end()
  }

  readonly #look = (): void => {
    this.#isLookDue = false
    this.#stopWaiting()
    if (this.#awaited.size === 0) return
    this.#subscribe()
    let hasFound = false
    for (const watch of this.#awaited) {
      if (watch.look()) hasFound = true
      if (!watch.isAwaited) this.#awaited.delete(watch)
    }
    if (hasFound) this.#pauseMs = LOOK_MIN_MS
    if (hasFound) this.wake()
    else this.#wait()
  }

  #wait(): void {
    if (this.#awaited.size === 0 || this.#isLookDue) return
    this.#pauseMs = Math.min(this.#pauseMs * LOOK_GROWTH, LOOK_MAX_MS)
    this.#stopTimer = this.#parts.wal.vfs.timer(this.#pauseMs, this.#look)
  }

  #stopWaiting(): void {
    this.#stopTimer?.()
    this.#stopTimer = null
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
