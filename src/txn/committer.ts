/**
 * Who commits for a Database: this process by itself, or a writer process for it. The caller cannot tell.
 */
import type { Operation, OperationResult } from '../store/index.js'
import type { CommitOptions } from './group-commit.js'
import type { Transaction } from './transaction.js'

/** Which way commits go now, for `stats()`. */
export interface WriterStatus {
  /** `inline`: no writer process is connected; `direct`: one is, and this Database commits by itself as it is alone. */
  readonly mode: 'inline' | 'direct' | 'remote'
  /** Process id of the writer process that is connected, or null. */
  readonly pid: number | null
  /** Why the last attempt to connect failed, or the last connection broke; null if none did. */
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
  /** Resolves when everything submitted so far has its outcome. */
  drain(): Promise<void>
  /** Drains, and takes leave of the writer process. */
  close(): Promise<void>
  /** Asks the writer process for a checkpoint. @returns false if there is none: whoever asks does it */
  requestCheckpoint(): boolean
  /** A batch of this Database was published; WRITE is still held. */
  published(): void
  readonly status: WriterStatus
}
