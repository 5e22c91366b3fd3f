/**
 * `db.watch`: the commits of every process from the call on, one after the other, as an async iterator.
 *
 *   open ──return(), close of the Database──► ended: no more changes
 *     ├────signal aborts──────────────────► ended: the awaited change, or else the next one, rejects with an AbortError
 *     └────a look fails───────────────────► ended: the awaited change rejects with its error
 *
 * It holds its position and who awaits a change, and nothing of the database; the feed looks for it while somebody waits.
 */
import { assert } from '../assert.js'
import { abortError } from '../errors.js'
import type { IndexHeader } from '../wal/index.js'
import type { Change, ChangeReader } from './change-reader.js'

/** What a watch needs of its feed. */
export interface WatchHost {
  readonly isClosed: boolean
  readonly reader: ChangeReader
  /** Somebody awaits a change of this watch. */
  awaited(watch: Watch): void
  /** Nobody does any more, and nobody will. */
  ended(watch: Watch): void
}

export interface WatchParts {
  readonly host: WatchHost
  readonly position: IndexHeader
  readonly isWanted: (store: string) => boolean
  readonly signal: AbortSignal | undefined
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Change, undefined>) => void
  readonly reject: (error: unknown) => void
}

/** Steps that tell nothing, in one look: commits to other stores. */
const STEPS_PER_LOOK = 32

const DONE = { done: true, value: undefined } as const

/** The commits that a watch tells of, one change after the other. */
export interface Changes extends AsyncIterableIterator<Change>, AsyncDisposable {
  /** Ends the watch; whoever awaits a change hears that there is none. */
  return(): Promise<IteratorResult<Change, undefined>>
}

export class Watch implements Changes {
  readonly #parts: WatchParts
  readonly #waiting: Waiting[] = []
  #position: IndexHeader
  #isEnded = false
  /** To be told to the next one who asks. */
  #failure: Error | null = null

  constructor(parts: WatchParts) {
    this.#parts = parts
    this.#position = parts.position
    const { signal } = parts
    if (signal?.aborted) this.#abort()
    else signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** The next change; calls are answered in their order. While one is awaited, the process stays alive. */
  async next(): Promise<IteratorResult<Change, undefined>> {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure
    if (this.#parts.host.isClosed) this.end()
    if (this.#isEnded) return DONE
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#parts.host.awaited(this)
    })
  }

  /** Ends the watch; whoever awaits a change hears that there is none. */
  async return(): Promise<IteratorResult<Change, undefined>> {
    this.end()
    return DONE
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  get isAwaited(): boolean {
    return this.#waiting.length > 0
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#parts.signal?.removeEventListener('abort', this.#abort)
    this.#parts.host.ended(this)
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE)
  }

  /**
   * Looks for the next change, for one who waits.
   * @returns whether there may be more to see at once
   */
  look(): boolean {
    assert(this.isAwaited, 'a look for nobody')
    const { host, isWanted } = this.#parts
    try {
      for (let count = 0; count < STEPS_PER_LOOK; count++) {
        const step = host.reader.next(this.#position, isWanted)
        if (step === null) return false
        this.#position = step.position
        if (step.change === null || !this.#concerns(step.change)) continue
        this.#waiting.shift()!.resolve({ done: false, value: step.change })
        return true
      }
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #concerns({ stores }: Change): boolean {
    return stores === undefined || stores.size > 0 || this.#parts.isWanted === everyStore
  }

  readonly #abort = (): void => {
    const error = abortError(this.#parts.signal!)
    if (this.isAwaited) this.#fail(error)
    else {
      this.#failure = error
      this.end()
    }
  }

  #fail(error: unknown): void {
    this.#waiting.shift()!.reject(error)
    this.end()
  }
}

/** The filter of a watch of everything: commits that touch no store are told as well. */
export function everyStore(): boolean {
  return true
}
