/**
 * The passes of a checkpoint that nobody asked for, whoever runs it: a committing process every so many frames, or a
 * process of its own. The first pass runs beside the commits that go on. When it leaves few frames, a last pass keeps
 * writers out and copies them as well, so that the log can be started over and overwritten in place: syncing what
 * overwrites is twice as fast as syncing what appends. When commits come too fast for that, the last pass waits until the log
 * is `overtakenFrames` long; in a log that readers have kept long it waits for them too, but not for long, and a log that
 * has become very long by then is cut.
 *
 * Locks: CKPT in both passes, WRITE in the last one. Nobody else may use the connection for a checkpoint meanwhile.
 */
import { AUTO_CHECKPOINT_FRAMES, LOG_OVERTAKEN_FACTOR } from '../limits.js'
import type { Synchronous } from '../units.js'
import { type Blocking, checkpoint, type Wal } from '../wal/index.js'

/** So few frames are copied while writers wait: a few milliseconds, once in so many frames. */
const FINISH_FRAMES = 256

/** A log that has become so many times longer than a crowded one goes back to a usual length at once, not in place. */
const CUT_FACTOR = 2

/** Readers that do their work and go are gone by then, and those that came meanwhile as well. */
const READER_WAIT_MS = 200

export interface PassOptions {
  readonly synchronous: Synchronous
  /** Length of a log that is copied to its end whatever that costs. */
  readonly overtakenFrames: number
  /** Sync the main file after every so many bytes of the first pass. */
  readonly sliceBytes?: number
}

/**
 * After a pass beside the commits: nothing more to do now; `last`: few frames are left; `overtaken`: many are, and so many
 * stand in the log that they should be copied all the same.
 */
export type PassResult = 'done' | 'last' | 'overtaken'

export class CheckpointPasses {
  readonly #wal: Wal
  readonly #options: PassOptions
  /** Length of the log at which the last pass comes with readers in the way, and waits for them. */
  #crowdedAt: number

  constructor(wal: Wal, options: PassOptions) {
    this.#wal = wal
    this.#options = options
    this.#crowdedAt = this.#crowdedFrames()
  }

  /** Told when the log has been started over. */
  restarted(): void {
    this.#crowdedAt = this.#crowdedFrames()
  }

  /** One pass beside the commits. */
  *first(): Blocking<PassResult> {
    const wal = this.#wal
    const { synchronous, overtakenFrames, sliceBytes } = this.#options
    const { log, checkpointed } = yield* checkpoint(wal, { mode: 'passive', synchronous, timeoutMs: 0, sliceBytes })
    if (log < 0) return 'done'
    yield* wal.refresh()
    const { endMark } = wal.header
    const left = endMark - wal.index.backfill
    if (left === 0) return this.isVeryLong(endMark) ? 'last' : 'done'
    const isStopped = checkpointed < log
    // A reader is in the way: later then, unless it has been for long.
    if (isStopped) return endMark >= this.#crowdedAt ? 'last' : 'done'
    if (left <= FINISH_FRAMES) return 'last'
    return endMark >= overtakenFrames ? 'overtaken' : 'done'
  }

  /**
   * Copies the rest while writers wait. In a log that readers have kept long it waits for readers as well, since short ones that overlap
   * without end would keep the log from ever being started over; a long one is met again only when the log has doubled.
   */
  *last(): Blocking<void> {
    const wal = this.#wal
    const { synchronous } = this.#options
    const { timeoutMs } = wal
    const isVeryLong = this.isVeryLong(wal.header.endMark)
    if (wal.header.endMark < this.#crowdedAt) {
      yield* checkpoint(wal, { mode: isVeryLong ? 'truncate' : 'full', synchronous, timeoutMs, readerTimeoutMs: 0 })
      return
    }
    const { busy, log } = yield* checkpoint(wal, {
      mode: isVeryLong ? 'truncate' : 'restart',
      synchronous,
      timeoutMs,
      readerTimeoutMs: READER_WAIT_MS,
    })
    this.#crowdedAt = busy ? Math.max(log, this.#crowdedAt) * 2 : this.#crowdedFrames()
  }

  /** Whether a log that ends there should be cut once nobody needs it. */
  isVeryLong(endMark: number): boolean {
    return endMark >= this.#crowdedFrames() * CUT_FACTOR
  }

  /** No fewer than by default: waiting for readers while writers wait is worth it only for a log that is long. */
  #crowdedFrames(): number {
    return Math.max(this.#options.overtakenFrames, AUTO_CHECKPOINT_FRAMES * LOG_OVERTAKEN_FACTOR)
  }
}
