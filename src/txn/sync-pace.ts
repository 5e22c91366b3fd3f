/**
 * Whether a sync of the log is waited for on the calling thread or through the thread pool: a fast disk answers sooner than a
 * trip through the pool, a slow one would stall the event loop.
 *
 * Decided by the share of syncs that were slow, not by how long they take on average: also on a fast disk one in a hundred takes ten
 * times as long as the others, and what all of those that follow should do does not depend on that. Only syncs on the calling thread
 * count: one in the pool takes as long as the thread waits for a processor, so a disk that was once taken for slow would stay so. It
 * is tried again after a while instead, ever later for as long as it turns out to be slow.
 */
import type { Wal } from '../wal/index.js'

/** A sync that takes longer is slow for an event loop that has other work, and for one that has none. */
const SLOW_SYNC_MS = 0.5
const SLOW_SYNC_DEDICATED_MS = 1
/** What it writes may take so long besides: 500 MB a second. */
const MS_PER_BYTE = 1 / 500_000
/** Weight of the newest sync in the share of slow ones, and what one that is many times too slow counts for at most. */
const WEIGHT = 0.02
const SLOWNESS_MAX = 2
/** One that takes so long, besides what its size may take, is enough by itself: no event loop should meet a second. */
const TOO_SLOW_MS = 50
/** From this share on the disk is slow. */
const SLOW_SHARE_MAX = 0.5
/** Where the share begins: the first syncs of a log, in a process that has just begun, take longer than those that follow. */
const SLOW_SHARE_GUESS = 0.1
/** A slow disk is tried again after so long, and after twice as long if the trial ends sooner than it was waited for. */
const SLOW_MIN_MS = 2000
const SLOW_MAX_MS = 64_000

export interface MeasuredSync {
  readonly durationMs: number
  /** What was written to the log since the sync before. */
  readonly sizeBytes: number
  /** It was made on the calling thread. */
  readonly syncInline: boolean
}

export class SyncPace {
  readonly #vfs: Wal['vfs']
  #slowSyncMs = SLOW_SYNC_MS
  #slowShare = SLOW_SHARE_GUESS
  /** Before the first sync nothing is known, which is not fast. */
  #slowUntilMs = Number.POSITIVE_INFINITY
  #slowMs = 0
  #isBrief = false

  constructor({ vfs }: Wal) {
    this.#vfs = vfs
  }

  /** Syncs are fast enough to be waited for on the calling thread. */
  get isFast(): boolean {
    return this.#vfs.now() >= this.#slowUntilMs
  }

  /** All syncs are made on the calling thread, see `GroupCommit.keepBrief`. */
  get isBrief(): boolean {
    return this.#isBrief
  }

  keepBrief(isBrief: boolean): void {
    this.#isBrief = isBrief
    if (isBrief) this.#tryAgainAt(this.#vfs.now())
  }

  /** The event loop has nothing else to do. */
  dedicate(): void {
    this.#slowSyncMs = SLOW_SYNC_DEDICATED_MS
  }

  /** Brief, and syncs took too long lately for the calling thread to wait for them. */
  get isSlow(): boolean {
    return this.#isBrief && !this.isFast
  }

  /** Told of each sync. */
  measure({ durationMs, sizeBytes, syncInline }: MeasuredSync): void {
    // The first one says which kind of disk it is, be it in the pool.
    if (this.#slowUntilMs === Number.POSITIVE_INFINITY) this.#tryAgainAt(this.#vfs.now())
    // Who must be brief makes them here also while they are slow.
    else if (!syncInline || !this.isFast) return
    const sizeMs = sizeBytes * MS_PER_BYTE
    const slowness = Math.min(durationMs / (this.#slowSyncMs + sizeMs), SLOWNESS_MAX)
    const isSlow = slowness > 1
    this.#slowShare += ((isSlow ? 1 : 0) - this.#slowShare) * WEIGHT * (isSlow ? slowness : 1)
    if (this.#slowShare > SLOW_SHARE_MAX || durationMs - sizeMs >= TOO_SLOW_MS) this.#becomeSlow()
  }

  #becomeSlow(): void {
    const nowMs = this.#vfs.now()
    const wasFastForLong = nowMs - this.#slowUntilMs > this.#slowMs
    this.#slowMs = wasFastForLong ? SLOW_MIN_MS : Math.min(Math.max(this.#slowMs * 2, SLOW_MIN_MS), SLOW_MAX_MS)
    this.#tryAgainAt(nowMs + this.#slowMs)
  }

  #tryAgainAt(timeMs: number): void {
    this.#slowUntilMs = timeMs
    this.#slowShare = SLOW_SHARE_GUESS
  }
}
