/**
 * Group commit: all transactions that wait in this connection become one batch, with one lock, one append to the log
 * and one sync. Here is decided who goes into a batch, and when WRITE is taken and let go; when a batch begins is told in
 * `batch-turns.ts`, what happens to it in `batch-commit.ts`.
 *
 *   queued ──► in a batch ──► published, or failed ──► settled
 *     │ abort    │ the batch is full, or WRITE or room in the log may still come: queued again, first
 *
 * While one batch syncs in the thread pool, the next one is collected and, once as many wait as are in the first, run and written behind it, so that
 * its sync can begin when the first one ends. It is published after the first, and fails if that fails (TXN-8). At most two
 * batches are under way.
 *
 * Someone who is alone, or in a process where syncs are made on the event loop, commits without any of that.
 *
 * Locks: WRITE from before the first transaction runs until the last batch is published. TXN-3: no transaction is resolved
 * before its batch is published.
 */
import { abortError, EndmarkError } from '../errors.js'
import { DIRTY_LIMIT_BYTES } from '../limits.js'
import type { Pager } from '../pager/index.js'
import { type Blocking, runAsync, runSync, type Wal } from '../wal/index.js'
import { type Batch, BatchCommit, type BatchHooks, type CommitCounts } from './batch-commit.js'
import { BatchTurns } from './batch-turns.js'
import { commitUnderWay, isLogFull } from './commit-errors.js'
import { SyncPace } from './sync-pace.js'
import { isSynced } from './synchronous.js'
import {
  type CommitOptions,
  patienceMs,
  reject,
  settle,
  type Waiting,
  type Work,
  waitingCommit,
} from './waiting-commit.js'
import { WriteGap } from './write-gap.js'

/** For whom room in the log is wanted. */
export interface RoomRequest {
  /** When the oldest of them was asked for, by `vfs.now()`. */
  readonly sinceMs: number
  readonly signal: AbortSignal | undefined
}

export interface GroupCommitHooks extends BatchHooks {
  /** Called before a blocking commit: gives up what this connection does in the background and would keep it waiting. */
  readonly beforeBlocking: () => void
  /**
   * Called before batches take WRITE. @returns what they have to wait for first, or null. What that throws fails them; with
   * ENDMARK_WAL_FULL only those that have waited for `timeout`
   */
  readonly beforeLock: (request: RoomRequest) => Blocking<void> | null
  /** Called when a batch was published and WRITE let go; `blocking` as the commit itself was. */
  readonly afterCommit: (commit: { readonly blocking: boolean }) => void
}

/** WRITE is let go at least this often, for a moment, so that others of ours have a chance to meet it. */
const HOLD_MAX_MS = 10
/**
 * So many that wait at once, so soon after a batch of as many, become two batches, the second of which is prepared while the first
 * one syncs.
 */
const SPLIT_MIN = 32

export class GroupCommit {
  readonly #wal: Wal
  readonly #hooks: GroupCommitHooks
  readonly #batches: BatchCommit
  readonly #turns: BatchTurns
  readonly #pace: SyncPace
  #queue: Waiting[] = []
  /** A blocking commit is on the stack. */
  #isBlocking = false
  /** The batches that are being committed, if any. */
  #running: Promise<void> | null = null
  /** Work that batches wait for, and how many would like to begin some. */
  #pause: Promise<void> | null = null
  #pauseWantedCount = 0
  /** Called once `#queue` is as long as that. */
  #whenQueued: { readonly count: number; readonly call: () => void } | null = null
  /** Batches of up to so many transactions may sync on the calling thread. */
  #inlineBatchMax = 1

  /** @param dirtyLimitBytes how much a batch may change in memory */
  constructor(wal: Wal, pager: Pager, hooks: GroupCommitHooks, dirtyLimitBytes: number = DIRTY_LIMIT_BYTES) {
    this.#wal = wal
    this.#hooks = hooks
    const gap = new WriteGap(wal)
    this.#turns = new BatchTurns(wal, gap)
    this.#pace = new SyncPace(wal)
    this.#batches = new BatchCommit({ wal, pager, hooks, gap, pace: this.#pace, dirtyLimitBytes })
  }

  /** Queues a transaction; resolves with its value once it is durable as asked and visible to everyone. */
  run<T>(work: Work<T>, options: CommitOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => this.add(work, options, resolve, reject))
  }

  /** The same with callbacks. Transactions run in the order in which they were added. */
  add<T>(work: Work<T>, options: CommitOptions, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const { signal } = options
    if (signal?.aborted) {
      reject(abortError(signal))
      return
    }
    const waiting = waitingCommit({
      work,
      options,
      sinceMs: this.#wal.vfs.now(),
      resolve: resolve as (value: unknown) => void,
      reject,
    })
    this.#queue.push(waiting)
    if (this.#running === null) this.#schedule()
    else if (this.#whenQueued !== null && this.#queue.length >= this.#whenQueued.count) this.#whenQueued.call()
  }

  /** Halves the pace of batches, or no longer does, for a checkpoint that falls behind. */
  slowDown(isSlow: boolean): void {
    this.#turns.slowDown(isSlow)
  }

  /** For a process that only commits: batches of up to so many transactions may sync on its event loop. */
  syncInlineUpTo(batchMax: number): void {
    this.#inlineBatchMax = batchMax
    this.#pace.dedicate()
  }

  /**
   * For a process that has a writer process to turn to: WRITE is not held over turns of the event loop, as user code might block it
   * meanwhile and with it everybody else. So all syncs are made on the calling thread; once they take long, `isSlow` says so.
   */
  keepBrief(isBrief: boolean): void {
    this.#pace.keepBrief(isBrief)
  }

  /** Syncs took too long lately for the calling thread to wait for them. */
  get isSlow(): boolean {
    return this.#pace.isSlow
  }

  /** Counted since the connection was opened. */
  get counts(): CommitCounts {
    return this.#batches.counts
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
    const waiting = waitingCommit({
      work,
      options: { synchronous },
      sinceMs: this.#wal.vfs.now(),
      resolve: (value) => {
        // As `work` returned it.
        outcome = value as T
      },
      reject: (error) => {
        failure = { error }
      },
    })
    this.#isBlocking = true
    try {
      runSync(this.#commitAlone(waiting))
    } finally {
      this.#isBlocking = false
    }
    settle([waiting])
    this.#afterCommit({ blocking: true })
    if (failure !== undefined) throw failure.error
    return outcome as T
  }

  *#commitAlone(waiting: Waiting): Blocking<void> {
    const wal = this.#wal
    wal.assertHealthy()
    const room = this.#hooks.beforeLock({ sinceMs: waiting.sinceMs, signal: undefined })
    if (room !== null) yield* room
    yield* wal.lockWrite()
    try {
      this.#done(yield* this.#batches.commit([waiting]))
    } finally {
      wal.locks.releaseExclusive('WRITE')
    }
  }

  /** Runs `work` between two batches; what it throws is thrown on. */
  async between(work: () => Promise<unknown>): Promise<void> {
    this.#pauseWantedCount++
    while (this.#running !== null || this.#pause !== null) await (this.#running ?? this.#pause)
    this.#pauseWantedCount--
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
      if (this.#running === null) this.#start()
      await (this.#running ?? this.#pause)
    }
  }

  #schedule(): void {
    if (this.#running === null && this.#pause === null) this.#turns.schedule(this.#begin)
  }

  readonly #begin = (): void => {
    if (this.#areOthersComing()) this.#schedule()
    else this.#start()
  }

  /** Who are worth waiting for, where there is a sync to share. */
  #areOthersComing(): boolean {
    const queue = this.#queue
    if (queue.length === 0 || !isSynced(queue[0]!) || this.#pauseWantedCount > 0) return false
    return this.#turns.areOthersComing(queue.length)
  }

  #start(): void {
    if (this.#running !== null || this.#pause !== null || this.#queue.length === 0) return
    if (this.#commitAtOnce()) return
    const { length } = this.#queue
    const first = this.#take(this.#isSplit() ? length >>> 1 : length)
    // Not begun before `#running` says so: a transaction's function may call `drain`, or ask for a blocking commit.
    this.#running = Promise.resolve().then(() => this.#commitAll(first))
  }

  /**
   * Commits all that wait without a promise in between, if nothing has to be waited for: the way of a lone caller.
   * @returns false, with nothing done, if something has to
   */
  #commitAtOnce(): boolean {
    const { locks } = this.#wal
    if (!this.#canCommitAtOnce()) return false
    const transactions = this.#take(this.#queue.length)
    let last: readonly Waiting[]
    this.#isBlocking = true
    try {
      if (!this.#wal.tryLockWrite()) {
        this.#queue = transactions
        return false
      }
      try {
        last = this.#commitHere(transactions)
      } finally {
        locks.releaseExclusive('WRITE')
      }
      this.#afterCommit({ blocking: false })
    } catch (error) {
      last = this.#failed(transactions, error)
    } finally {
      this.#isBlocking = false
    }
    this.#turns.committedAtOnce(transactions.length)
    if (this.#queue.length > 0) this.#schedule()
    settle(last)
    return true
  }

  #canCommitAtOnce(): boolean {
    if (this.#isBlocking || this.#wal.hasFailed || this.#wal.locks.isHeld('WRITE')) return false
    const queue = this.#queue
    if (queue.some(isSynced) && !this.#syncsInline(queue.length)) return false
    if (!this.#syncsInline(1) && this.#mayStartLog()) return false
    return this.#hooks.beforeLock({ sinceMs: queue[0]!.sinceMs, signal: undefined }) === null
  }

  /** Whether a sync for so many transactions is made on the calling thread: always for who must be brief, else on a fast disk for few. */
  #syncsInline(count: number): boolean {
    return this.#pace.isBrief || (this.#pace.isFast && count <= this.#inlineBatchMax)
  }

  /** Whether the log may be started over, whose new header is synced in all modes but `off`. */
  #mayStartLog(): boolean {
    const { header, index } = this.#wal
    return header.endMark <= index.backfill
  }

  /** Whether these are the ones whom the last batch released: then all of them would wait for each other's sync for ever. */
  #isSplit(): boolean {
    const queue = this.#queue
    if (queue.length < SPLIT_MIN || this.#syncsInline(queue.length)) return false
    return isSynced(queue[0]!) && this.#turns.hasJustReleased(SPLIT_MIN)
  }

  #take(count: number): Waiting[] {
    const taken = this.#queue
    this.#queue = taken.splice(count)
    return taken
  }

  /** They were in a batch, but could not be committed with it: they come before whoever was queued since. */
  #putFirst(transactions: readonly Waiting[]): void {
    if (transactions.length > 0) this.#queue = transactions.concat(this.#queue)
  }

  /** Ends a batch that was committed in one piece. @returns its transactions, with their outcomes, for the caller to settle */
  #done(batch: Batch): readonly Waiting[] {
    this.#putFirst(batch.left)
    if (batch.isPublished) this.#turns.published(batch)
    return batch.transactions
  }

  /** Commits these, and what comes meanwhile, under one WRITE lock; callers hear of every outcome, so this never rejects. */
  async #commitAll(first: readonly Waiting[]): Promise<void> {
    const wal = this.#wal
    let last: readonly Waiting[] = first
    try {
      wal.assertHealthy()
      const signal = first.length === 1 ? first[0]!.signal : undefined
      const room = this.#hooks.beforeLock({ sinceMs: first[0]!.sinceMs, signal })
      if (room !== null) await runAsync(room)
      await runAsync(wal.lockWrite(signal, patienceMs(first, wal)))
      try {
        last = this.#syncsInline(first.length) ? this.#commitHere(first) : await this.#commitInTurn(first)
      } finally {
        wal.locks.releaseExclusive('WRITE')
      }
      this.#afterCommit({ blocking: false })
    } catch (error) {
      last = this.#failed(last, error)
    }
    // Before anyone hears of it: a caller who goes on from here may ask for a blocking commit.
    this.#running = null
    if (this.#queue.length > 0) this.#schedule()
    settle(last)
  }

  /**
   * Rejects them, but for those who still have time to wait for WRITE, or for room in the log: they go first into the next batch.
   * @returns those rejected
   */
  #failed(transactions: readonly Waiting[], error: unknown): readonly Waiting[] {
    const { vfs, timeoutMs } = this.#wal
    const nowMs = vfs.now()
    const isBusy = error instanceof EndmarkError && error.code === 'ENDMARK_BUSY'
    const isFull = isLogFull(error)
    const waitsOn = ({ outcome, isCancelled, patientUntilMs, sinceMs }: Waiting) => {
      if (outcome !== null || isCancelled) return false
      return isBusy ? patientUntilMs > nowMs : isFull && sinceMs > nowMs - timeoutMs
    }
    const rejected = transactions.filter((waiting) => !waitsOn(waiting))
    if (rejected.length < transactions.length) this.#putFirst(transactions.filter(waitsOn))
    reject(rejected, error)
    return rejected
  }

  /** One batch in one piece, with no turn of the event loop while WRITE is held. @requires lock WRITE */
  #commitHere(first: readonly Waiting[]): readonly Waiting[] {
    return this.#done(runSync(this.#batches.commit(first)))
  }

  /**
   * One batch after the other, the next one prepared while one syncs in the thread pool.
   * @requires lock WRITE
   * @returns the transactions of the last one, with their outcomes, for the caller to settle
   */
  async #commitInTurn(first: readonly Waiting[]): Promise<readonly Waiting[]> {
    const heldSinceMs = this.#wal.vfs.now()
    let batch = await runAsync(this.#batches.prepare(first, null))
    this.#putFirst(batch.left)
    let syncing = this.#batches.sync(batch)
    for (;;) {
      const next = this.#mayGoOn(batch, heldSinceMs) ? await this.#prepareBeside(syncing, batch) : null
      if (next !== null) this.#putFirst(next.left)
      try {
        await syncing
        this.#batches.publish(batch, next)
      } catch (error) {
        return this.#batches.giveUp(batch, next, error)
      }
      this.#turns.published(batch)
      if (next === null) return batch.transactions
      const { transactions } = batch
      batch = next
      syncing = this.#batches.sync(next)
      this.#afterCommit({ blocking: false })
      settle(transactions)
    }
  }

  /** Whether the next batch may be prepared before this one is published. */
  #mayGoOn({ written, pages }: Batch, heldSinceMs: number): boolean {
    if (written === null || !isSynced(written)) return false
    const nowMs = this.#wal.vfs.now()
    if (this.#pauseWantedCount > 0 || nowMs - heldSinceMs >= HOLD_MAX_MS || this.#turns.isRestDue(nowMs)) return false
    // A schema is known by its cookie: one that may yet fail must not be.
    if (!pages.keepsSchema) return false
    return this.#hooks.beforeLock({ sinceMs: nowMs, signal: undefined }) === null
  }

  /** The next batch, once as many wait as are in this one; null if its sync has ended before. */
  async #prepareBeside(syncing: Promise<void>, batch: Batch): Promise<Batch | null> {
    const count = batch.transactions.length
    if (this.#queue.length < count) await this.#queuedOrDone(count, syncing)
    if (this.#queue.length < count || this.#pauseWantedCount > 0) return null
    const transactions = this.#take(this.#queue.length)
    try {
      return await runAsync(this.#batches.prepare(transactions, batch))
    } catch (error) {
      // It was not begun. The batch that syncs goes on: its frames are written, and somebody has to hear of its sync.
      reject(transactions, error)
      settle(transactions)
      return null
    }
  }

  async #queuedOrDone(count: number, syncing: Promise<void>): Promise<void> {
    const { vfs } = this.#wal
    await new Promise<void>((resolve) => {
      // With the rest of those who come in the same turn.
      const call = () => {
        this.#whenQueued = null
        vfs.endOfTurn(resolve)
      }
      this.#whenQueued = { count, call }
      const done = () => resolve()
      syncing.then(done, done)
    })
    this.#whenQueued = null
  }

  /** What is committed is committed: work in the background that cannot begin now begins after another commit. */
  #afterCommit(commit: { readonly blocking: boolean }): void {
    try {
      this.#hooks.afterCommit(commit)
    } catch {
      // It reports for itself (`checkpointFailure` in the statistics).
    }
  }
}
