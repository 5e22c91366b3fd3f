/**
 * Whether a sync of the log is waited for on the calling thread or through the thread pool: a fast disk answers sooner than a
 * trip through the pool, a slow one would stall the event loop. Decided by a running average over the syncs so far.
 */
import type { Wal } from '../wal/index.js'

/** A disk whose syncs take no longer than this is waited for on the spot when only one caller waits anyway. */
const INLINE_SYNC_MAX_MS = 0.3
/** A disk that was too slow to be waited for is tried again after so long. */
const SLOW_MS = 2000
/** Where the average begins for whoever must be brief: the first syncs of a log are slower than those that follow. */
const INLINE_SYNC_GUESS_MS = INLINE_SYNC_MAX_MS / 2
/**
 * Weight of the newest measurement in the average, and what it counts for at most: slowly, and no sync for much, as also on a fast
 * disk one in a hundred takes ten times as long as the others, and through the pool all that follow would.
 */
const FAST_AVERAGE_WEIGHT = 0.03
const SYNC_COUNTED_MAX_MS = 2
/** Of a disk that was too slow: the first syncs of a log are slower than those that follow, and soon forgotten. */
const SLOW_AVERAGE_WEIGHT = 0.2

export class SyncPace {
  readonly #vfs: Wal['vfs']
  #averageMs = Number.POSITIVE_INFINITY
  #isBrief = false
  #slowUntilMs = Number.NEGATIVE_INFINITY

  constructor({ vfs }: Wal) {
    this.#vfs = vfs
  }

  /** Syncs are fast enough to be waited for on the calling thread. */
  get isFast(): boolean {
    return this.#averageMs < INLINE_SYNC_MAX_MS
  }

  /** All syncs are made on the calling thread, see `GroupCommit.keepBrief`. */
  get isBrief(): boolean {
    return this.#isBrief
  }

  keepBrief(isBrief: boolean): void {
    this.#isBrief = isBrief
    this.#slowUntilMs = Number.NEGATIVE_INFINITY
    if (isBrief) this.#averageMs = Math.min(this.#averageMs, INLINE_SYNC_GUESS_MS)
  }

  /** Brief, and syncs took too long lately for the calling thread to wait for them. */
  get isSlow(): boolean {
    return this.#isBrief && this.#vfs.now() < this.#slowUntilMs
  }

  /** Takes the duration of a sync into the average; that starts at the first one. */
  measure(durationMs: number): void {
    const average = this.#averageMs
    const countedMs = Math.min(durationMs, SYNC_COUNTED_MAX_MS)
    const weight = this.isFast ? FAST_AVERAGE_WEIGHT : SLOW_AVERAGE_WEIGHT
    this.#averageMs = Number.isFinite(average) ? average + (countedMs - average) * weight : countedMs
    if (!this.#isBrief || this.isFast) return
    this.#slowUntilMs = this.#vfs.now() + SLOW_MS
    this.#averageMs = INLINE_SYNC_GUESS_MS
  }
}
