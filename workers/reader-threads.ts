/**
 * The threads of a pool, by piscina: as many as were asked for, from the start, each with one task at a time; one that ends
 * is replaced. The engine loads this file when a pool is opened.
 *
 * Piscina's waiting between two tasks by `Atomics.wait` is turned off: it keeps the event loop of the thread from turning, and
 * with it the end of the turn, at which a read lock is let go that would otherwise keep the log from being started over.
 *
 * A thread is ended by `terminate`, whatever it is doing. It has only read, Node closes what it had open, and what it may have
 * left mapped is unmapped here. But until it has really ended its locks are there, so `close` waits for every thread there
 * ever was.
 */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ReaderThreads, ReaderThreadsOptions, ReadTask } from '../src/database.js'
import { abortError, EndmarkError } from '../src/errors.js'
import { MapLedger, ThreadGates, unmapLeftBehind } from '../src/vfs/index.js'
import type { ReaderAnswer, ReaderSettings } from './reader-settings.js'
import { fromThrownThing } from './thrown-thing.js'

const READER_FILE = fileURLToPath(new URL('./reader-entry.cjs', import.meta.url))

type Options = ReaderThreadsOptions & Pick<ReaderSettings, 'allowFuse'>

/** @throws (rejects) what kept a thread from opening the database */
export async function openReaderThreads(path: string, options: Options): Promise<ReaderThreads> {
  const threads = new PiscinaThreads(path, options)
  try {
    await Promise.all(Array.from({ length: threads.count }, () => threads.run({ kind: 'open' })))
    return threads
  } catch (error) {
    await threads.close()
    throw error
  }
}

class PiscinaThreads implements ReaderThreads {
  readonly count: number
  readonly #path: string
  readonly #piscina: Piscina<ReadTask, ReaderAnswer>
  /** Threads that live, each with its end. */
  readonly #living = new Map<Worker, Promise<void>>()
  readonly #maps = new MapLedger()
  readonly #gates = new ThreadGates()
  readonly #exiting = () => this.#gates.close()
  #started = 0
  #failure: unknown = null
  #closing: Promise<void> | null = null

  constructor(path: string, { count = availableParallelism(), timeoutMs, cacheLimitBytes, allowFuse }: Options) {
    const perThread = Math.floor(cacheLimitBytes / count)
    const settings: ReaderSettings = { path, timeoutMs, cacheLimitBytes: perThread, allowFuse }
    this.count = count
    this.#path = path
    this.#piscina = new Piscina<ReadTask, ReaderAnswer>({
      filename: READER_FILE,
      workerData: { ...settings, ...this.#maps.toWorkerData(), ...this.#gates.toWorkerData() },
      minThreads: count,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
    })
    // A thread that ends between two tasks, by what a module has left running there.
    this.#piscina.on('error', (error) => {
      this.#failure = error
      this.#look()
    })
    this.#look()
    // Ends all threads as `close` does.
    process.once('exit', this.#exiting)
  }

  get restarts(): number {
    this.#look()
    return Math.max(0, this.#started - this.count)
  }

  get failure(): unknown {
    return this.#failure
  }

  async run(task: ReadTask): Promise<unknown> {
    return this.#answer(task, undefined)
  }

  async runUntil(task: ReadTask, signal: AbortSignal): Promise<unknown> {
    return this.#answer(task, signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // Those that are ending already first: when they have, piscina would replace them once more after its own end.
    for (let ending = this.#ending(); ending.length > 0; ending = this.#ending()) await Promise.all(ending)
    this.#gates.close()
    await this.#piscina.destroy()
    await Promise.all(this.#living.values())
    process.removeListener('exit', this.#exiting)
  }

  async #answer(task: ReadTask, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#closing !== null) throw this.#closed()
    // Before a thread loads its first add-on, which it does with its first task: it needs a gate by then.
    this.#look()
    // Piscina ends the thread in its listener of a signal: not of the caller's, so that the gates are closed by then.
    const end = new AbortController()
    const abort = () => this.#endBy(end)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    let answer: ReaderAnswer
    try {
      answer = await this.#piscina.run(task, signal === undefined ? {} : { signal: end.signal })
    } catch (error) {
      throw signal?.aborted ? abortError(signal) : this.#failureOf(error)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#look()
    }
    // Once it is closing, a thread may miss what it needs: the state, for one, that its Database has let go.
    if ('thrown' in answer) throw this.#closing === null ? fromThrownThing(answer.thrown) : this.#closed()
    return answer.value
  }

  /** Ends the thread of a task, while no thread is where it must not be ended. */
  #endBy(end: AbortController): void {
    this.#gates.close()
    end.abort()
    // Those that have taken its place are among them.
    this.#look()
    this.#gates.open(new Set(this.#piscina.threads.map(({ threadId }) => threadId)))
  }

  /** What is not thrown by the task itself. */
  #failureOf(cause: unknown): EndmarkError {
    if (this.#closing !== null) return this.#closed()
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (cause instanceof Error && cause.name === 'DataCloneError') {
      const message = `arguments and results are copied to another thread, which these cannot be: ${reason}`
      return new EndmarkError('ENDMARK_INVALID_ARGUMENT', message, { cause })
    }
    this.#failure = cause
    const message = `a thread that read ${this.#path} has ended before its answer: ${reason}`
    return new EndmarkError('ENDMARK_IO', message, { file: this.#path, cause })
  }

  #closed(): EndmarkError {
    return new EndmarkError('ENDMARK_CLOSED', `this pool of ${this.#path} has been closed`)
  }

  /** Takes note of threads that are new. */
  #look(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#living.has(thread)) continue
      this.#started++
      this.#gates.add(thread.threadId)
      this.#living.set(thread, this.#ended(thread, thread.threadId))
    }
  }

  async #ended(thread: Worker, id: number): Promise<void> {
    await new Promise<void>((resolve) => thread.once('exit', () => resolve()))
    this.#living.delete(thread)
    unmapLeftBehind(this.#maps, id)
    this.#gates.forget(id)
  }

  #ending(): Promise<void>[] {
    this.#look()
    const threads = new Set(this.#piscina.threads)
    return [...this.#living].filter(([thread]) => !threads.has(thread)).map(([, ended]) => ended)
  }
}
