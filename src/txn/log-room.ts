/**
 * Room in the log: with `walLimit`, a batch begins only while the used log, its frames up to the end mark, is shorter than
 * that. Past it, whoever wants to commit waits until the log has been started over, and helps with it: it copies what
 * readers allow and restarts the log as soon as they let it.
 *
 *   full ──► copied to its end, no reader on it ──► started over ──► the batch begins
 *     │  a reader, or another checkpoint, is in the way: again in a moment
 *     └─ since `timeout`: ENDMARK_WAL_FULL; nothing was begun, so nothing is half done
 *
 * The limit is looked at before a batch, so the log may exceed it by the batches that were begun below it, one for each
 * writing connection. Waiting holds no lock: CKPT and WRITE are taken for an attempt and given back (LOG-1).
 */
import { EndmarkError } from '../errors.js'
import type { Pager } from '../pager/index.js'
import type { Synchronous } from '../units.js'
import { type Blocking, type BlockingStep, checkpoint, IndexHeader, type Wal, WalFile } from '../wal/index.js'
import { commitUnderWay } from './commit-errors.js'
import type { RoomRequest } from './group-commit.js'

export interface LogRoomOptions {
  readonly limitBytes: number
  readonly synchronous: Synchronous
  /** Lets go of what this connection holds on no one's behalf: it would be in its own way. */
  readonly letGo: () => void
  /** Asks for a checkpoint. @returns whether somebody else makes it */
  readonly delegate: () => boolean
  /** Told of each attempt that failed because of somebody else. @returns who it is, for the message */
  readonly blocked: () => string
}

const DELAY_MIN_MS = 0.5
const DELAY_MAX_MS = 20
/** Somebody who was asked for a checkpoint has begun it by then, or we make it. */
const DELEGATE_MAX_MS = 100
/** For as long as a writer of another program has to make way for the end of a checkpoint. */
const WRITE_WAIT_MS = 20

export class LogRoom {
  readonly #wal: Wal
  readonly #pager: Pager
  readonly #options: LogRoomOptions
  readonly #newest = new IndexHeader()

  constructor(wal: Wal, pager: Pager, options: LogRoomOptions) {
    this.#wal = wal
    this.#pager = pager
    this.#options = options
  }

  /** How to wait for room; null: there is room. @throws (when run) ENDMARK_WAL_FULL, an AbortError */
  wait(request: RoomRequest): Blocking<void> | null {
    return this.#hasRoom() ? null : this.#make(request)
  }

  /** No system call: this is asked before every batch. */
  #hasRoom(): boolean {
    const { limitBytes } = this.#options
    if (limitBytes === Number.POSITIVE_INFINITY) return true
    const { index, pageSize } = this.#wal
    // A header that cannot be read is repaired by whoever takes WRITE; the next batch sees how long the log is.
    if (!index.readHeader(this.#newest)) return true
    const { endMark } = this.#newest
    return endMark === 0 || WalFile.sizeUpTo(endMark, pageSize) < limitBytes
  }

  *#make({ sinceMs, signal }: RoomRequest): Blocking<void> {
    const { vfs, timeoutMs } = this.#wal
    const { delegate, blocked } = this.#options
    const beganMs = vfs.now()
    const isDelegated = delegate()
    let failure: unknown
    for (let delayMs = DELAY_MIN_MS; ; delayMs = Math.min(delayMs * 2, DELAY_MAX_MS)) {
      try {
        if (yield* this.#attempt(isDelegated && vfs.now() - beganMs < DELEGATE_MAX_MS)) return
      } catch (error) {
        // The log keeps what could not be copied; whoever waits hears why if it stays so.
        this.#wal.assertHealthy()
        failure = error
      }
      const blocker = blocked()
      const leftMs = sinceMs + timeoutMs - vfs.now()
      if (!(leftMs > 0)) throw this.#full(blocker, failure)
      yield this.#delayStep(Math.min(delayMs, leftMs), signal)
      if (this.#hasRoom()) return
    }
  }

  /** Copies what can be copied, and starts the log over if that was all of it. @returns whether there is room now */
  *#attempt(isCopiedByOthers: boolean): Blocking<boolean> {
    const { index } = this.#wal
    this.#options.letGo()
    if (!isCopiedByOthers && index.backfill < this.#newest.endMark) yield* this.#copy()
    return this.#tryStartOver()
  }

  *#copy(): Blocking<void> {
    const { synchronous } = this.#options
    const { log, checkpointed } = yield* checkpoint(this.#wal, { mode: 'passive', synchronous, timeoutMs: 0 })
    // A reader, or another checkpoint, is in the way: keeping writers out would not help.
    if (log < 0 || checkpointed < log || this.#hasRoom() || this.#newest.endMark === log) return
    yield* checkpoint(this.#wal, { mode: 'full', synchronous, timeoutMs: WRITE_WAIT_MS, readerTimeoutMs: 0 })
  }

  #tryStartOver(): boolean {
    const wal = this.#wal
    if (!wal.tryLockWrite()) return false
    try {
      this.#pager.followLog()
      return this.#hasRoom()
    } finally {
      wal.locks.releaseExclusive('WRITE')
    }
  }

  #delayStep(delayMs: number, signal: AbortSignal | undefined): BlockingStep {
    const { vfs, locks } = this.#wal
    return {
      // A checkpoint of our own under way: it ends only when the event loop goes on.
      sync: () => {
        if (locks.isHeld('CKPT')) throw commitUnderWay()
        vfs.delaySync(delayMs)
      },
      async: () => vfs.delay(delayMs, signal),
    }
  }

  #full(blocker: string, cause: unknown): EndmarkError {
    const { log, pageSize, timeoutMs } = this.#wal
    const size = WalFile.sizeUpTo(this.#newest.endMark, pageSize)
    const limit = `walLimit is ${this.#options.limitBytes} bytes, and ${size} of the log are in use`
    const message = `${log.path}: ${limit}; it could not be started over within ${timeoutMs} ms: ${blocker}`
    return new EndmarkError('ENDMARK_WAL_FULL', message, { file: log.path, cause })
  }
}
