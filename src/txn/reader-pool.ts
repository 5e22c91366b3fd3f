/**
 * A pool of worker threads that read: `getMany` and `run` take one of them, `scan` all that are free. Here is what is done on
 * the caller's thread: holding the state that several threads are to read, cutting a range into parts, putting the results
 * in order. The threads themselves are behind `ReaderThreads`.
 *
 * A state crosses as a `HandedState`, not as pages: the thread takes a read lock of its own on it (SNAP-7). It is held here
 * until the last thread has answered. Where no snapshot is given and one thread is enough, it takes the newest state itself,
 * which is at least as new as that of the call (READ-1).
 */
import { assertOptions, assertSignal } from '../arguments.js'
import { abortError, EndmarkError, invalidArgument } from '../errors.js'
import { assertStore, OrderedMap, type RangeOptions, type Store, type StoreHost } from '../store/index.js'
import type { PartResult, ReaderThreads, ReadTask, StoreAddress, TaskState } from './reader-threads.js'
import { type HandedSnapshot, handOver, Snapshot } from './snapshot.js'
import { ThreadSlots } from './thread-slots.js'

export interface PoolCallOptions {
  /** Read this state; it may be closed as soon as the call is made. Default: the newest one when a thread begins. */
  readonly snapshot?: Snapshot
  /** Rejects with an AbortError, also while it runs: `run` and `scan` end their threads then, and others take their place. */
  readonly signal?: AbortSignal
}

/**
 * The third argument of a module's function in `pool.scan`: the part, for reading it otherwise than entry by entry.
 * `Handle` is the class of the store that is scanned.
 */
export interface PartToScan<Handle = OrderedMap<unknown, unknown>> {
  /** The state that all parts are read in. */
  readonly snapshot: Snapshot
  /** The store as it is in that state. */
  readonly store: Handle
  /** The range of this part. */
  readonly range: RangeOptions<unknown>
  /** 0-based, in the order of the range. */
  readonly index: number
}

export interface ScanOptions extends PoolCallOptions {
  /** Passed to the module's functions; copied as by `structuredClone`. */
  readonly args?: unknown
  /** Into how many parts the range is cut, at most. Default: four for each thread, since parts are only about as large. */
  readonly parts?: number
}

/** What `pool.stats()` reports. */
export interface PoolStats {
  readonly threads: number
  /** Calls, or parts of scans, that threads are at. */
  readonly running: number
  /** Those that wait for a thread; of a scan only as many as there are threads. */
  readonly waiting: number
  /** Those that were done, or failed in their thread. */
  readonly completed: number
  /** Threads that took the place of one that was ended by an abort, or ended by itself. */
  readonly restarts: number
  /** Why the last one ended by itself, or null if none did. */
  readonly failure: unknown
}

/** What a pool is given of its Database. */
export interface ReaderPoolParts {
  readonly host: StoreHost
  /** The newest state. */
  readonly snapshot: () => Snapshot
  /** Called when its threads have ended. */
  readonly closed: () => void
}

/** Fewer keys than this are looked up sooner than they are handed to a further thread. */
const KEYS_PER_THREAD = 1024
const PARTS_PER_THREAD = 4

export class ReaderPool {
  readonly #threads: ReaderThreads
  readonly #parts: ReaderPoolParts
  readonly #slots: ThreadSlots
  #completed = 0
  #closing: Promise<void> | null = null

  /** Use `Database.pool`. */
  constructor(threads: ReaderThreads, parts: ReaderPoolParts) {
    this.#threads = threads
    this.#parts = parts
    this.#slots = new ThreadSlots(threads.count)
  }

  /**
   * The values or rows under these keys, all from one state, in the order of the keys; undefined where there is none. Many keys
   * are shared out among the threads.
   * @throws (rejects) as `Store.getMany`; an AbortError; ENDMARK_CLOSED; ENDMARK_IO if a thread has ended
   */
  async getMany<Key, Value, Entry, Bound>(
    store: Store<Key, Value, Entry, Bound>,
    keys: readonly Key[],
    options: PoolCallOptions = {},
  ): Promise<(Value | undefined)[]> {
    const address = this.#addressOf(store)
    if (!Array.isArray(keys)) throw invalidArgument('getMany: keys are an array')
    const { snapshot, signal } = checkedOptions(options, ['snapshot', 'signal'])
    const pieces = cutKeys(keys, Math.min(this.#threads.count, Math.ceil(keys.length / KEYS_PER_THREAD)))
    return this.#onState(snapshot, pieces.length > 1, async (state) => {
      const tasks = pieces.map((piece): ReadTask => ({ kind: 'getMany', state, store: address, keys: piece }))
      const values = (await this.#performAll(tasks, signal, false)) as Value[][]
      return values.length === 1 ? values[0]! : values.flat()
    })
  }

  /**
   * Calls the default export of a module in a thread, as `(snapshot, args)`, and waits for it if it returns a promise. What it
   * returns is copied, as by `structuredClone`: see `transfer` for large buffers.
   * @param module URL or absolute path; it is loaded once per thread
   * @param args copied as by `structuredClone`
   * @throws (rejects) what the module throws, with the stack it had there; ENDMARK_INVALID_ARGUMENT if it exports no function, or
   *   if arguments or result cannot be copied; ENDMARK_IO if the thread has ended; an AbortError; ENDMARK_CLOSED
   */
  async run<Result = unknown>(module: string | URL, args?: unknown, options: PoolCallOptions = {}): Promise<Result> {
    const url = moduleUrl(module)
    const { snapshot, signal } = checkedOptions(options, ['snapshot', 'signal'])
    return this.#onState(snapshot, false, async (state) => {
      const [result] = await this.#performAll([{ kind: 'run', state, module: url, args }], signal, true)
      return result as Result
    })
  }

  /**
   * Cuts a range into parts of about the same size and calls the default export of a module for each, in whatever thread is free,
   * as `(entries, args, part)`: `entries` iterates over the part, `part` is `{ snapshot, store, range, index }` for other ways to
   * read it. All parts read one state. Where the module exports a function `merge` too, that is called in a thread
   * as `(results, args)`.
   * @param range a range with a `limit` is one part
   * @returns the results of the parts in the order of the range, or what `merge` returned
   * @throws (rejects) as `run`; after the first failure no further part begins, and those that run are waited for
   */
  async scan<Result = unknown, Key = unknown, Value = unknown, Entry = unknown, Bound = unknown>(
    store: Store<Key, Value, Entry, Bound>,
    range: RangeOptions<Bound>,
    module: string | URL,
    options: ScanOptions = {},
  ): Promise<Result> {
    const address = this.#addressOf(store)
    const url = moduleUrl(module)
    const { args, parts, snapshot, signal } = checkedOptions(options, ['args', 'parts', 'snapshot', 'signal'])
    const partsMax = checkedParts(parts ?? this.#threads.count * PARTS_PER_THREAD)
    return this.#onState(snapshot, true, async (state, handed) => {
      const ranges = store.cutFrom(handed!.pages, handed!.schema, range, partsMax)
      const tasks = ranges.map(
        (of, part): ReadTask => ({ kind: 'scan', state, module: url, args, store: address, range: of, part }),
      )
      const made = (await this.#performAll(tasks, signal, true)) as PartResult[]
      const results = made.map(({ result }) => result)
      if (!made[0]!.merges) return results as Result
      const [merged] = await this.#performAll([{ kind: 'merge', module: url, args, results }], signal, true)
      return merged as Result
    })
  }

  /** What the threads are at, and what became of them. */
  stats(): PoolStats {
    const { count, restarts, failure } = this.#threads
    const { taken, waiting } = this.#slots
    return { threads: count, running: taken, waiting, completed: this.#completed, restarts, failure }
  }

  /** Ends the threads, whatever they are doing: calls that are not done reject with ENDMARK_CLOSED. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#slots.refuse(new EndmarkError('ENDMARK_CLOSED', 'this pool has been closed'))
    await this.#threads.close()
    this.#parts.closed()
  }

  #addressOf(store: unknown): StoreAddress {
    assertStore(store, this.#parts.host)
    return { kind: store instanceof OrderedMap ? 'map' : 'table', name: store.name }
  }

  /** Holds the state for as long as `work` takes: the given one, or the newest if several threads are to read the same. */
  async #onState<Result>(
    given: Snapshot | undefined,
    isShared: boolean,
    work: (state: TaskState, handed: HandedSnapshot | null) => Promise<Result>,
  ): Promise<Result> {
    const handed = given !== undefined ? handOver(given, this.#parts.host) : isShared ? this.#handNewest() : null
    try {
      return await work(handed?.state ?? null, handed)
    } finally {
      handed?.release()
    }
  }

  #handNewest(): HandedSnapshot {
    const snapshot = this.#parts.snapshot()
    try {
      return handOver(snapshot, this.#parts.host)
    } finally {
      snapshot.close()
    }
  }

  /** The answers in the order of the tasks, each as `ReadTask` describes it. Of one call no more tasks wait than there are threads. */
  async #performAll(
    tasks: readonly ReadTask[],
    signal: AbortSignal | undefined,
    isEndedByAbort: boolean,
  ): Promise<unknown[]> {
    const answers = new Array<unknown>(tasks.length)
    const failures: unknown[] = []
    let next = 0
    const takeTurns = async () => {
      while (next < tasks.length && failures.length === 0) {
        const index = next++
        try {
          answers[index] = await this.#perform(tasks[index]!, signal, isEndedByAbort)
        } catch (error) {
          failures.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(tasks.length, this.#threads.count) }, takeTurns))
    if (failures.length > 0) throw failures[0]
    return answers
  }

  async #perform(task: ReadTask, signal: AbortSignal | undefined, isEndedByAbort: boolean): Promise<unknown> {
    await this.#slots.acquire(signal)
    if (signal !== undefined && isEndedByAbort) return this.#finish(this.#threads.runUntil(task, signal))
    return abortable(this.#finish(this.#threads.run(task)), signal)
  }

  async #finish(running: Promise<unknown>): Promise<unknown> {
    try {
      return await running
    } finally {
      this.#completed++
      this.#slots.release()
    }
  }
}

/** Rejects when the signal aborts; what is under way goes on, and its answer is dropped. */
async function abortable<Value>(running: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return running
  let abort = () => {}
  try {
    return await Promise.race([
      running,
      new Promise<never>((_, reject) => {
        abort = () => reject(abortError(signal))
        signal.addEventListener('abort', abort)
      }),
    ])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function cutKeys<Key>(keys: readonly Key[], pieces: number): (readonly Key[])[] {
  if (pieces <= 1) return [keys]
  const size = Math.ceil(keys.length / pieces)
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, i) => keys.slice(i * size, (i + 1) * size))
}

function moduleUrl(module: unknown): string {
  if (module instanceof URL) return module.href
  if (typeof module === 'string' && module !== '') return module
  throw invalidArgument(`module is the URL of a module or its absolute path, not ${typeof module}`)
}

function checkedParts(parts: unknown): number {
  if (typeof parts === 'number' && Number.isSafeInteger(parts) && parts >= 1) return parts
  throw invalidArgument(`parts is a whole number from 1, not ${String(parts)}`)
}

function checkedOptions<Options extends PoolCallOptions>(options: Options, known: readonly string[]): Options {
  assertOptions(options, known)
  const { snapshot, signal } = options
  if (snapshot !== undefined && !(snapshot instanceof Snapshot)) throw invalidArgument('snapshot is an open Snapshot')
  assertSignal(signal)
  return options
}
