/**
 * Checkpoints that a committing process starts by itself, every `frames` frames. They run in the background, beside the
 * commits that go on, and repeat until all of the log is copied, so that it can be started over and overwritten in
 * place: syncing what overwrites is twice as fast as syncing what appends. When few frames are left, or when
 * commits have overtaken the checkpoint until the log is `LOG_OVERTAKEN_FACTOR` times its length, the last pass
 * keeps writers out. No pass waits for readers.
 *
 * A checkpoint that fails loses nothing: the log keeps every frame until a later one succeeds. The failure is kept for
 * `stats()`, and explicit checkpoints report their own.
 */
import { LOG_OVERTAKEN_FACTOR } from '../limits.js'
import type { Synchronous } from '../units.js'
import { type Blocking, checkpoint, runAsync, runSync, type Wal } from '../wal/index.js'

/** So few frames are copied while writers wait: a millisecond or two, once in `frames` frames. */
const FINISH_FRAMES = 128

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

  *#steps(): Blocking<void> {
    const wal = this.#wal
    const { frames, synchronous } = this.#options
    for (;;) {
      const { log, checkpointed } = yield* checkpoint(wal, { mode: 'passive', synchronous, timeoutMs: 0 })
      // A reader, or another checkpoint, is in the way: later then.
      if (checkpointed < log || log < 0) return
      yield* wal.refresh()
      const { endMark } = wal.header
      const left = endMark - wal.index.backfill
      if (left === 0) return
      if (left <= FINISH_FRAMES || endMark >= frames * LOG_OVERTAKEN_FACTOR) break
    }
    yield* checkpoint(wal, { mode: 'full', synchronous, timeoutMs: wal.timeoutMs, readerTimeoutMs: 0 })
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
