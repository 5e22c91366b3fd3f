/**
 * Running the function of a transaction without the lock: on the newest snapshot, over pages of its own that nobody else
 * sees and that are thrown away. What remains is what it did and read, as steps that somebody who holds WRITE can repeat
 * on whatever is the newest state by then (TXN-5).
 */
import { EndmarkError } from '../errors.js'
import type { Pager, TurnPages } from '../pager/index.js'
import { SchemaCache, type StoreHost } from '../store/index.js'
import type { StateId, Step } from './request.js'
import { stateIdOf } from './state-id.js'
import { StepLog } from './step-log.js'
import { refusePromise, Transaction } from './transaction.js'

export interface RecordingParts {
  readonly host: StoreHost
  readonly pager: Pager
  readonly turn: TurnPages
  /** Schemas of committed states. */
  readonly schemas: SchemaCache
  /** What a function may change in memory. */
  readonly dirtyPagesMax: number
}

export interface RecordedTransaction<T> {
  /** What the function returned. */
  readonly value: T
  readonly steps: readonly Step[]
  /** The state it ran on. */
  readonly base: StateId
  /** Whether it changed anything; if not, it has read one consistent state and there is nothing to commit. */
  readonly isWrite: boolean
}

/**
 * @returns null if the function changes more than may stay in memory: it has to run under the lock, where there is the log for that
 * @throws what the function throws; then nothing remains of it
 */
export function recordTransaction<T>(parts: RecordingParts, fn: (tx: Transaction) => T): RecordedTransaction<T> | null {
  const { host, pager, turn } = parts
  const held = turn.pin()
  let isTooLarge = false
  const spill = (): never => {
    isTooLarge = true
    throw new EndmarkError(
      'ENDMARK_BUSY',
      'the transaction is too large to run beside others: it runs again under the lock',
    )
  }
  try {
    const pages = pager.beginPrivate(held, { pages: parts.dirtyPagesMax, spill })
    const log = new StepLog()
    const tx = new Transaction(host, pages, new SchemaCache(parts.schemas.of(held.pages)), log)
    try {
      const value = refusePromise(fn(tx))
      if (isTooLarge) return null
      tx.complete()
      return { value, steps: log.finish(), base: stateIdOf(held.snapshot.header), isWrite: pages.dirtyCount > 0 }
    } catch (error) {
      if (isTooLarge) return null
      throw error
    } finally {
      tx.end()
      pages.forget()
    }
  } finally {
    pager.release(held)
  }
}
