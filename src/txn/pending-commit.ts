/**
 * One call that is on its way to be committed: what it asks for, who waits for it, and where it is. Everything that does
 * not go directly by the shortest way is one of these, so that it can change its way without its caller's notice.
 *
 *   held ──► running ──► sent ──► settled
 *    ▲          │         │ ▲
 *    └──────────┴─────────┘ │      conflict, or its own earlier commits were not there yet
 *   held, sent ──► direct ──► settled
 *
 * An abort rejects it at once while it is held, as nothing of it can have been committed. Once it is sent, the writer
 * process is asked to cancel it, and its answer says what came of that.
 */
import { assert } from '../assert.js'
import { abortError } from '../errors.js'
import type { Operation } from '../store/index.js'
import type { Transaction } from './transaction.js'
import type { CommitOptions } from './waiting-commit.js'

export type TransactionFunction = (tx: Transaction) => unknown

/** What is to be committed: operations, or a function that may have to run again. */
export type CommitTask =
  | { readonly operations: readonly Operation[]; readonly wantsResults: boolean; readonly fn: null }
  | { readonly operations: null; readonly fn: TransactionFunction }

export interface PendingCommitHooks {
  /** Called when a sent one is aborted. */
  readonly cancelSent: (number: number) => void
  /** Called once it has its outcome, before its caller hears of it. */
  readonly settled: () => void
}

export interface PendingCommitParts {
  readonly ticket: number
  readonly task: CommitTask
  readonly options: CommitOptions
  readonly hooks: PendingCommitHooks
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class PendingCommit {
  /** Rises with the order of the calls. */
  readonly ticket: number
  readonly task: CommitTask
  readonly options: CommitOptions
  place: 'held' | 'running' | 'sent' | 'direct' | 'settled' = 'held'
  /** Of the request, while it is sent. */
  number = 0
  /** When it was sent, in turns of the watch. */
  watchTurn = 0
  /** Of a function whose run did not count: it runs again once this request is answered. */
  after = 0
  conflicts = 0
  /** What the function returned when it last ran. */
  value: unknown
  readonly #hooks: PendingCommitHooks
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: unknown) => void
  readonly #onAbort: (() => void) | null

  constructor({ ticket, task, options, hooks, resolve, reject }: PendingCommitParts) {
    this.ticket = ticket
    this.task = task
    this.options = options
    this.#hooks = hooks
    this.#resolve = resolve
    this.#reject = reject
    const { signal } = options
    this.#onAbort = signal === undefined ? null : () => this.#aborted()
    if (this.#onAbort !== null) signal!.addEventListener('abort', this.#onAbort, { once: true })
  }

  get isAborted(): boolean {
    return this.options.signal?.aborted === true
  }

  resolve(value: unknown): void {
    this.#settle()
    this.#resolve(value)
  }

  reject(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  /** It was not committed, and its caller has asked for that. */
  rejectAborted(): void {
    assert(this.options.signal !== undefined, 'who has no signal cannot abort')
    this.reject(abortError(this.options.signal))
  }

  #aborted(): void {
    if (this.place === 'held') this.rejectAborted()
    else if (this.place === 'sent') this.#hooks.cancelSent(this.number)
  }

  #settle(): void {
    assert(this.place !== 'settled', 'a commit has one outcome')
    this.place = 'settled'
    if (this.#onAbort !== null) this.options.signal!.removeEventListener('abort', this.#onAbort)
    this.#hooks.settled()
  }
}
