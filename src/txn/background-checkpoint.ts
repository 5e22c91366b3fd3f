/**
 * Checkpoints of a process that does nothing else. It looks at the published header now and then, two loads when nothing has
 * happened, and starts a checkpoint when enough frames have come, when some have waited long enough, or when it is asked to.
 *
 * Pace: the disk is shared with those who commit. The first pass syncs the main file in slices, and after a checkpoint it
 * rests for a multiple of the time it took; meanwhile the log may grow, so that a page that changes again and
 * again is copied once. A log that has become `overtakenFrames` long all the same is copied to its end with writers slowed down.
 *
 * A log file that is far longer than it has been used lately, after a burst or a long reader, is cut (log-shrink.ts).
 *
 * Nothing depends on these checkpoints: the log keeps every frame until one succeeds, so whatever fails is reported and tried
 * again later. Locks: those of checkpoint-passes.ts.
 */
import { assert } from '../assert.js'
import type { Synchronous } from '../units.js'
import { IndexHeader, runAsync, type Wal } from '../wal/index.js'
import { CheckpointPasses, type PassResult } from './checkpoint-passes.js'
import { LogShrink } from './log-shrink.js'

export interface BackgroundCheckpointOptions {
  /** Frames between two checkpoints. */
  readonly frames: number
  readonly synchronous: Synchronous
  /** Runs `work` while those commits wait that can be asked to; the WRITE lock keeps out the others. */
  readonly keepWritersOut: (work: () => Promise<unknown>) => Promise<void>
  /** Asks those who can be asked to commit at half their speed, or no longer to. */
  readonly slowWritersDown: (isSlow: boolean) => void
  /** Told of each checkpoint that was made, be it up to a reader's mark. */
  readonly made: () => void
  /** Told of each checkpoint that failed; it is tried again, later each time. */
  readonly failed: (error: unknown) => void
  readonly pace?: Partial<CheckpointPace>
}

export interface CheckpointPace {
  /** Frames wait at most so long for being copied, if nothing is in the way: bounds what `normal` may lose, and recovery. */
  readonly ageMs: number
  /** The log may become so many times longer than `frames` before writers are slowed down. */
  readonly overtakenFactor: number
  /** Bytes of the main file per sync. */
  readonly sliceBytes: number
  /** Rest after a checkpoint, as a multiple of its duration. */
  readonly restFactor: number
  /** A log file that was not used beyond a quarter of its length for so long is cut. */
  readonly shrinkAfterMs: number
}

export const CHECKPOINT_PACE: CheckpointPace = {
  ageMs: 1000,
  overtakenFactor: 8,
  sliceBytes: 64 * 4096,
  restFactor: 2,
  shrinkAfterMs: 30_000,
}

/** Halving some ten thousand frames leaves few after so many; writers that cannot be slowed are kept out then. */
const CATCH_UP_PASSES_MAX = 8

/** Between two looks: after one that found something new, and growing to the largest while nothing happens. */
const LOOK_MIN_MS = 5
const LOOK_MAX_MS = 250
/** After failures: doubles from the first to the second. */
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 10_000

export class BackgroundCheckpoint {
  readonly #wal: Wal
  readonly #options: BackgroundCheckpointOptions
  readonly #pace: CheckpointPace
  readonly #passes: CheckpointPasses
  readonly #stopping = new AbortController()
  /** The header of the last look. */
  readonly #seen = new IndexHeader()
  #isRequested = false
  #wake: (() => void) | null = null
  #lookMs = LOOK_MIN_MS
  /** When the oldest frame that is not in the main file was first seen; null: there is none. */
  #waitingSinceMs: number | null = null
  /** End of the rest after the last checkpoint. */
  #restUntilMs = 0
  #retryMs = 0
  readonly #shrink: LogShrink

  constructor(wal: Wal, options: BackgroundCheckpointOptions) {
    this.#wal = wal
    this.#options = options
    this.#pace = { ...CHECKPOINT_PACE, ...options.pace }
    const { frames, synchronous } = options
    const { overtakenFactor, sliceBytes, shrinkAfterMs } = this.#pace
    assert(frames > 0, 'a checkpointer without a threshold')
    this.#passes = new CheckpointPasses(wal, { synchronous, sliceBytes, overtakenFrames: frames * overtakenFactor })
    this.#shrink = new LogShrink(wal, { frames, synchronous, afterMs: shrinkAfterMs })
  }

  /** Somebody thinks that a checkpoint is due. */
  request(): void {
    this.#isRequested = true
    this.#lookMs = LOOK_MIN_MS
    this.#wakeUp()
  }

  /**
   * Looks and works until `stop`.
   * @throws (rejects) ENDMARK_IO once a sync of the log has failed: this connection can copy nothing more
   */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#turn()
        this.#retryMs = 0
      } catch (error) {
        this.#retryMs = Math.min(Math.max(this.#retryMs * 2, RETRY_MIN_MS), RETRY_MAX_MS)
        this.#options.failed(error)
        this.#wal.assertHealthy()
        this.#restUntilMs = this.#wal.vfs.now() + this.#retryMs
      }
      if (!signal.aborted) await this.#sleep()
    }
  }

  /** Ends `run` after the pass under way. */
  stop(): void {
    this.#stopping.abort()
    this.#wakeUp()
  }

  async #turn(): Promise<void> {
    const nowMs = this.#wal.vfs.now()
    const isNew = await this.#look(nowMs)
    this.#lookMs = isNew ? LOOK_MIN_MS : Math.min(this.#lookMs * 2, LOOK_MAX_MS)
    if (this.#isDue(nowMs)) await this.#checkpoint(nowMs)
    this.#shrink.look()
    if (this.#shrink.isDue(nowMs)) await this.#cutLog()
  }

  /** @returns whether something was published since the last look */
  async #look(nowMs: number): Promise<boolean> {
    const { index, header } = this.#wal
    const isNew = !index.isCurrent(this.#seen)
    if (isNew) {
      const { endMark } = this.#seen
      await runAsync(this.#wal.refresh())
      this.#seen.copyFrom(header)
      if (header.endMark < endMark) this.#passes.restarted()
    }
    if (this.#unbackfilled() <= 0) this.#waitingSinceMs = null
    else this.#waitingSinceMs ??= nowMs
    return isNew
  }

  #unbackfilled(): number {
    return this.#wal.header.endMark - this.#wal.index.backfill
  }

  #isDue(nowMs: number): boolean {
    const { frames } = this.#options
    const { ageMs, overtakenFactor } = this.#pace
    const waiting = this.#unbackfilled()
    if (waiting <= 0) return false
    if (nowMs < this.#restUntilMs && (this.#retryMs > 0 || waiting < frames * overtakenFactor)) return false
    return waiting >= frames || this.#isRequested || nowMs - this.#waitingSinceMs! >= ageMs
  }

  async #checkpoint(startMs: number): Promise<void> {
    const { vfs } = this.#wal
    this.#isRequested = false
    // What comes from here on waits since now; should a reader be in the way, the rest is tried again in as long.
    this.#waitingSinceMs = startMs
    let result = await runAsync(this.#passes.first())
    if (result === 'overtaken') result = await this.#catchUp()
    if (result !== 'done') await this.#options.keepWritersOut(() => runAsync(this.#passes.last()))
    this.#options.made()
    const endMs = vfs.now()
    this.#restUntilMs = endMs + (endMs - startMs) * this.#pace.restFactor
  }

  /**
   * Passes beside writers at half their speed, so that each leaves less than the one before: short waits for many
   * commits, where a last pass now would be a long one.
   */
  async #catchUp(): Promise<PassResult> {
    const { slowWritersDown } = this.#options
    let result: PassResult = 'overtaken'
    slowWritersDown(true)
    try {
      for (let pass = 0; pass < CATCH_UP_PASSES_MAX && result === 'overtaken'; pass++) {
        result = await runAsync(this.#passes.first())
      }
    } finally {
      slowWritersDown(false)
    }
    return result
  }

  async #cutLog(): Promise<void> {
    await runAsync(this.#passes.first())
    await this.#options.keepWritersOut(() => runAsync(this.#shrink.cut()))
  }

  async #sleep(): Promise<void> {
    const { vfs } = this.#wal
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await vfs.delay(this.#lookMs, woken.signal).catch(() => undefined)
    this.#wake = null
  }

  #wakeUp(): void {
    this.#wake?.()
  }
}
