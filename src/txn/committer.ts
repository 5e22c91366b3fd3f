/**
 * Who commits for a Database: this process by itself, or a writer process for it. The caller cannot tell.
 */
import type { Operation, OperationResult } from '../store/index.js'
import type { Transaction } from './transaction.js'
import type { CommitOptions } from './waiting-commit.js'

/** Which way commits go now: the `writer` of `db.stats()`, where its fields are explained. */
export interface WriterStatus {
  readonly mode: 'inline' | 'direct' | 'remote'
  readonly pid: number | null
  readonly failure: unknown
}

export interface Committer {
  /** Applies operations as one transaction. */
  submit(operations: readonly Operation[], options: CommitOptions): Promise<OperationResult[]>
  /** The same for a caller who does not ask for the results. */
  write(operations: readonly Operation[], options: CommitOptions): Promise<void>
  /** Runs a function as one transaction; it may run again on a newer state. */
  transaction<T>(fn: (tx: Transaction) => T, options: CommitOptions): Promise<T>
  /** The same, blocking the thread. */
  transactionSync<T>(fn: (tx: Transaction) => T, options: Pick<CommitOptions, 'synchronous'>): T
  /** Resolves when everything submitted has its outcome, and the writer process knows that we leave. */
  close(): Promise<void>
  /** Asks the writer process for a checkpoint. @returns false if there is none: whoever asks does it */
  requestCheckpoint(): boolean
  /** Wants word of what the writer process commits, if there is one, or no longer. */
  watch(isWatching: boolean): void
  /** A batch of this Database begins: WRITE is held, and the newest header is known. */
  locked(): void
  /** A batch of this Database was published; WRITE is still held. */
  published(): void
  readonly status: WriterStatus
}
