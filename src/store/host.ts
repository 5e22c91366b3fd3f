/**
 * What a store handle is given of the database it belongs to: pages to read, and a way to have operations committed.
 * Types only. `Database` implements it; snapshots and transactions call the handles' `...From` methods with pages of
 * their own instead.
 */
import type { PageReader } from '../pager/index.js'
import type { Operation, OperationResult } from './operation.js'
import type { Schema } from './schema.js'

/** One committed state, held until it is released. */
export interface PinnedPages {
  readonly pages: PageReader
  /** @throws ENDMARK_CLOSED once it has been released: pages may then be cut off, and must not be touched */
  assertOpen(): void
  /** Idempotent. */
  release(): void
}

/** How a write is committed. */
export interface CommitOptions {
  /** What an acknowledged commit survives; the database's own setting if left out. Source: SQLite "PRAGMA synchronous". */
  readonly synchronous?: 'off' | 'normal' | 'full' | 'extra'
  /** Rejects with an AbortError if it aborts before the commit has begun. */
  readonly signal?: AbortSignal
}

export interface StoreHost {
  /** The host of the Database, where this one is that of a single snapshot: its stores are handles of that Database, too. */
  readonly snapshotOf?: StoreHost
  /** The newest committed state, valid until the end of this turn of the event loop. */
  pages(): PageReader
  /** The newest committed state, valid until released. */
  pin(): PinnedPages
  /** The schema of that state, the same object as long as its schema cookie stays. */
  schema(pages: PageReader): Schema
  /** The schema of the newest committed state, for encoding what is to be written; needs no state to be held. */
  newestSchema(): Schema
  /**
   * Applies all operations in one write transaction, or none.
   * @returns their results in order, once they are as durable as the options ask
   */
  submit(operations: readonly Operation[], options?: CommitOptions): Promise<OperationResult[]>
  /** The same for a caller who does not ask for the results: they need not come back from another process. */
  write(operations: readonly Operation[], options?: CommitOptions): Promise<void>
}
