/**
 * Turns at a fixed number of threads: who finds none free waits, first come, first served. So what is handed to the threads
 * is bounded, however many callers there are: everybody else keeps his own task, and nothing of it is copied before its turn.
 */
import { assert } from '../assert.js'
import { abortError } from '../errors.js'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class ThreadSlots {
  readonly #count: number
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>()
  #taken = 0
  #refusal: unknown = null

  constructor(count: number) {
    this.#count = count
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /**
   * Resolves when a thread is the caller's, until `release`.
   * @throws (rejects) an AbortError; the reason of `refuse`
   */
  async acquire(signal: AbortSignal | undefined): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal
    if (signal?.aborted) throw abortError(signal)
    if (this.#taken < this.#count) this.#taken++
    else await this.#wait(signal)
  }

  /** Gives the thread to the one who has waited longest. */
  release(): void {
    assert(this.#taken > 0, 'a thread was given back that nobody had')
    const [next] = this.#waiters
    if (next === undefined) {
      this.#taken--
      return
    }
    this.#waiters.delete(next)
    next.resolve()
  }

  /** Rejects all who wait, and all who come. */
  refuse(reason: unknown): void {
    this.#refusal = reason
    for (const { reject } of this.#waiters) reject(reason)
    this.#waiters.clear()
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    let abort = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { resolve, reject }
        this.#waiters.add(waiter)
        abort = () => {
          if (this.#waiters.delete(waiter)) reject(abortError(signal!))
        }
        signal?.addEventListener('abort', abort)
      })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
}
