/**
 * Real gaps between batches, for writers that are not ours. WRITE is not queued for: SQLite polls for it, after a while only
 * ten times a second, and a process that takes the lock back within microseconds of letting it go would keep it from ever
 * finding it free. So whoever has committed without a pause for a while, with other connections attached, leaves
 * WRITE alone for long enough to be met.
 */
import type { Wal } from '../wal/index.js'

/** Commits in a row, without a gap, until the next one is due. */
const STREAK_MS = 20
/** Long enough for about one in seven polls to meet it: 50 polls in SQLite's usual 5 s then all miss once in thousands. */
const GAP_MS = 3

export class WriteGap {
  readonly #wal: Wal
  #streakStartMs = 0
  #lastEndMs = Number.NEGATIVE_INFINITY

  constructor(wal: Wal) {
    this.#wal = wal
  }

  /** Told of each batch. @returns milliseconds to wait before the next, 0 = none */
  after({ startMs, endMs }: { readonly startMs: number; readonly endMs: number }): number {
    if (startMs - this.#lastEndMs >= GAP_MS) this.#streakStartMs = startMs
    this.#lastEndMs = endMs
    if (endMs - this.#streakStartMs < STREAK_MS) return 0
    this.#streakStartMs = endMs
    return this.#isAlone() ? 0 : GAP_MS
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
