/**
 * Checkpoints that a committing process starts by itself, every `frames` frames. The first pass runs in the background,
 * beside the commits that go on. When it leaves few frames, a last pass keeps writers out and copies them as well, so that
 * the log can be started over and overwritten in place: syncing what overwrites is twice as fast as syncing what
 * appends. When commits come too fast for that, the last pass waits until the log is `LOG_OVERTAKEN_FACTOR` times its
 * length; in a log that readers have kept long it waits for them too, but not for long.
 *
 * A checkpoint that fails loses nothing: the log keeps every frame until a later one succeeds. The failure is kept for
 * `stats()`, and explicit checkpoints report their own.
 */
import { AUTO_CHECKPOINT_FRAMES, LOG_OVERTAKEN_FACTOR } from '../limits.js'
import type { Synchronous } from '../units.js'
import { type Blocking, checkpoint, runAsync, runCancellable, runSync, type Wal } from '../wal/index.js'

/** So few frames are copied while writers wait: a few milliseconds, once in `frames` frames. */
const FINISH_FRAMES = 256

/** Readers that do their work and go are gone by then, and those that came meanwhile as well. */
const READER_WAIT_MS = 200

export interface AutoCheckpointOptions {
  /** Frames between two checkpoints; 0 = none. */
  readonly frames: number
  readonly synchronous: Synchronous
  /** Runs work while no batch of this connection is under way: else its own commits would keep WRITE from it. */
  readonly betweenBatches: (work: () => Promise<unknown>) => Promise<void>
}

export class AutoCheckpoint {
  readonly #wal: Wal
  readonly #options: AutoCheckpointOptions
  #running: Promise<void> | null = null
  /** End mark at the last attempt in this generation of the log. */
  #attemptedAt = 0
  /** Length of the log at which the last pass comes with readers in the way, and waits for them. */
  #crowdedAt: number
  #cancelLastPass: (() => void) | null = null
  #failure: unknown = null
  #completed = 0

  constructor(wal: Wal, options: AutoCheckpointOptions) {
    this.#wal = wal
    this.#options = options
    this.#crowdedAt = this.#crowdedFrames()
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
    if (header.endMark < this.#attemptedAt) {
      // The log has been started over.
      this.#attemptedAt = 0
      this.#crowdedAt = this.#crowdedFrames()
    }
    return header.endMark - Math.max(this.#attemptedAt, index.backfill) >= frames
  }

  /** One pass beside the commits. @returns whether a last one is worth keeping writers out for */
  *#firstPass(): Blocking<boolean> {
    const wal = this.#wal
    const { frames, synchronous } = this.#options
    const { log, checkpointed } = yield* checkpoint(wal, { mode: 'passive', synchronous, timeoutMs: 0 })
    if (log < 0) return false
    yield* wal.refresh()
    const { endMark } = wal.header
    const left = endMark - wal.index.backfill
    if (left === 0) return false
    if (endMark >= this.#crowdedAt) return true
    // A reader is in the way: later then.
    if (checkpointed < log) return false
    return left <= FINISH_FRAMES || endMark >= frames * LOG_OVERTAKEN_FACTOR
  }

  /**
   * Copies the rest while writers wait. In a log that readers have kept long it waits for readers as well, since short ones that overlap
   * without end would keep the log from ever being started over; a long one is met again only when the log has doubled.
   */
  *#lastPass(): Blocking<void> {
    const wal = this.#wal
    const { synchronous } = this.#options
    const { timeoutMs } = wal
    if (wal.header.endMark < this.#crowdedAt) {
      yield* checkpoint(wal, { mode: 'full', synchronous, timeoutMs, readerTimeoutMs: 0 })
      return
    }
    const { busy, log } = yield* checkpoint(wal, {
      mode: 'restart',
      synchronous,
      timeoutMs,
      readerTimeoutMs: READER_WAIT_MS,
    })
    this.#crowdedAt = busy ? Math.max(log, this.#crowdedAt) * 2 : this.#crowdedFrames()
  }

  #runSync(): void {
    try {
      if (runSync(this.#firstPass())) runSync(this.#lastPass())
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    }
  }

  async #runAsync(): Promise<void> {
    try {
      if (await runAsync(this.#firstPass())) await this.#options.betweenBatches(() => this.#runLastPass())
      this.#succeeded()
    } catch (error) {
      this.#failure = error
    } finally {
      this.#running = null
    }
  }

  /**
   * Gives up the last pass, if one is under way: a blocking commit cannot wait for it, as it needs the event loop to go on.
   * Nothing was published of it, so a later checkpoint copies the same frames again.
   */
  giveWay(): void {
    this.#cancelLastPass?.()
  }

  async #runLastPass(): Promise<void> {
    const { done, cancel } = runCancellable(this.#lastPass())
    let isCancelled = false
    this.#cancelLastPass = () => {
      isCancelled = true
      this.#cancelLastPass = null
      cancel()
    }
    try {
      await done
    } catch (error) {
      // It may have been the sync of the log, which nobody is waiting for any more.
      throw isCancelled ? this.#wal.fail(error) : error
    } finally {
      if (!isCancelled) this.#cancelLastPass = null
    }
  }

  /** No fewer than by default: waiting for readers while writers wait is worth it only for a log that is long. */
  #crowdedFrames(): number {
    return Math.max(this.#options.frames, AUTO_CHECKPOINT_FRAMES) * LOG_OVERTAKEN_FACTOR
  }

  #succeeded(): void {
    this.#completed++
    this.#failure = null
  }
}
