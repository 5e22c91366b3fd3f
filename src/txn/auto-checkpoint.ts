/**
 * Checkpoints that a committing process starts by itself, every `frames` frames (their passes: checkpoint-passes.ts),
 * or hands to whoever runs them for it: a checkpointer process, directly or by way of a writer process.
 *
 * While the log file is much longer than usual, it is looked at now and then, also when nobody commits: a reader that was in
 * the way may have gone, and a file that is no longer used so far is cut (log-shrink.ts).
 *
 * A checkpoint that fails loses nothing: the log keeps every frame until a later one succeeds. The failure is kept for
 * `stats()`, and explicit checkpoints report their own.
 */
import { LOG_OVERTAKEN_FACTOR } from '../limits.js'
import type { Synchronous } from '../units.js'
import { type Blocking, runAsync, runCancellable, runSync, type Wal } from '../wal/index.js'
import { CheckpointPasses } from './checkpoint-passes.js'
import { LogShrink } from './log-shrink.js'

export interface AutoCheckpointOptions {
  /** Frames between two checkpoints; 0 = none. */
  readonly frames: number
  readonly synchronous: Synchronous
  /** Runs work while no batch of this connection is under way: else its own commits would keep WRITE from it. */
  readonly betweenBatches: (work: () => Promise<unknown>) => Promise<void>
  /** Told when a checkpoint is due. @returns whether somebody else does it */
  readonly delegate: () => boolean
}

/** Between two looks at a log file that is very long. */
const LOOK_MS = 500
/** A log file that was not used beyond a quarter of its length for so long is cut. */
const SHRINK_AFTER_MS = 30_000

export class AutoCheckpoint {
  readonly #wal: Wal
  readonly #options: AutoCheckpointOptions
  readonly #passes: CheckpointPasses
  readonly #shrink: LogShrink
  #stopLooking: (() => void) | null = null
  #isStopped = false
  #running: Promise<void> | null = null
  /** End mark at the last attempt in this generation of the log. */
  #attemptedAt = 0
  #cancelBetween: (() => void) | null = null
  #failure: unknown = null
  #completed = 0

  constructor(wal: Wal, options: AutoCheckpointOptions) {
    this.#wal = wal
    this.#options = options
    const { frames, synchronous } = options
    this.#passes = new CheckpointPasses(wal, { synchronous, overtakenFrames: frames * LOG_OVERTAKEN_FACTOR })
    this.#shrink = new LogShrink(wal, { frames, synchronous, afterMs: SHRINK_AFTER_MS })
  }

  /** Why the last checkpoint failed, or null. */
  get failure(): unknown {
    return this.#failure
  }

  /** Checkpoints that went through. */
  get completed(): number {
    return this.#completed
  }

  /** Starts a checkpoint if the log has grown by enough frames since the last. */
  afterCommit({ blocking }: { readonly blocking: boolean }): void {
    this.#shrink.used(this.#wal.header.endMark)
    if (!this.#isDue()) return
    this.#attemptedAt = this.#wal.header.endMark
    if (this.#options.delegate()) return
    if (blocking) this.#runSync()
    else this.#running = this.#runAsync()
  }

  /** Resolves when no checkpoint runs. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** No more looks at the log; resolves when no checkpoint runs. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopLooking?.()
    await this.idle()
  }

  #isDue(): boolean {
    const { frames } = this.#options
    const { header, index, hasFailed } = this.#wal
    if (frames === 0 || this.#running !== null || hasFailed) return false
    if (header.endMark < this.#attemptedAt) {
      // The log has been started over.
      this.#attemptedAt = 0
      this.#passes.restarted()
    }
    return header.endMark - Math.max(this.#attemptedAt, index.backfill) >= frames
  }

  #runSync(): void {
    try {
      if (runSync(this.#passes.first()) !== 'done') runSync(this.#passes.last())
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    }
  }

  async #runAsync(): Promise<void> {
    try {
      const result = await runAsync(this.#passes.first())
      if (result !== 'done') await this.#options.betweenBatches(() => this.#runBetween(this.#passes.last()))
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    } finally {
      this.#running = null
    }
  }

  /**
   * Gives up what is done between batches, if anything is: a blocking commit cannot wait for it, as it needs the event loop to go
   * on. Nothing was published of it, so a later checkpoint copies the same frames again.
   */
  giveWay(): void {
    this.#cancelBetween?.()
  }

  async #runBetween(pass: Blocking<void>): Promise<void> {
    const { done, cancel } = runCancellable(pass)
    let isCancelled = false
    this.#cancelBetween = () => {
      isCancelled = true
      this.#cancelBetween = null
      cancel()
    }
    try {
      await done
    } catch (error) {
      // It may have been the sync of the log, which nobody is waiting for any more.
      throw isCancelled ? this.#wal.fail(error) : error
    } finally {
      if (!isCancelled) this.#cancelBetween = null
    }
  }

  #succeeded(): void {
    this.#completed++
    this.#failure = null
    if (!this.#isStopped && this.#stopLooking === null && this.#shrink.isLong()) this.#lookNowAndThen()
  }

  #lookNowAndThen(): void {
    const stop = this.#wal.vfs.every(LOOK_MS, () => this.#look())
    this.#stopLooking = () => {
      stop()
      this.#stopLooking = null
    }
  }

  /** Two loads, a call of the system, and what turns out to be due. */
  #look(): void {
    const { hasFailed, header, index, vfs } = this.#wal
    if (hasFailed || !this.#shrink.isLong()) {
      this.#stopLooking?.()
      return
    }
    if (this.#running !== null) return
    this.#shrink.look()
    if (this.#shrink.isDue(vfs.now())) this.#running = this.#cutLog()
    else if (header.endMark - index.backfill >= this.#options.frames || this.#passes.isVeryLong(header.endMark)) {
      this.#running = this.#runAsync()
    }
  }

  async #cutLog(): Promise<void> {
    try {
      await this.#options.betweenBatches(() => this.#runBetween(this.#shrink.cut()))
    } catch (error) {
      this.#failure = error
    } finally {
      this.#running = null
    }
  }
}
