/**
 * Keeps threads from being ended in the midst of loading a native add-on, or of mapping by koffi: there the add-on would meet an
 * engine that runs no more code, and answer by aborting the process. Each thread has a gate in memory that it shares with the
 * thread that started it. It passes its gate for such a call; whoever is about to end a thread closes all gates first, and
 * opens those of the others again:
 *
 *      open ──thread──► inside ──thread──► open
 *      open ──owner───► closed ──owner───► open, or the thread is ended before it can pass
 *
 * A thread that finds its gate closed waits there. A thread finds its gates in its `workerData`; one that was started without has
 * none, and is better left to end by itself.
 */
import { threadId, workerData } from 'node:worker_threads'

/** The field of `workerData` they are found in. */
const THREAD_GATES = 'endmarkThreadGates'

/** More than a pool has threads, those included that are ending. */
const GATE_COUNT = 1024

/** A gate: thread id (0 = nobody's), state. */
const GATE_SIZE = 2
const STATE = 1

const OPEN = 0
const INSIDE = 1
const CLOSED = 2

/** Such a call takes milliseconds at most. A thread that takes this long is no longer there. */
const INSIDE_MS_MAX = 1000

export class ThreadGates {
  readonly #cells: Int32Array

  constructor(cells: Int32Array = new Int32Array(new SharedArrayBuffer(GATE_COUNT * GATE_SIZE * 4))) {
    this.#cells = cells
  }

  static ofThisThread(): ThreadGates | null {
    const cells: unknown = (workerData as Record<string, unknown> | null)?.[THREAD_GATES]
    return cells instanceof Int32Array ? new ThreadGates(cells) : null
  }

  /** The fields to put into the `workerData` of a thread. */
  toWorkerData(): { readonly [THREAD_GATES]: Int32Array } {
    return { [THREAD_GATES]: this.#cells }
  }

  /** Makes the gate of a thread that has just been started, so that it can be closed before the thread comes to it. */
  add(thread: number): void {
    for (let at = 0; at < this.#cells.length; at += GATE_SIZE) {
      if (Atomics.compareExchange(this.#cells, at, 0, thread) === 0) return
    }
  }

  /** For the thread itself. @returns null if none was made */
  gateOf(thread: number): ThreadGate | null {
    for (let at = 0; at < this.#cells.length; at += GATE_SIZE) {
      if (Atomics.load(this.#cells, at) === thread) return new ThreadGate(this.#cells, at + STATE)
    }
    return null
  }

  /** Returns when no thread is inside any more; none goes in before `open`. */
  close(): void {
    const cells = this.#cells
    for (let at = 0; at < cells.length; at += GATE_SIZE) {
      if (Atomics.load(cells, at) !== 0) this.#closeOne(at + STATE)
    }
  }

  /** Opens the gates of these threads. */
  open(threads: ReadonlySet<number>): void {
    const cells = this.#cells
    for (let at = 0; at < cells.length; at += GATE_SIZE) {
      if (!threads.has(Atomics.load(cells, at))) continue
      if (Atomics.compareExchange(cells, at + STATE, CLOSED, OPEN) === CLOSED) Atomics.notify(cells, at + STATE)
    }
  }

  /** Gives back the gate of a thread that has ended. */
  forget(thread: number): void {
    const cells = this.#cells
    for (let at = 0; at < cells.length; at += GATE_SIZE) {
      if (Atomics.load(cells, at) !== thread) continue
      Atomics.store(cells, at + STATE, OPEN)
      Atomics.store(cells, at, 0)
    }
  }

  #closeOne(state: number): void {
    const deadlineMs = performance.now() + INSIDE_MS_MAX
    while (Atomics.compareExchange(this.#cells, state, OPEN, CLOSED) === INSIDE) {
      if (performance.now() > deadlineMs) return
      Atomics.wait(this.#cells, state, INSIDE, 1)
    }
  }
}

/** The gate of one thread, for that thread. */
export class ThreadGate {
  readonly #cells: Int32Array
  readonly #state: number

  constructor(cells: Int32Array, state: number) {
    this.#cells = cells
    this.#state = state
  }

  /** Calls `work` while the gate is kept open. Not within such a call. */
  pass<Result>(work: () => Result): Result {
    while (Atomics.compareExchange(this.#cells, this.#state, OPEN, INSIDE) !== OPEN) {
      Atomics.wait(this.#cells, this.#state, CLOSED)
    }
    try {
      return work()
    } finally {
      Atomics.store(this.#cells, this.#state, OPEN)
      Atomics.notify(this.#cells, this.#state)
    }
  }
}

let ownGate: ThreadGate | null | undefined

/** Calls `work`, in the midst of which this thread is not ended by a pool. Not within such a call. */
export function keptAlive<Result>(work: () => Result): Result {
  if (ownGate === undefined) ownGate = ThreadGates.ofThisThread()?.gateOf(threadId) ?? null
  return ownGate === null ? work() : ownGate.pass(work)
}
