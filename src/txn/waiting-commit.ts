/**
 * Transactions that wait to be committed together: run, each in its savepoint, cancelled, rejected, settled. What they wait
 * for, and when they are run, is the group commit's.
 */
import { abortError } from '../errors.js'
import type { WritePages } from '../pager/index.js'
import type { Synchronous } from '../units.js'
import type { Wal } from '../wal/index.js'
import { strongest } from './synchronous.js'

/** One transaction: changes `pages`, and may be run again on another state. */
export type Work<T> = (pages: WritePages) => T

export interface CommitOptions {
  readonly synchronous: Synchronous
  readonly signal?: AbortSignal | undefined
  /** On the clock of the vfs: until then it waits for WRITE, in one batch or the next. Default: as long as one batch does. */
  readonly patientUntilMs?: number
  /** Who asks, where one connection commits for several. */
  readonly caller?: object
}

export interface Waiting {
  readonly work: Work<unknown>
  readonly sinceMs: number
  readonly synchronous: Synchronous
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | null
  readonly patientUntilMs: number
  readonly caller: object | null
  /** Its function has been called: an abort comes too late. */
  isStarted: boolean
  isCancelled: boolean
  outcome: { readonly value: unknown } | { readonly error: unknown } | null
}

export interface WaitingParts {
  readonly work: Work<unknown>
  readonly options: CommitOptions
  /** By `vfs.now()`. */
  readonly sinceMs: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A batch takes no further transaction once it has changed this much. */
const BATCH_SIZE_BYTES = 8 << 20

export function waitingCommit({ work, options, sinceMs, resolve, reject }: WaitingParts): Waiting {
  const { synchronous, signal, patientUntilMs = 0, caller = null } = options
  const waiting: Waiting = {
    work,
    sinceMs,
    synchronous,
    resolve,
    reject,
    signal,
    onAbort: signal === undefined ? null : () => cancel(waiting),
    patientUntilMs,
    caller,
    isStarted: false,
    isCancelled: false,
    outcome: null,
  }
  if (waiting.onAbort !== null) signal?.addEventListener('abort', waiting.onAbort, { once: true })
  return waiting
}

/** Runs the transactions of a batch, each in its savepoint, until it is full. @returns the strongest mode among them */
export function apply(batch: readonly Waiting[], pages: WritePages): Synchronous {
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
    synchronous = strongest(synchronous, waiting.synchronous)
  }
  return synchronous
}

/** Until somebody's time is up: then he hears of it, and the others go into the next batch. */
export function patienceMs(batch: readonly Waiting[], { vfs, timeoutMs }: Wal): number {
  let untilMs = Number.POSITIVE_INFINITY
  for (const { patientUntilMs } of batch) if (patientUntilMs > 0 && patientUntilMs < untilMs) untilMs = patientUntilMs
  return Math.min(Math.max(Math.ceil(untilMs - vfs.now()), 0), timeoutMs)
}

/** All that believed to be done, or have not run, have failed; who failed by itself has its own error. */
export function reject(transactions: readonly Waiting[], error: unknown): void {
  for (const waiting of transactions) {
    if (waiting.isCancelled || (waiting.outcome !== null && 'error' in waiting.outcome)) continue
    waiting.outcome = { error }
  }
}

export function settle(transactions: readonly Waiting[]): void {
  for (const { outcome, onAbort, signal, resolve, reject } of transactions) {
    if (onAbort !== null) signal?.removeEventListener('abort', onAbort)
    // Cancelled before it began, and told so.
    if (outcome === null) continue
    if ('value' in outcome) resolve(outcome.value)
    else reject(outcome.error)
  }
}

/** An abort counts only while the transaction has not run: afterwards it is committed with its batch. */
function cancel(waiting: Waiting): void {
  if (waiting.isStarted || waiting.outcome !== null || waiting.isCancelled) return
  waiting.isCancelled = true
  waiting.reject(abortError(waiting.signal!))
}
