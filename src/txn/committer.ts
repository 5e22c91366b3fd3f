/**
 * Who commits for a Database: this process by itself, or a writer process for it. The caller cannot tell.
 */
import type { Operation, OperationResult } from '../store/index.js'
import type { CommitOptions } from './group-commit.js'
import type { Transaction } from './transaction.js'

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
}
