/**
 * One batch of transactions, from the state it begins with to the state it leaves. They run in order, each in a savepoint of its
 * own, so that one that throws is undone alone and the others are committed.
 *
 *   prepare ──────────────► sync ───────────► publish
 *   runs them, writes the   │ fails           in the wal-index, then in our caches
 *   pages they changed      ▼
 *     │ fails: an empty   give up: all of them rejected, and all of the batch behind
 *     ▼ batch, all rejected
 *
 * Which transactions a batch is made of, and when each step is taken, is the group commit's; so are their promises, which it
 * settles once WRITE is let go.
 *
 * Locks: WRITE in every step. TXN-3: a batch is published once it is as durable as its mode asks, not before. TXN-8: one that was
 * prepared behind another is synced and published after it.
 */
import { type DirtyLimit, dirtyPagesMax, type Page, type Pager, type WritePages } from '../pager/index.js'
import { type AppendedBatch, type Blocking, LogAppender, type LogSpill, runAsync, type Wal } from '../wal/index.js'
import type { SyncPace } from './sync-pace.js'
import { isSynced } from './synchronous.js'
import { apply, reject, type Waiting } from './waiting-commit.js'
import type { WriteGap } from './write-gap.js'

/** Transactions that have run together, in the order in which they were asked for. */
export interface Batch {
  readonly transactions: readonly Waiting[]
  /** Those that did not fit in, and have not run. */
  readonly left: readonly Waiting[]
  readonly pages: WritePages
  /** Null: nothing was changed. */
  readonly written: AppendedBatch | null
  readonly dirty: readonly Page[]
  readonly startMs: number
  isPublished: boolean
}

export interface BatchHooks {
  /** Called before a batch takes its state: lets go of what would keep the log from being restarted. */
  readonly beforeBatch: () => void
  /** Called when all transactions of a batch have run, outside their savepoints: what it changes is committed with them. */
  readonly beforeAppend: (pages: WritePages) => void
  /** Called when a batch was published, with its pages, while WRITE is still held. */
  readonly published: (pages: WritePages) => void
}

export interface CommitCounts {
  /** Appends to the log. */
  readonly batches: number
  /** Transactions that went through. */
  readonly transactions: number
}

export interface BatchCommitParts {
  readonly wal: Wal
  readonly pager: Pager
  readonly hooks: BatchHooks
  /** Told when a batch begins and when it was published. */
  readonly gap: WriteGap
  /** Told how long each sync took. */
  readonly pace: SyncPace
  /** How much a batch may change in memory. */
  readonly dirtyLimitBytes: number
}

/** Whether a sync is made on the calling thread. */
interface SyncPlace {
  readonly syncInline: boolean
}

const DONE = Promise.resolve()
const ON_THREAD: SyncPlace = { syncInline: true }
const IN_POOL: SyncPlace = { syncInline: false }

export class BatchCommit {
  readonly #wal: Wal
  readonly #pager: Pager
  readonly #hooks: BatchHooks
  readonly #gap: WriteGap
  readonly #pace: SyncPace
  readonly #dirtyPagesMax: number
  readonly #appender: LogAppender
  /** Written to the log since the last sync. */
  #unsyncedBytes = 0
  #batchCount = 0
  #transactionCount = 0

  constructor({ wal, pager, hooks, gap, pace, dirtyLimitBytes }: BatchCommitParts) {
    this.#wal = wal
    this.#pager = pager
    this.#hooks = hooks
    this.#gap = gap
    this.#pace = pace
    this.#dirtyPagesMax = dirtyPagesMax(dirtyLimitBytes, wal.pageSize)
    this.#appender = new LogAppender(wal)
  }

  /** Counted since the connection was opened. */
  get counts(): CommitCounts {
    return { batches: this.#batchCount, transactions: this.#transactionCount }
  }

  /**
   * All steps of one batch, synced on the calling thread; whatever fails is the outcome of its transactions.
   * @requires lock WRITE
   */
  *commit(transactions: readonly Waiting[]): Blocking<Batch> {
    const batch = yield* this.prepare(transactions, null)
    const { written } = batch
    try {
      if (written !== null && isSynced(written)) {
        const startMs = this.#wal.vfs.now()
        yield* this.#appender.sync(written, ON_THREAD)
        this.#measure(startMs, ON_THREAD)
      }
      this.publish(batch, null)
    } catch (error) {
      this.giveUp(batch, null, error)
    }
    return batch
  }

  /**
   * Runs transactions and writes what they changed; whatever fails is their outcome.
   * @param before the batch that is being synced, if any: its state is the one they see
   * @requires lock WRITE
   */
  *prepare(transactions: readonly Waiting[], before: Batch | null): Blocking<Batch> {
    const startMs = this.#wal.vfs.now()
    let spill: LogSpill | null = null
    const limit = {
      pages: this.#dirtyPagesMax,
      spill: () => {
        spill = this.#appender.spill(before?.written ?? null)
        return spill
      },
    }
    const pages = before === null ? this.#begin(limit) : this.#pager.beginBehind(before.pages, limit)
    try {
      const synchronous = apply(transactions, pages)
      this.#hooks.beforeAppend(pages)
      const dirty = pages.finish()
      const written =
        dirty.length === 0
          ? null
          : yield* this.#appender.write(
              { pages: dirty, pageCount: pages.pageCount, synchronous },
              { before: before?.written ?? null, spill },
            )
      if (written !== null) this.#unsyncedBytes += (dirty.length + (written.spill?.count ?? 0)) * pages.pageSize
      const left = transactions.filter(hasNotRun)
      const run = left.length === 0 ? transactions : transactions.filter(({ outcome }) => outcome !== null)
      return { transactions: run, left, pages, dirty, written, startMs, isPublished: false }
    } catch (error) {
      // Nothing of it stands in the log for anyone: a batch that changes nothing, behind which none is prepared.
      pages.forget()
      reject(transactions, error)
      return { transactions, left: [], pages, dirty: [], written: null, startMs, isPublished: false }
    }
  }

  #begin(limit: DirtyLimit): WritePages {
    this.#gap.locked()
    this.#hooks.beforeBatch()
    return this.#pager.beginWrite(limit)
  }

  /** Resolves once it is as durable as its mode asks, without a wait of the calling thread. @requires lock WRITE */
  sync({ written }: Batch): Promise<void> {
    if (written === null || !isSynced(written)) return DONE
    const startMs = this.#wal.vfs.now()
    const syncing = runAsync(this.#appender.sync(written, IN_POOL)).then(() => this.#measure(startMs, IN_POOL))
    // Awaited only when the next batch has been prepared: a failure before that must not end the process.
    syncing.catch(() => {})
    return syncing
  }

  #measure(startMs: number, { syncInline }: SyncPlace): void {
    this.#pace.measure({ durationMs: this.#wal.vfs.now() - startMs, sizeBytes: this.#unsyncedBytes, syncInline })
    this.#unsyncedBytes = 0
  }

  /** @param next the batch that was prepared behind it, if any. @requires lock WRITE */
  publish(batch: Batch, next: Batch | null): void {
    const { pages, dirty, written, transactions } = batch
    if (written !== null) {
      this.#appender.publish(written)
      this.#gap.published()
      this.#follow(pages, dirty, next)
      this.#batchCount++
      for (const { outcome } of transactions) if (outcome !== null && 'value' in outcome) this.#transactionCount++
    }
    // With a batch behind it, it is closed when that one goes on without it.
    if (next === null) pages.close()
    batch.isPublished = true
  }

  /** Takes what was published into the caches. It is committed by now, so a failure shows in the reads that meet it. */
  #follow(pages: WritePages, published: readonly Page[], next: Batch | null): void {
    try {
      this.#hooks.published(pages)
      this.#pager.endWrite(published, next?.pages)
    } catch {
      // The next snapshot goes by the wal-index again.
    }
  }

  /**
   * Nothing was published: whoever believed to be done is not, and the batch behind has seen what never was.
   * @returns all whose outcome this is
   */
  giveUp(batch: Batch, next: Batch | null, error: unknown): readonly Waiting[] {
    const { transactions, pages } = batch
    reject(transactions, error)
    if (next === null) {
      pages.close()
      return transactions
    }
    for (const waiting of next.transactions) if (!waiting.isCancelled) waiting.outcome = { error }
    next.pages.close()
    return transactions.concat(next.transactions)
  }
}

function hasNotRun({ outcome, isCancelled }: Waiting): boolean {
  return outcome === null && !isCancelled
}
