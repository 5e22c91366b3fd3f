/**
 * The Committer of a process that commits by itself: operations and transaction functions become work for the group
 * commit. Validation and encoding are done before; here the pages change.
 */
import type { WritePages } from '../pager/index.js'
import { applyOperation, BufferedPuts, type Operation, type OperationResult, type StoreHost } from '../store/index.js'
import type { BatchSchemas } from './batch-schemas.js'
import type { Committer, WriterStatus } from './committer.js'
import type { GroupCommit } from './group-commit.js'
import { refusePromise, Transaction } from './transaction.js'
import type { CommitOptions, Work } from './waiting-commit.js'

/** Fewer operations are applied one by one. */
const BUFFERED_MIN = 9

const INLINE: WriterStatus = { mode: 'inline', pid: null, failure: null }

export class InlineCommitter implements Committer {
  readonly #host: StoreHost
  readonly #commits: GroupCommit
  readonly #schemas: BatchSchemas

  constructor(host: StoreHost, commits: GroupCommit, schemas: BatchSchemas) {
    this.#host = host
    this.#commits = commits
    this.#schemas = schemas
  }

  /** Applies operations as one transaction. */
  submit(operations: readonly Operation[], options: CommitOptions): Promise<OperationResult[]> {
    return this.#commits.run(this.operationsWork(operations), options)
  }

  write(operations: readonly Operation[], options: CommitOptions): Promise<void> {
    return this.#commits.run((pages) => this.#applyAll(pages, operations, null), options)
  }

  /** Runs a function as one transaction; it may run again on a newer state. */
  transaction<T>(fn: (tx: Transaction) => T, options: CommitOptions): Promise<T> {
    return this.#commits.run(this.functionWork(fn), options)
  }

  transactionSync<T>(fn: (tx: Transaction) => T, options: Pick<CommitOptions, 'synchronous'>): T {
    return this.#commits.runSync(this.functionWork(fn), options)
  }

  get status(): WriterStatus {
    return INLINE
  }

  requestCheckpoint(): boolean {
    return false
  }

  watch(): void {}

  locked(): void {}

  published(): void {}

  close(): Promise<void> {
    return this.#commits.drain()
  }

  /** A function as work for a group commit. */
  functionWork<T>(fn: (tx: Transaction) => T): Work<T> {
    return (pages) => {
      const schemas = this.#schemas.of(pages)
      const tx = new Transaction(this.#host, pages, schemas)
      try {
        const result = refusePromise(fn(tx))
        tx.complete()
        return result
      } catch (error) {
        // The pages are rolled back: the same schema cookie may stand for another schema next time.
        schemas.clear()
        throw error
      } finally {
        tx.end()
      }
    }
  }

  /** Operations as work for a group commit. */
  operationsWork(operations: readonly Operation[]): Work<OperationResult[]> {
    return (pages) => {
      const results: OperationResult[] = []
      this.#applyAll(pages, operations, results)
      return results
    }
  }

  #applyAll(pages: WritePages, operations: readonly Operation[], results: OperationResult[] | null): void {
    const schemas = this.#schemas.of(pages)
    // Where nobody asks what became of each.
    const buffered = results === null && operations.length >= BUFFERED_MIN ? new BufferedPuts(pages) : null
    try {
      for (const operation of operations) {
        if (buffered !== null && operation.type === 'put' && buffered.putRecord(schemas.of(pages), operation)) {
          if (buffered.needsTending) buffered.tend()
          continue
        }
        buffered?.apply()
        const result = applyOperation(pages, schemas.of(pages), operation)
        if (results !== null) results.push(result)
        pages.relieve()
      }
      buffered?.apply()
    } catch (error) {
      schemas.clear()
      throw error
    } finally {
      // What it took of the limit is there again for the next ones of the batch.
      buffered?.drop()
    }
  }
}
