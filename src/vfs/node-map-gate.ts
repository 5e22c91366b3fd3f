/**
 * Keeps threads from being ended in the midst of mapping by koffi: there the add-on would meet an engine that runs no more code,
 * and answer by aborting the process. Each thread has a gate in memory that it shares with the thread that started it. It
 * passes its gate to map; whoever is about to end a thread closes all gates first, and opens those of the others again:
 *
 *      open ──thread──► mapping ──thread──► open
 *      open ──owner───► closed  ──owner───► open, or the thread is ended before it can pass
 *
 * A thread that finds its gate closed waits there. A thread finds its gates in its `workerData`; one that was started without has
 * none, and should not be terminated where maps come from koffi.
 */
import { workerData } from 'node:worker_threads'

/** The field of `workerData` they are found in. */
const MAP_GATES = 'endmarkMapGates'

/** More than a pool has threads, those included that are ending. */
const GATE_COUNT = 1024

/** A gate: thread id (0 = nobody's), state. */
const GATE_SIZE = 2
const STATE = 1

const OPEN = 0
const MAPPING = 1
const CLOSED = 2

/** A map takes microseconds. A thread that takes this long is no longer there. */
const MAPPING_MS_MAX = 1000

export class MapGates {
  readonly #cells: Int32Array

  constructor(cells: Int32Array = new Int32Array(new SharedArrayBuffer(GATE_COUNT * GATE_SIZE * 4))) {
    this.#cells = cells
  }

  static ofThisThread(): MapGates | null {
    const cells: unknown = (workerData as Record<string, unknown> | null)?.[MAP_GATES]
    return cells instanceof Int32Array ? new MapGates(cells) : null
  }

  /** The fields to put into the `workerData` of a thread. */
  toWorkerData(): { readonly [MAP_GATES]: Int32Array } {
    return { [MAP_GATES]: this.#cells }
  }

  /** Makes the gate of a thread that has just been started, so that it can be closed before the thread comes to it. */
  add(thread: number): void {
    for (let at = 0; at < this.#cells.length; at += GATE_SIZE) {
      if (Atomics.compareExchange(this.#cells, at, 0, thread) === 0) return
    }
  }

  /** For the thread itself. @returns null if none was made */
  gateOf(thread: number): MapGate | null {
    for (let at = 0; at < this.#cells.length; at += GATE_SIZE) {
      if (Atomics.load(this.#cells, at) === thread) return new MapGate(this.#cells, at + STATE)
    }
    return null
  }

  /** Returns when no thread is mapping any more; none begins before `open`. */
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
    const deadlineMs = performance.now() + MAPPING_MS_MAX
    while (Atomics.compareExchange(this.#cells, state, OPEN, CLOSED) === MAPPING) {
      if (performance.now() > deadlineMs) return
      Atomics.wait(this.#cells, state, MAPPING, 1)
    }
  }
}

/** The gate of one thread, for that thread. */
export class MapGate {
  readonly #cells: Int32Array
  readonly #state: number

  constructor(cells: Int32Array, state: number) {
    this.#cells = cells
    this.#state = state
  }

  /** Calls `map` while the gate is kept open. */
  pass<Result>(map: () => Result): Result {
    while (Atomics.compareExchange(this.#cells, this.#state, OPEN, MAPPING) !== OPEN) {
      Atomics.wait(this.#cells, this.#state, CLOSED)
    }
    try {
      return map()
    } finally {
      Atomics.store(this.#cells, this.#state, OPEN)
      Atomics.notify(this.#cells, this.#state)
    }
  }
}
