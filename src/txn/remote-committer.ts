/**
 * The Committer of a Database that may have a writer process: commits go through it where that pays, and directly under the
 * WRITE lock otherwise; the caller cannot tell. Which way is better says `CommitRoute`; this class keeps the order.
 *
 *   direct ──► toRemote ──► remote ──► toDirect ──► direct
 *     ▲                        │ lost     │ lost
 *     └─────── inDoubt ◄───────┴──────────┘
 *
 * In the states between, and while anything is in doubt, new work is held; it goes on, in its order, when the way that is
 * being left is empty. So writes are committed in the order of their calls, whatever way each of them goes (TXN-7). A
 * function that has to run again has lost its place: it is committed later than what was called after it, as if it had
 * been called then.
 *
 * Functions run here, on a snapshot, and what they did and read is sent. One that only reads, or throws, needs no commit:
 * its snapshot is a state of its own right. But it must have seen what its Database was asked to write before; if that
 * was still under way when it ran, it runs again.
 *
 * Exactly once (TXN-6): requests are numbered from 1; those without an answer when the connection is lost are settled by
 * `resolveInDoubt` before any other work goes on, also before a new connection is used.
 *
 * The shortest way, direct with nobody else about, goes straight to the InlineCommitter and costs no object more.
 */
import { assert } from '../assert.js'
import { abortError, type EndmarkError } from '../errors.js'
import type { PageReader } from '../pager/index.js'
import type { Operation, OperationResult } from '../store/index.js'
import type { Wal } from '../wal/index.js'
import type { ClientCommits } from './client-commits.js'
import { commitUnderWay } from './commit-errors.js'
import { CommitRoute } from './commit-route.js'
import type { Committer, WriterStatus } from './committer.js'
import type { GroupCommit } from './group-commit.js'
import { resolveInDoubt, type Settlement, settle, settlementOf } from './in-doubt.js'
import type { InlineCommitter } from './inline-committer.js'
import { type CommitTask, PendingCommit, type PendingCommitHooks, type TransactionFunction } from './pending-commit.js'
import type { RecordedTransaction } from './recorded-transaction.js'
import type { CommitRequest, OpenWriterLink, Outcome, WriterLink } from './request.js'
import { SentCommits } from './sent-commits.js'
import type { Transaction } from './transaction.js'
import type { CommitOptions } from './waiting-commit.js'

export interface RemoteCommitterParts {
  /** Resolved path of the main file. */
  readonly path: string
  readonly wal: Wal
  readonly commits: GroupCommit
  readonly inline: InlineCommitter
  readonly openLink: OpenWriterLink
  /** Runs a function on the newest committed state, its changes seen by nobody. @throws what it throws */
  readonly record: <T>(fn: (tx: Transaction) => T) => RecordedTransaction<T> | null
  readonly clientCommits: ClientCommits
  readonly newestPages: () => PageReader
  /** Called when the writer process says that it has committed something. */
  readonly changed: () => void
}

/** Requests without an answer, at most: others wait here. Well below what a writer process keeps of one client's outcomes. */
const SENT_MAX = 1 << 15
/** So often a function runs on a snapshot before it gets the lock. */
const CONFLICTS_MAX = 3
/** The watch looks this often within `timeout`. Turns are counted, not time: a blocked event loop is our own fault. */
const WATCH_TURNS = 4
const WATCH_TURN_MIN_MS = 50

type State = 'direct' | 'toRemote' | 'remote' | 'toDirect' | 'inDoubt'

export class RemoteCommitter implements Committer {
  readonly #parts: RemoteCommitterParts
  readonly #inline: InlineCommitter
  readonly #link: WriterLink
  readonly #route: CommitRoute
  readonly #hooks: PendingCommitHooks
  #state: State = 'direct'
  #isLinked = false
  #isClosing = false
  /** Called and not gone on yet, in the order of the calls. */
  #held: PendingCommit[] = []
  /** Called before all that is held, and to run again. */
  #again: PendingCommit[] = []
  /** Functions that have run before the answers to earlier requests came, so that their run does not count. */
  #early: PendingCommit[] = []
  readonly #sent = new SentCommits()
  #lastTicket = 0
  #lastNumber = 0
  #answeredNumber = 0
  #isForwardDue = false
  #isForwarding = false
  /** The function of a transaction is on the stack. */
  #isRunning = false
  #unsettledCount = 0
  #onAllSettled: (() => void)[] = []
  #stopWatch: (() => void) | null = null
  #watchTurn = 0

  constructor(parts: RemoteCommitterParts) {
    this.#parts = parts
    this.#inline = parts.inline
    this.#route = new CommitRoute(parts.wal)
    this.#hooks = { cancelSent: (number) => this.#link.cancel(number), settled: () => this.#settledOne() }
    this.#link = parts.openLink(parts.path, {
      connected: () => this.#connected(),
      answered: (number, outcome, othersActive) => this.#answered(number, outcome, othersActive),
      changed: () => parts.changed(),
      lost: () => this.#lost(),
    })
  }

  submit(operations: readonly Operation[], options: CommitOptions): Promise<OperationResult[]> {
    if (this.#goesDirectly()) return this.#inline.submit(operations, options)
    return this.#hold({ operations, wantsResults: true, fn: null }, options)
  }

  write(operations: readonly Operation[], options: CommitOptions): Promise<void> {
    if (this.#goesDirectly()) return this.#inline.write(operations, options)
    return this.#hold({ operations, wantsResults: false, fn: null }, options)
  }

  transaction<T>(fn: (tx: Transaction) => T, options: CommitOptions): Promise<T> {
    if (this.#goesDirectly()) return this.#inline.transaction(fn, options)
    return this.#hold({ operations: null, fn }, options)
  }

  transactionSync<T>(fn: (tx: Transaction) => T, options: Pick<CommitOptions, 'synchronous'>): T {
    if (this.#isRunning) throw commitUnderWay()
    return this.#inline.transactionSync(fn, options)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    while (this.#unsettledCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onAllSettled.push(resolve)
      })
    }
    await this.#parts.commits.drain()
    this.#stopWatch?.()
    await this.#link.close()
  }

  requestCheckpoint(): boolean {
    if (this.#isLinked) this.#link.requestCheckpoint()
    return this.#isLinked
  }

  watch(isWatching: boolean): void {
    if (!this.#isClosing) this.#link.watch(isWatching)
  }

  locked(): void {
    if (this.#isLinked) this.#route.locked()
  }

  published(): void {
    if (this.#isLinked) this.#route.published()
  }

  get status(): WriterStatus {
    const { writerPid: pid, failure } = this.#link
    if (!this.#isLinked) return { mode: 'inline', pid: null, failure }
    return { mode: this.#state === 'remote' ? 'remote' : 'direct', pid, failure }
  }

  #goesDirectly(): boolean {
    if (this.#state !== 'direct') return false
    if (!this.#isLinked) {
      if (!this.#isClosing) this.#link.wake()
      return true
    }
    if (!this.#route.prefersRemote() && !this.#parts.commits.isSlow) return true
    this.#leaveDirect()
    return false
  }

  #hold<T>(task: CommitTask, options: CommitOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { signal } = options
      if (signal?.aborted) {
        reject(abortError(signal))
        return
      }
      this.#unsettledCount++
      this.#held.push(
        new PendingCommit({
          ticket: ++this.#lastTicket,
          task,
          options,
          hooks: this.#hooks,
          resolve: resolve as (value: unknown) => void,
          reject,
        }),
      )
      if (this.#state === 'remote') this.#forwardSoon()
    })
  }

  #settledOne(): void {
    if (--this.#unsettledCount > 0) return
    const waiting = this.#onAllSettled
    this.#onAllSettled = []
    for (const resolve of waiting) resolve()
  }

  // Changing over

  #leaveDirect(): void {
    this.#state = 'toRemote'
    void this.#parts.commits.drain().then(() => {
      if (!this.#isLinked) {
        this.#enterDirect()
        return
      }
      this.#state = 'remote'
      this.#route.enteredRemote()
      this.#forward()
    })
  }

  #leaveRemote(): void {
    this.#state = 'toDirect'
    if (this.#sent.size === 0) this.#arriveDirect()
  }

  #arriveDirect(): void {
    this.#route.enteredDirect()
    this.#enterDirect()
  }

  #enterDirect(): void {
    assert(this.#sent.size === 0, 'whoever commits directly waits for no answer')
    this.#state = 'direct'
    this.#takeBack()
    this.#forward()
  }

  /** What was called before all that is held goes on before it. */
  #takeBack(): void {
    if (this.#again.length + this.#early.length === 0) return
    this.#held = [...this.#again, ...this.#early, ...this.#held]
    this.#again = []
    this.#early = []
  }

  // Going on

  /** Once the caller's turn is over: a function never runs inside the call that asks for it. */
  #forwardSoon(): void {
    if (this.#isForwardDue) return
    this.#isForwardDue = true
    void Promise.resolve().then(() => {
      this.#isForwardDue = false
      this.#forward()
    })
  }

  #forward(): void {
    if (this.#isForwarding) return
    this.#isForwarding = true
    while (this.#canForward()) {
      const commits = this.#again.length === 0 ? this.#held : this.#again.concat(this.#held)
      this.#again = []
      this.#held = []
      const done = this.#forwardAll(commits)
      if (done < commits.length) this.#held = commits.slice(done).concat(this.#held)
    }
    this.#isForwarding = false
  }

  #canForward(): boolean {
    if (this.#held.length + this.#again.length === 0) return false
    if (this.#state === 'remote' && this.#route.prefersDirect() && !this.#parts.commits.isSlow) this.#leaveRemote()
    return this.#state === 'direct' || (this.#state === 'remote' && !this.#isFull)
  }

  get #isFull(): boolean {
    return this.#state === 'remote' && this.#sent.size >= SENT_MAX
  }

  /** @returns how many went on before the state changed, or too many were without an answer */
  #forwardAll(commits: readonly PendingCommit[]): number {
    const state = this.#state
    let i = 0
    for (; i < commits.length && this.#state === state && !this.#isFull; i++) {
      const commit = commits[i]!
      if (commit.place === 'settled') continue
      if (state === 'direct') this.#commitDirectly(commit)
      else if (!this.#commitRemotely(commit)) {
        // In its place, with everything behind it.
        this.#leaveRemote()
        break
      }
    }
    return i
  }

  #commitDirectly(commit: PendingCommit): void {
    commit.place = 'direct'
    const { task, options } = commit
    const work = task.fn === null ? this.#inline.operationsWork(task.operations) : this.#inline.functionWork(task.fn)
    this.#parts.commits.add<unknown>(
      work,
      options,
      (value) => commit.resolve(value),
      (error) => commit.reject(error),
    )
  }

  /** @returns false if it is too large to be sent */
  #commitRemotely(commit: PendingCommit): boolean {
    const { task } = commit
    if (task.fn !== null) return this.#runAndSend(commit, task.fn)
    return this.#send(commit, { steps: task.operations, base: null, wantsResults: task.wantsResults })
  }

  #runAndSend(commit: PendingCommit, fn: TransactionFunction): boolean {
    commit.place = 'running'
    this.#isRunning = true
    let recording: RecordedTransaction<unknown> | null
    try {
      recording = this.#parts.record(fn)
    } catch (error) {
      this.#finish(commit, { error })
      return true
    } finally {
      this.#isRunning = false
    }
    if (recording === null) {
      commit.place = 'held'
      return false
    }
    const { steps, base, value, isWrite } = recording
    if (!isWrite) {
      this.#finish(commit, { value })
      return true
    }
    commit.value = value
    return this.#send(commit, { steps, base, wantsResults: false })
  }

  /** It needs no commit; but a run that did not see what was called before it does not count. */
  #finish(commit: PendingCommit, settlement: Settlement): void {
    const after = Math.max(this.#early.at(-1)?.after ?? 0, this.#sent.lastNumberBefore(commit.ticket))
    if (after === 0) {
      settle(commit, settlement)
      return
    }
    commit.place = 'held'
    commit.after = after
    this.#early.push(commit)
  }

  #send(
    commit: PendingCommit,
    { steps, base, wantsResults }: Pick<CommitRequest, 'steps' | 'base' | 'wantsResults'>,
  ): boolean {
    const number = ++this.#lastNumber
    commit.number = number
    commit.watchTurn = this.#watchTurn
    commit.place = 'sent'
    this.#sent.add(number, commit)
    const { synchronous } = commit.options
    if (this.#link.send({ number, synchronous, steps, base, wantsResults })) return true
    // The connection may have broken just now: then this is in doubt with the others, and settled there.
    if (this.#sent.get(number) !== commit) return true
    this.#sent.dropLast()
    this.#lastNumber--
    commit.place = 'held'
    return false
  }

  // What the writer process says

  #connected(): void {
    this.#isLinked = true
    this.#parts.commits.keepBrief(true)
    this.#route.connected()
    const { timeoutMs, vfs } = this.#parts.wal
    if (!Number.isFinite(timeoutMs)) return
    this.#stopWatch = vfs.every(Math.max(timeoutMs / WATCH_TURNS, WATCH_TURN_MIN_MS), () => this.#watch())
  }

  #answered(number: number, outcome: Outcome, othersActive: boolean): void {
    const commit = this.#sent.takeFirst(number)
    if (commit === null) {
      this.#link.abandon(`it answered request ${number}, request ${this.#answeredNumber + 1} is due`)
      return
    }
    this.#answeredNumber = number
    this.#link.acknowledge(number)
    this.#route.answered(othersActive)
    if (outcome.kind === 'committed') this.#parts.changed()
    if (commit.task.fn !== null) this.#route.validated(outcome.kind === 'conflict')
    if (outcome.kind === 'conflict') this.#runAgain(commit)
    else settle(commit, settlementOf(commit, outcome))
    this.#releaseEarly()
    if (this.#state === 'toDirect') {
      if (this.#sent.size === 0) this.#arriveDirect()
    } else if (this.#again.length + this.#held.length > 0) this.#forwardSoon()
  }

  #runAgain(commit: PendingCommit): void {
    commit.place = 'held'
    if (commit.isAborted) commit.rejectAborted()
    else if (++commit.conflicts >= CONFLICTS_MAX) this.#commitDirectly(commit)
    else this.#again.push(commit)
  }

  #releaseEarly(): void {
    const early = this.#early
    let count = 0
    while (count < early.length && early[count]!.after <= this.#answeredNumber) count++
    if (count > 0) this.#again.push(...early.splice(0, count))
  }

  #lost(): void {
    if (!this.#isLinked) return
    this.#isLinked = false
    this.#parts.commits.keepBrief(false)
    this.#stopWatch?.()
    this.#stopWatch = null
    if (this.#state !== 'remote' && this.#state !== 'toDirect') return
    if (this.#sent.size === 0) this.#enterDirect()
    else void this.#settleInDoubt()
  }

  async #settleInDoubt(): Promise<void> {
    this.#state = 'inDoubt'
    const pending = this.#sent.takeAll()
    for (const commit of pending) commit.place = 'direct'
    this.#takeBack()
    const { commits, newestPages, clientCommits } = this.#parts
    const { clientId } = this.#link
    let waitedCount = 0
    const busy = (error: EndmarkError): boolean => {
      // They have waited as long for the same lock; nothing of them was sent.
      for (const commit of this.#held.splice(0, waitedCount)) if (commit.place !== 'settled') commit.reject(error)
      waitedCount = this.#held.length
      return !this.#isClosing
    }
    const operationsWork = (operations: readonly Operation[]) => this.#inline.operationsWork(operations)
    const functionWork = (fn: TransactionFunction) => this.#inline.functionWork(fn)
    const parts = { commits, clientCommits, clientId, newestPages, operationsWork, functionWork, busy }
    await resolveInDoubt(parts, pending)
    this.#answeredNumber = this.#lastNumber
    // The next connection need not keep their outcomes.
    this.#link.acknowledge(this.#lastNumber)
    this.#enterDirect()
  }

  /** A writer process that answers nothing for as long as `timeout` must not stop us. */
  #watch(): void {
    this.#watchTurn++
    const oldest = this.#sent.first
    if (oldest === null || this.#watchTurn - oldest.watchTurn <= WATCH_TURNS) return
    this.#link.abandon(`it has not answered for ${this.#parts.wal.timeoutMs} ms`)
  }
}
