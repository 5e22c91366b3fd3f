/**
 * Cutting a log file that is far longer than it is used, after a burst or a long reader. How much of it is used is looked at
 * in windows of time; a file that was not used beyond a quarter of its length in two windows is cut. A log that nobody adds to is
 * not used.
 *
 * A restarted log is overwritten in place, and syncing that is twice as fast as syncing what appends. So the file keeps a
 * useful length, and nothing is cut while it may be needed again soon.
 *
 * Locks: those of a truncating checkpoint. It waits for no reader: then the file is cut another time.
 */
import type { Synchronous } from '../units.js'
import { type Blocking, checkpoint, IndexHeader, type Wal } from '../wal/index.js'

export interface LogShrinkOptions {
  /** A log of so many frames, between two checkpoints, is nothing unusual. */
  readonly frames: number
  readonly synchronous: Synchronous
  /** Length of a window. */
  readonly afterMs: number
}

/** A log file is cut only if it is longer than this times what was needed of it; below, its length is of use. */
const SHRINK_FACTOR = 4
/** For as long as a writer has to make way for cutting the log; else another time. */
const SHRINK_WAIT_MS = 100

export class LogShrink {
  readonly #wal: Wal
  readonly #options: LogShrinkOptions
  /** Longest the log was in this window, and in the one before. */
  #peakFrames = 0
  #peakBefore = 0
  #windowEndMs: number
  /** As it was published at the last look. */
  readonly #seen = new IndexHeader()

  constructor(wal: Wal, options: LogShrinkOptions) {
    this.#wal = wal
    this.#options = options
    this.#windowEndMs = wal.vfs.now() + options.afterMs
  }

  /** A commit has made the log that long. */
  used(endMark: number): void {
    if (endMark > this.#peakFrames) this.#peakFrames = endMark
  }

  /** Looks for commits of others. */
  look(): void {
    const { index } = this.#wal
    // One that cannot be read is being published: it counts at the next look.
    if (!index.isCurrent(this.#seen) && index.readHeader(this.#seen)) this.used(this.#seen.endMark)
  }

  /** Whether the file is so long that it may be cut some time. */
  isLong(): boolean {
    return this.#isLongerThan(this.#options.frames)
  }

  /** Looks back at the end of a window. @returns whether the file should be cut now */
  isDue(nowMs: number): boolean {
    if (nowMs < this.#windowEndMs) return false
    this.#windowEndMs = nowMs + this.#options.afterMs
    const needed = Math.max(this.#peakFrames, this.#peakBefore, this.#options.frames)
    this.#peakBefore = this.#peakFrames
    this.#peakFrames = 0
    return this.#isLongerThan(needed)
  }

  /** Cuts it, with writers kept out for the moment that this takes. */
  *cut(): Blocking<void> {
    const { synchronous } = this.#options
    const modes = { mode: 'truncate', synchronous, timeoutMs: SHRINK_WAIT_MS, readerTimeoutMs: 0 } as const
    yield* checkpoint(this.#wal, modes)
  }

  #isLongerThan(frames: number): boolean {
    const { log, pageSize } = this.#wal
    return log.frameCapacity(pageSize) > frames * SHRINK_FACTOR
  }
}
