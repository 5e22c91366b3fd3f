/**
 * A vfs whose clock stands still until the test lets time pass: whoever waits in `delay`, and whatever is called back by
 * `every` or `timer`, goes on when the test says so. So a test can know that something waits (`waited`), and what happens within a
 * timeout does not depend on how busy the machine is. Files, maps and locks are those of the vfs below.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Database } from '../../src/database.js'
import { abortError } from '../../src/errors.js'
import type { OpenOptions } from '../../src/index.js'
import { nodeVfs, type Vfs } from '../../src/vfs/index.js'
import { HookedVfs } from './hooked-vfs.js'
import { openOver } from './open-hooked.js'

interface Delay {
  readonly endMs: number
  readonly end: () => void
}

interface Repeated {
  readonly intervalMs: number
  readonly callback: () => void
  nextMs: number
}

/** Real time after which something that should have happened by then never will. */
const WAIT_MAX_MS = 20_000

export class ClockVfs extends HookedVfs {
  readonly #startMs: number
  #passedMs = 0
  readonly #delays = new Set<Delay>()
  readonly #repeated = new Set<Repeated>()
  /** Called whenever a thread begins to wait. */
  whileBlocked = (): void => {}

  constructor(vfs: Vfs = nodeVfs()) {
    super(vfs)
    this.#startMs = vfs.wallClock()
  }

  override now(): number {
    return this.#passedMs
  }

  override wallClock(): number {
    return this.#startMs + this.#passedMs
  }

  override delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortError(signal))
    return new Promise((resolve, reject) => {
      const delay = { endMs: this.#passedMs + milliseconds, end: resolve }
      this.#delays.add(delay)
      const abort = () => {
        if (this.#delays.delete(delay)) reject(abortError(signal!))
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  override delaySync(milliseconds: number): void {
    this.whileBlocked()
    this.pass(milliseconds)
  }

  override every(intervalMs: number, callback: () => void): () => void {
    const repeated = { intervalMs, callback, nextMs: this.#passedMs + intervalMs }
    this.#repeated.add(repeated)
    return () => this.#repeated.delete(repeated)
  }

  override timer(milliseconds: number, callback: () => void): () => void {
    const delay = { endMs: this.#passedMs + milliseconds, end: callback }
    this.#delays.add(delay)
    return () => this.#delays.delete(delay)
  }

  /** Lets so much time pass at once, as a machine does that was busy meanwhile: a callback that is due comes once. */
  pass(milliseconds: number): void {
    this.#passedMs += milliseconds
    for (const repeated of [...this.#repeated]) {
      if (repeated.nextMs > this.#passedMs) continue
      repeated.nextMs = this.#passedMs + repeated.intervalMs
      repeated.callback()
    }
    for (const delay of [...this.#delays]) {
      if (delay.endMs <= this.#passedMs && this.#delays.delete(delay)) delay.end()
    }
  }

  get waitingCount(): number {
    return this.#delays.size
  }

  /** Resolves once somebody waits for time to pass. */
  waited(): Promise<void> {
    return turnsUntil(() => this.#delays.size > 0, 'anyone to wait')
  }

  /** Lets time pass, from the end of one wait to that of the next, until the promise is settled. */
  async passUntil<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = () => {
      isSettled = true
    }
    promise.then(settled, settled)
    while (!isSettled) {
      await turnsUntil(() => isSettled || this.#delays.size > 0, 'the promise, or anyone to wait')
      if (isSettled) break
      this.pass(Math.min(...[...this.#delays].map(({ endMs }) => endMs)) - this.#passedMs)
      await nextTurn()
    }
    return promise
  }
}

/** A Database that goes by this clock and commits by itself; closed when the test ends. */
export async function openWithClock(
  t: ExecutionContext<unknown>,
  vfs: ClockVfs,
  path: string,
  given: OpenOptions = {},
): Promise<Database> {
  const db = await openOver(vfs, path, { ...given, writer: 'inline' })
  t.teardown(() => vfs.passUntil(db.close()))
  return db
}

async function turnsUntil(isTrue: () => boolean, what: string): Promise<void> {
  for (const startMs = performance.now(); !isTrue(); await nextTurn()) {
    if (performance.now() - startMs > WAIT_MAX_MS) throw new Error(`waited in vain for ${what}`)
  }
}
