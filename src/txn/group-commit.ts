/**
 * Group commit: all transactions that wait in this connection become one batch, with one lock, one append to the log
 * and one sync. A transaction is a function over the batch's pages, run inside a savepoint of its own, so that one that
 * throws is undone alone and the others of its batch commit.
 *
 *   queued ──► running (in its savepoint) ──► appended ──► synced ──► published, resolved
 *     │ abort        │ throws: undone, rejected   │ fails: whole batch rejected, nothing published
 *
 * While one batch syncs, the next one is collected. Scheduling goes through the end of the event-loop turn: everyone
 * whom the last batch released can join the next one, and a loop of awaited commits does not starve the event loop.
 *
 * Locks: WRITE from before the first transaction runs until the batch is published. TXN-3: nothing is resolved
 * before it is published, and nothing is published before it is as durable as its mode asks.
 */
import { assert } from '../assert.js'
import { abortError, EndmarkError } from '../errors.js'
import type { Page, Pager, WritePages } from '../pager/index.js'
import type { Synchronous } from '../units.js'
import { type Blocking, LogAppender, runAsync, runSync, type Wal } from '../wal/index.js'
import { WriteGap } from './write-gap.js'

/** One transaction: changes `pages`, and may be run again on another state. */
export type Work<T> = (pages: WritePages) => T

export interface CommitOptions {
  readonly synchronous: Synchronous
  readonly signal?: AbortSignal | undefined
  /** On the clock of the vfs: until then it waits for WRITE, in one batch or the next. Default: as long as one batch does. */
  readonly patientUntilMs?: number
}

export interface GroupCommitHooks {
  /** Called before a blocking commit: gives up what this connection does in the background and would keep it waiting. */
  readonly beforeBlocking: () => void
  /** Called before a batch takes its state: lets go of what would keep the log from being restarted. */
  readonly beforeBatch: () => void
  /** Called when all transactions of a batch have run, outside their savepoints: what it changes is committed with them. */
  readonly beforeAppend: (pages: WritePages) => void
  /** Called when a batch was published, with its pages, while WRITE is still held. */
  readonly published: (pages: WritePages) => void
  /** Called when a batch was published and WRITE let go; `blocking` as the commit itself was. */
  readonly afterCommit: (commit: { readonly blocking: boolean }) => void
}

export interface CommitCounts {
  /** Appends to the log. */
  readonly batches: number
  /** Transactions that went through. */
  readonly transactions: number
}

interface Waiting {
  readonly work: Work<unknown>
  readonly synchronous: Synchronous
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | null
  readonly patientUntilMs: number
  /** Its function has been called: an abort comes too late. */
  isStarted: boolean
  isCancelled: boolean
  outcome: { readonly value: unknown } | { readonly error: unknown } | null
}

/** A batch takes no further transaction once it has changed this much. */
const BATCH_SIZE_BYTES = 8 << 20
/** A disk whose syncs take no longer than this is waited for on the spot when only one caller waits anyway. */
const INLINE_SYNC_MAX_MS = 0.3
/** Weight of the newest measurement in the average. */
const SYNC_AVERAGE_WEIGHT = 0.2

const STRENGTH: Readonly<Record<Synchronous, number>> = { off: 0, normal: 1, full: 2, extra: 3 }

export class GroupCommit {
  readonly #wal: Wal
  readonly #pager: Pager
  readonly #hooks: GroupCommitHooks
  readonly #appender: LogAppender
  readonly #gap: WriteGap
  #queue: Waiting[] = []
  #isScheduled = false
  /** A blocking commit is on the stack. */
  #isBlocking = false
  /** The batch that is being committed, if any. */
  #running: Promise<void> | null = null
  /** Work that batches wait for. */
  #pause: Promise<void> | null = null
  #syncAverageMs = Number.POSITIVE_INFINITY
  /** End of the gap that is being left to others. */
  #notBeforeMs = 0
  /** Batches of up to so many transactions may sync on the calling thread. */
  #inlineBatchMax = 1
  /** Rest after each batch, as a multiple of its duration. */
  #restFactor = 0
  #batchCount = 0
  #transactionCount = 0

  constructor(wal: Wal, pager: Pager, hooks: GroupCommitHooks) {
    this.#wal = wal
    this.#pager = pager
    this.#hooks = hooks
    this.#appender = new LogAppender(wal)
    this.#gap = new WriteGap(wal)
  }

  /** Queues a transaction; resolves with its value once it is durable as asked and visible to everyone. */
  run<T>(work: Work<T>, options: CommitOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => this.add(work, options, resolve, reject))
  }

  /** The same with callbacks. Transactions run in the order in which they were added. */
  add<T>(
    work: Work<T>,
    { synchronous, signal, patientUntilMs = 0 }: CommitOptions,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): void {
    if (signal?.aborted) {
      reject(abortError(signal))
      return
    }
    const waiting: Waiting = {
      work,
      synchronous,
      resolve: resolve as (value: unknown) => void,
      reject,
      signal,
      onAbort: signal === undefined ? null : () => cancel(waiting),
      patientUntilMs,
      isStarted: false,
      isCancelled: false,
      outcome: null,
    }
    if (waiting.onAbort !== null) signal?.addEventListener('abort', waiting.onAbort, { once: true })
    this.#queue.push(waiting)
    this.#schedule()
  }

  /** Halves the pace of batches, or no longer does, for a checkpoint that falls behind. */
  slowDown(isSlow: boolean): void {
    this.#restFactor = isSlow ? 1 : 0
  }

  /** For a process that only commits: batches of up to so many transactions may sync on its event loop. */
  syncInlineUpTo(batchMax: number): void {
    this.#inlineBatchMax = batchMax
  }

  /** Counted since the connection was opened. */
  get counts(): CommitCounts {
    return { batches: this.#batchCount, transactions: this.#transactionCount }
  }

  /** Whether nothing is queued or under way. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#running === null
  }

  /**
   * Commits one transaction, blocking the thread.
   * @throws ENDMARK_BUSY while an asynchronous commit of this connection is under way: it cannot end while we block
   */
  runSync<T>(work: Work<T>, { synchronous }: Pick<CommitOptions, 'synchronous'>): T {
    this.#hooks.beforeBlocking()
    if (this.#running !== null || this.#isBlocking || this.#wal.locks.isHeld('WRITE')) {
      throw commitUnderWay()
    }
    let outcome: T | undefined
    let failure: { readonly error: unknown } | undefined
    const waiting: Waiting = {
      work,
      synchronous,
      resolve: (value) => {
        outcome = value as T
      },
      reject: (error) => {
        failure = { error }
      },
      signal: undefined,
      onAbort: null,
      patientUntilMs: 0,
      isStarted: false,
      isCancelled: false,
      outcome: null,
    }
    this.#isBlocking = true
    try {
      runSync(this.#commit([waiting]))
    } finally {
      this.#isBlocking = false
    }
    settle(waiting)
    this.#hooks.afterCommit({ blocking: true })
    if (failure !== undefined) throw failure.error
    return outcome as T
  }

  /** Runs `work` between two batches; what it throws is thrown on. */
  async between(work: () => Promise<unknown>): Promise<void> {
    while (this.#running !== null || this.#pause !== null) await (this.#running ?? this.#pause)
    const working = work()
    const done = () => {
      this.#pause = null
      if (this.#queue.length > 0) this.#schedule()
    }
    this.#pause = working.then(done, done)
    await working
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#running !== null) {
      if (this.#running === null) this.#startBatch()
      await (this.#running ?? this.#pause)
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#running !== null || this.#pause !== null) return
    this.#isScheduled = true
    const start = () => {
      this.#isScheduled = false
      this.#startBatch()
    }
    const { vfs } = this.#wal
    const waitMs = this.#notBeforeMs - vfs.now()
    if (waitMs > 0) void vfs.delay(waitMs).then(start)
    else vfs.endOfTurn(start)
  }

  #startBatch(): void {
    if (this.#running !== null || this.#pause !== null || this.#queue.length === 0) return
    const batch = this.#queue
    this.#queue = []
    // Not begun before `#running` says so: a transaction's function may call `drain`, or ask for a blocking commit.
    this.#running = Promise.resolve().then(() => this.#commitAll(batch))
  }

  /** Commits the batch; its callers hear of every outcome, so this never rejects. */
  async #commitAll(batch: Waiting[]): Promise<void> {
    const { vfs } = this.#wal
    const startMs = vfs.now()
    try {
      await runAsync(this.#commit(batch))
      this.#hooks.afterCommit({ blocking: false })
    } catch (error) {
      fail(batch, error, vfs.now())
    }
    const endMs = vfs.now()
    this.#notBeforeMs = endMs + Math.max(this.#gap.after({ startMs, endMs }), (endMs - startMs) * this.#restFactor)
    // What did not fit into this batch, or waits on, goes first into the next one.
    const left = batch.filter((waiting) => waiting.outcome === null && !waiting.isCancelled)
    if (left.length > 0) this.#queue = left.concat(this.#queue)
    // Before anyone hears of it: a caller who goes on from here may ask for a blocking commit.
    this.#running = null
    if (this.#queue.length > 0) this.#schedule()
    for (const waiting of batch) if (waiting.outcome !== null) settle(waiting)
  }

  *#commit(batch: readonly Waiting[]): Blocking<void> {
    const wal = this.#wal
    wal.assertHealthy()
    yield* wal.lockWrite(batch.length === 1 ? batch[0]!.signal : undefined, patienceMs(batch, wal))
    try {
      this.#gap.locked()
      this.#hooks.beforeBatch()
      const pages = this.#pager.beginWrite()
      try {
        const synchronous = apply(batch, pages)
        this.#hooks.beforeAppend(pages)
        yield* this.#append(pages, synchronous, batch)
      } catch (error) {
        // Nothing was published: whoever believed to be done is not.
        for (const waiting of batch)
          if (waiting.outcome !== null && 'value' in waiting.outcome) waiting.outcome = { error }
        throw error
      } finally {
        pages.discard()
      }
    } finally {
      wal.locks.releaseExclusive('WRITE')
    }
  }

  *#append(pages: WritePages, synchronous: Synchronous, batch: readonly Waiting[]): Blocking<void> {
    const dirty = pages.finish()
    if (dirty.length === 0) return
    const { vfs } = this.#wal
    const syncInline = batch.length <= this.#inlineBatchMax && this.#syncAverageMs < INLINE_SYNC_MAX_MS
    const startMs = vfs.now()
    yield* this.#appender.append({ pages: dirty, pageCount: pages.pageCount, synchronous, syncInline })
    this.#gap.published()
    this.#follow(pages, dirty)
    this.#batchCount++
    for (const { outcome } of batch) if (outcome !== null && 'value' in outcome) this.#transactionCount++
    if (STRENGTH[synchronous] >= STRENGTH.full) this.#measure(vfs.now() - startMs)
  }

  /** Takes what was published into the caches. It is committed by now, so a failure shows in the reads that meet it. */
  #follow(pages: WritePages, published: readonly Page[]): void {
    try {
      this.#hooks.published(pages)
      this.#pager.endWrite(published)
    } catch {
      // The next snapshot goes by the wal-index again.
    }
  }

  /** Running average over appends; starts at the first one. */
  #measure(durationMs: number): void {
    const average = this.#syncAverageMs
    this.#syncAverageMs = Number.isFinite(average) ? average + (durationMs - average) * SYNC_AVERAGE_WEIGHT : durationMs
  }
}

/** The error of a blocking commit that would wait for something that needs the event loop. */
export function commitUnderWay(): EndmarkError {
  const message =
    'a commit or checkpoint of this Database is under way and cannot end while this one blocks: await it first'
  return new EndmarkError('ENDMARK_BUSY', message)
}

export function strongest(a: Synchronous, b: Synchronous): Synchronous {
  return STRENGTH[a] >= STRENGTH[b] ? a : b
}

/** Runs the transactions of a batch, each in its savepoint, until it is full. @returns the strongest mode among them */
function apply(batch: readonly Waiting[], pages: WritePages): Synchronous {
  let synchronous: Synchronous = 'off'
  for (const waiting of batch) {
    if (waiting.isCancelled) continue
    if (pages.dirtyCount * pages.pageSize >= BATCH_SIZE_BYTES) break
    pages.savepoint()
    waiting.isStarted = true
    try {
      waiting.outcome = { value: waiting.work(pages) }
      pages.release()
    } catch (error) {
      pages.rollback()
      waiting.outcome = { error }
      continue
    }
    if (STRENGTH[waiting.synchronous] > STRENGTH[synchronous]) synchronous = waiting.synchronous
  }
  return synchronous
}

/** Until somebody's time is up: then he hears of it, and the others go into the next batch. */
function patienceMs(batch: readonly Waiting[], { vfs, timeoutMs }: Wal): number {
  let untilMs = Number.POSITIVE_INFINITY
  for (const { patientUntilMs } of batch) if (patientUntilMs > 0 && patientUntilMs < untilMs) untilMs = patientUntilMs
  return Math.min(Math.max(Math.ceil(untilMs - vfs.now()), 0), timeoutMs)
}

/** Whoever waits on is left without an outcome: nothing of a batch that did not get WRITE has run. */
function fail(batch: readonly Waiting[], error: unknown, nowMs: number): void {
  const isBusy = error instanceof EndmarkError && error.code === 'ENDMARK_BUSY'
  for (const waiting of batch) if (!isBusy || waiting.patientUntilMs <= nowMs) waiting.outcome ??= { error }
}

/** An abort counts only while the transaction has not run: afterwards it is committed with its batch. */
function cancel(waiting: Waiting): void {
  if (waiting.isStarted || waiting.outcome !== null || waiting.isCancelled) return
  waiting.isCancelled = true
  waiting.reject(abortError(waiting.signal!))
}

function settle(waiting: Waiting): void {
  if (waiting.onAbort !== null) waiting.signal?.removeEventListener('abort', waiting.onAbort)
  const { outcome } = waiting
  assert(outcome !== null, 'a transaction is settled once it has an outcome')
  if ('value' in outcome) waiting.resolve(outcome.value)
  else waiting.reject(outcome.error)
}
