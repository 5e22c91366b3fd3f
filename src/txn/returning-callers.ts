/**
 * Whether a batch should wait a moment for callers who are on their way back. A few processes that commit one row after the other
 * share a batch only if they come together: who was released by the last one is back just after the next has begun, and its
 * sync takes longer than they would have been waited for. So when fewer requests wait than the last two batches had callers, the batch
 * waits for the others, for a little longer than a fast sync takes.
 *
 * Callers who think between two commits do not come back so soon: after a vain wait some batches go without one, twice as many
 * after each that is in vain again. Many callers need none of this: enough of them are always there.
 */

/** What a batch is made of, as far as this is concerned. */
export interface Released {
  readonly caller: object | null
}

/** A trip to another process and back. */
const WAIT_MS = 0.4
/** Larger batches do without. */
const BATCH_MAX = 8
/** Batches without a wait after vain ones, at most. */
const SKIPPED_MAX = 64

const NOBODY: readonly object[] = []

export class ReturningCallers {
  /** Of the last batch, and of the one before. */
  #last = NOBODY
  #before = NOBODY
  #lastEndMs = 0
  #expectedCount = 0
  #isWaiting = false
  /** Batches that do without: still, and after the next vain wait. */
  #skipCount = 0
  #nextSkipCount = 1

  /** Told of each batch whose callers have their answers. */
  released(batch: readonly Released[], endMs: number): void {
    this.#before = this.#last
    this.#last = batch.length > BATCH_MAX ? NOBODY : callersOf(batch)
    this.#lastEndMs = endMs
    this.#expectedCount = this.#last.length
    for (const caller of this.#before) if (!this.#last.includes(caller)) this.#expectedCount++
    if (this.#skipCount > 0) this.#skipCount--
  }

  /** Asked, again and again, before a batch of `count` begins. */
  areWorthWaitingFor(count: number, nowMs: number): boolean {
    const isWaiting = this.#isWaiting
    this.#isWaiting = count < this.#expectedCount && this.#skipCount === 0 && nowMs - this.#lastEndMs < WAIT_MS
    if (isWaiting && !this.#isWaiting) this.#waited(count >= this.#expectedCount)
    return this.#isWaiting
  }

  #waited(haveCome: boolean): void {
    // With the one that has waited.
    this.#skipCount = haveCome ? 0 : this.#nextSkipCount + 1
    this.#nextSkipCount = haveCome ? 1 : Math.min(this.#nextSkipCount * 2, SKIPPED_MAX)
  }
}

function callersOf(batch: readonly Released[]): readonly object[] {
  const callers: object[] = []
  for (const { caller } of batch) if (caller !== null && !callers.includes(caller)) callers.push(caller)
  return callers
}
