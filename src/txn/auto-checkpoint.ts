/**
 * Checkpoints that a committing process starts by itself, every `frames` frames: passive ones in the background, beside
 * the commits that go on. Commits can overtake them again and again, and then the log would never be started over; so
 * when it has grown to `LOG_OVERTAKEN_FACTOR` times its length, one checkpoint keeps writers out for the few frames
 * that are left. It never waits for readers.
 *
 * A checkpoint that fails loses nothing: the log keeps every frame until a later one succeeds. The failure is kept for
 * `stats()`, and explicit checkpoints report their own.
 */
import { LOG_OVERTAKEN_FACTOR } from '../limits.js'
import type { Synchronous } from '../units.js'
import { type Blocking, type CheckpointResult, checkpoint, runAsync, runSync, type Wal } from '../wal/index.js'

export interface AutoCheckpointOptions {
  /** Frames between two checkpoints; 0 = none. */
  readonly frames: number
  readonly synchronous: Synchronous
}

export class AutoCheckpoint {
  readonly #wal: Wal
  readonly #options: AutoCheckpointOptions
  #running: Promise<void> | null = null
  /** End mark at the last attempt in this generation of the log. */
  #attemptedAt = 0
  #failure: unknown = null
  #completed = 0

  constructor(wal: Wal, options: AutoCheckpointOptions) {
    this.#wal = wal
    this.#options = options
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
    if (!this.#isDue()) return
    this.#attemptedAt = this.#wal.header.endMark
    if (blocking) this.#runSync()
    else this.#running = this.#runAsync()
  }

  /** Resolves when no checkpoint runs. */
  async idle(): Promise<void> {
    await this.#running
  }

  #isDue(): boolean {
    const { frames } = this.#options
    const { header, index, hasFailed } = this.#wal
    if (frames === 0 || this.#running !== null || hasFailed) return false
    if (header.endMark < this.#attemptedAt) this.#attemptedAt = 0
    return header.endMark - Math.max(this.#attemptedAt, index.backfill) >= frames
  }

  #steps(): Blocking<CheckpointResult> {
    const { frames, synchronous } = this.#options
    const isOvertaken = this.#wal.header.endMark >= frames * LOG_OVERTAKEN_FACTOR
    const { timeoutMs } = this.#wal
    if (isOvertaken) return checkpoint(this.#wal, { mode: 'full', synchronous, timeoutMs, readerTimeoutMs: 0 })
    return checkpoint(this.#wal, { mode: 'passive', synchronous, timeoutMs: 0 })
  }

  #runSync(): void {
    try {
      runSync(this.#steps())
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    }
  }

  async #runAsync(): Promise<void> {
    try {
      await runAsync(this.#steps())
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    } finally {
      this.#running = null
    }
  }

  #succeeded(): void {
    this.#completed++
    this.#failure = null
  }
}
