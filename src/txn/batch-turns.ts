/**
 * When the next batch begins, once somebody waits and nothing is under way.
 *
 * At the end of the event-loop turn: everyone whom the last batch released can join the next one, and a loop of awaited commits
 * does not starve the event loop. Someone who is alone goes on without that, for up to a millisecond in a turn.
 *
 * Later, when there is a gap to be left for writers that are not ours (`write-gap.ts`), when a checkpoint has to catch up, or, in a process that
 * commits for others, when callers are coming back (`returning-callers.ts`).
 */
import type { Wal } from '../wal/index.js'
import type { Batch } from './batch-commit.js'
import { ReturningCallers } from './returning-callers.js'
import type { WriteGap } from './write-gap.js'

/** Commits of one caller, one after the other, hold up a turn of the event loop for no longer than about this. */
const TURN_MAX_MS = 1
/** So soon after a batch, those who wait are the ones whom it released. */
const JUST_MS = 1

const DONE = Promise.resolve()

export class BatchTurns {
  readonly #vfs: Wal['vfs']
  readonly #gap: WriteGap
  readonly #returning = new ReturningCallers()
  #isScheduled = false
  /** In this turn of the event loop, which began then, only one caller has committed. */
  #isAlone = false
  #turnStartMs = 0
  /** Of the last published batch: its transactions, and when it was done. */
  #lastCount = 1
  #lastEndMs = Number.NEGATIVE_INFINITY
  /** End of the gap that is being left to others. */
  #notBeforeMs = 0
  /** Rest after each batch, as a multiple of its duration. */
  #restFactor = 0

  constructor({ vfs }: Wal, gap: WriteGap) {
    this.#vfs = vfs
    this.#gap = gap
  }

  /** Halves the pace of batches, or no longer does. */
  slowDown(isSlow: boolean): void {
    this.#restFactor = isSlow ? 1 : 0
  }

  /** Calls `begin` when its time has come, unless it will be called anyway. */
  schedule(begin: () => void): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const call = () => {
      this.#isScheduled = false
      begin()
    }
    const nowMs = this.#vfs.now()
    const waitMs = this.#notBeforeMs - nowMs
    if (waitMs > 0) void this.#vfs.delay(waitMs).then(call)
    else if (this.#isAlone && nowMs - this.#turnStartMs < TURN_MAX_MS) void DONE.then(call)
    else {
      this.#isAlone = false
      this.#vfs.endOfTurn(call)
    }
  }

  /** Asked, again and again, before a batch of `count` begins: whether it should be scheduled again, for callers who are coming back. */
  areOthersComing(count: number): boolean {
    const areComing = this.#returning.areWorthWaitingFor(count, this.#vfs.now())
    if (areComing) this.#isAlone = false
    return areComing
  }

  /** Whoever commits again right after its last commit, with nobody else there, need not wait for the end of each turn. */
  committedAtOnce(count: number): void {
    const isNew = count === 1 && !this.#isAlone
    this.#isAlone = count === 1
    if (!isNew) return
    this.#turnStartMs = this.#vfs.now()
    // What comes in later turns may come with others.
    this.#vfs.endOfTurn(() => {
      this.#isAlone = false
    })
  }

  /** Told of each batch that was published. */
  published({ startMs, transactions }: Batch): void {
    const endMs = this.#vfs.now()
    this.#lastCount = transactions.length
    this.#lastEndMs = endMs
    this.#returning.released(transactions, endMs)
    this.#notBeforeMs = endMs + Math.max(this.#gap.after({ startMs, endMs }), (endMs - startMs) * this.#restFactor)
  }

  /** Whether a batch of at least `count` has just released its callers. */
  hasJustReleased(count: number): boolean {
    return this.#lastCount >= count && this.#vfs.now() - this.#lastEndMs < JUST_MS
  }

  /** Whether WRITE is wanted free after the batch under way. */
  isRestDue(nowMs: number): boolean {
    return this.#restFactor > 0 || nowMs < this.#notBeforeMs
  }
}
