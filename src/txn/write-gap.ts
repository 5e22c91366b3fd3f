/**
 * Real gaps between batches, for writers that are not ours. WRITE is not queued for: SQLite polls for it, after a while only
 * ten times a second, and a process that takes the lock back within microseconds of letting it go would keep it from ever
 * finding it free. So whoever has committed without a pause for a while, with other connections attached, leaves
 * WRITE alone for long enough to be met.
 *
 * How long depends on who there is. Connections of ours poll every few milliseconds and meet a short gap as well as a long
 * one. SQLite asks some 60 times in 5 s, so it needs a fair share of the time; who has just committed is given
 * more, as it is likely to come again. Decision 0009 has the probabilities.
 */
import type { Wal } from '../wal/index.js'

interface Policy {
  /** Commits in a row, without a gap, until the next one is due. */
  readonly streakMs: number
  readonly gapMs: number
}

/** Nobody but connections of ours is attached. */
const AMONG_OURSELVES: Policy = { streakMs: 50, gapMs: 1 }
/** SQLite is attached, or that cannot be ruled out; or another connection of ours commits directly. */
const SHARED: Policy = { streakMs: 20, gapMs: 4 }
/** A commit of somebody else was found just now, and it may be SQLite's. */
const CONTENDED: Policy = { streakMs: 12, gapMs: 6 }

/** A commit of another counts for so long: where it may have been SQLite's, and where it was one of ours. */
const CONTENDED_MS = 2000
const CONTENDED_BY_OURS_MS = 200
/** How often to ask who is attached: SQLite waits 5 s as a rule. */
const ASK_MS = 250

export class WriteGap {
  readonly #wal: Wal
  #streakStartMs = 0
  #lastEndMs = Number.NEGATIVE_INFINITY
  #lastForeignMs = Number.NEGATIVE_INFINITY
  #nextAskMs = Number.NEGATIVE_INFINITY
  #mayHaveSqlite = true
  /** Commits that the header counted after ours; null: there was none yet. */
  #ownChange: number | null = null

  constructor(wal: Wal) {
    this.#wal = wal
  }

  /** Told at the start of each batch. @requires lock WRITE, with `wal.header` up to date */
  locked(): void {
    const { header, vfs } = this.#wal
    if (this.#ownChange !== null && header.change !== this.#ownChange) this.#lastForeignMs = vfs.now()
    this.#ownChange = header.change
  }

  /** Told when a batch was published. @requires lock WRITE */
  published(): void {
    this.#ownChange = this.#wal.header.change
  }

  /** Told of each batch. @returns milliseconds to wait before the next, 0 = none */
  after({ startMs, endMs }: { readonly startMs: number; readonly endMs: number }): number {
    // Time between two batches in which WRITE was free anyway is as good a gap.
    if (startMs - this.#lastEndMs >= CONTENDED.gapMs) this.#streakStartMs = startMs
    this.#lastEndMs = endMs
    if (endMs - this.#streakStartMs < CONTENDED.streakMs) return 0
    const { streakMs, gapMs } = this.#policy(endMs)
    if (endMs - this.#streakStartMs < streakMs) return 0
    this.#streakStartMs = endMs
    return this.#isAlone() ? 0 : gapMs
  }

  #policy(nowMs: number): Policy {
    if (nowMs >= this.#nextAskMs) {
      this.#nextAskMs = nowMs + ASK_MS
      void this.#askForSqlite()
    }
    const sinceMs = nowMs - this.#lastForeignMs
    if (this.#mayHaveSqlite) return sinceMs < CONTENDED_MS ? CONTENDED : SHARED
    return sinceMs < CONTENDED_BY_OURS_MS ? SHARED : AMONG_OURSELVES
  }

  /** The answer counts from the next streak on. */
  async #askForSqlite(): Promise<void> {
    try {
      this.#mayHaveSqlite = (await this.#wal.locks.isSqliteAttached()) ?? true
    } catch {
      this.#mayHaveSqlite = true
    }
  }

  /** A question that cannot be asked leaves the gap: the batch it comes after has been committed and must be settled. */
  #isAlone(): boolean {
    try {
      return this.#wal.locks.isAlone()
    } catch {
      return false
    }
  }
}
