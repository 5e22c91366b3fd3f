/**
 * Checkpoints that users ask for, `db.checkpoint`: they wait for an automatic one of this Database that is under way, and for others
 * as long as their mode says. The closing Database waits for them.
 *
 * Locks: those of `checkpoint`; what this Database reads on nobody's behalf is let go before.
 */
import { assertOptions, assertSignal, preview } from '../arguments.js'
import { abortError, invalidArgument } from '../errors.js'
import type { TurnPages } from '../pager/index.js'
import type { Synchronous } from '../units.js'
import { type CheckpointMode, checkpoint, runAsync, type Wal } from '../wal/index.js'
import type { AutoCheckpoint } from './auto-checkpoint.js'
import type { LongReaders } from './long-readers.js'

/** Options of `Database.checkpoint`. */
export interface CheckpointRequest {
  /** SQLite's modes. Default `passive`. */
  readonly mode?: CheckpointMode
  /** Ends what waits for writers and readers; a copy under way is made to its end. */
  readonly signal?: AbortSignal
}

/** What a checkpoint did, as SQLite's `PRAGMA wal_checkpoint` reports it. */
export interface CheckpointReport {
  /** 1 if another checkpoint, a writer or a reader kept the mode from completing, else 0. */
  readonly busy: 0 | 1
  /** Frames in the log, -1 if another checkpoint was running. */
  readonly log: number
  /** Frames of it that are in the main file, -1 if another checkpoint was running. */
  readonly checkpointed: number
}

export interface RequestedCheckpointsParts {
  readonly wal: Wal
  readonly turn: TurnPages
  readonly autoCheckpoint: AutoCheckpoint
  readonly longReaders: LongReaders
  readonly synchronous: Synchronous
  /** How long one waits for writers and readers. */
  readonly timeoutMs: number
}

const MODES: readonly unknown[] = ['passive', 'full', 'restart', 'truncate']

export class RequestedCheckpoints {
  readonly #parts: RequestedCheckpointsParts
  readonly #running = new Set<Promise<unknown>>()

  constructor(parts: RequestedCheckpointsParts) {
    this.#parts = parts
  }

  /** @throws (rejects) as `Database.checkpoint` */
  async run(request: CheckpointRequest): Promise<CheckpointReport> {
    assertOptions(request, ['mode', 'signal'])
    const { mode = 'passive', signal } = request
    if (!MODES.includes(mode)) throw invalidArgument(`mode is one of ${MODES.join(', ')}, not ${preview(mode)}`)
    assertSignal(signal)
    if (signal?.aborted) throw abortError(signal)
    const running = this.#checkpoint(mode, signal)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** Resolves when those under way have ended, whatever became of them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #checkpoint(mode: CheckpointMode, signal: AbortSignal | undefined): Promise<CheckpointReport> {
    const { wal, turn, autoCheckpoint, longReaders, synchronous, timeoutMs } = this.#parts
    await autoCheckpoint.idle()
    turn.release()
    const { busy, ...frames } = await runAsync(checkpoint(wal, { mode, synchronous, timeoutMs, signal }))
    longReaders.look()
    return { busy: busy ? 1 : 0, ...frames }
  }
}
