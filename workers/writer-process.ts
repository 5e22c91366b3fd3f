/**
 * The role of the writer process, from taking it to giving it up: a Database that commits for all clients, the server that
 * they reach it by, and the checkpointer behind it. `endmark serve` and the detached process of spawn.ts run one of these.
 *
 * It ends, whatever the reason, in this order: nothing new is accepted, what was received is committed and answered, the
 * checkpointer ends, the Database is closed (the last one to close copies the log and removes it), and the role is given up.
 * Clients whose connection has ended commit by themselves; so ending early costs speed and nothing else. That is why it
 * ends rather than going on in doubt: when the role is lost, and when a sync of the log has failed, after which the
 * Database refuses every commit (DUR-3) and only a process that opens the file anew may go on.
 */
import { availableParallelism } from 'node:os'
import { RoleLock } from '../ipc/role-lock.js'
import { type LogEntry, WriterServer } from '../ipc/server.js'
import {
  type CheckpointPace,
  type CommitControl,
  commitControlOf,
  type Database,
  requestHandlerOf,
} from '../src/database.js'
import { EndmarkError } from '../src/errors.js'
import { open } from '../src/index.js'
import { AUTO_CHECKPOINT_FRAMES } from '../src/limits.js'
import { CheckpointerProcess } from './checkpointer-process.js'

export interface WriterProcessOptions {
  /** Create the database if it is missing. Default true. */
  readonly create?: boolean | undefined
  /** Ends after so long without a client; 0 = never. */
  readonly idleExitMs?: number
  /** Frames between two checkpoints. */
  readonly autoCheckpoint?: number | undefined
  /** Bytes of the log in use past which commits wait. Default: no limit. */
  readonly walLimit?: number | undefined
  /** Milliseconds past which a snapshot that blocks a full log is ended. Default: none. */
  readonly snapshotTimeout?: number | undefined
  /** Whether the database may be on a FUSE mount. Default false. */
  readonly allowFuse?: boolean | undefined
  readonly pace?: Partial<CheckpointPace> | undefined
  readonly log: (entry: LogEntry) => void
}

export interface WriterStats {
  readonly clients: number
  /** Transactions committed since the start, and the appends to the log that this took. */
  readonly transactions: number
  readonly batches: number
  readonly logFrames: number
  readonly backfilled: number
  /** Made since the start, by the checkpointer or here. */
  readonly checkpoints: number
  /** 0: none runs, and checkpoints are made here. */
  readonly checkpointer: number
}

/** Why it has ended; `failure` null: it was asked to, or nobody needed it any more. */
export interface WriterEnd {
  readonly reason: string
  readonly failure: Error | null
}

/**
 * Of so few transactions a batch is not worth the trip through the thread pool, and little of the next one could be prepared meanwhile.
 * Where the clients leave no processor to spare, none is: what would be prepared beside a sync waits for one, and so does the
 * thread of the sync (decision 0021).
 */
const SYNC_INLINE_MAX = availableParallelism() > 2 ? 8 : Number.POSITIVE_INFINITY

/** How often to look whether the disk has failed us, or nobody has been here for long. */
const WATCH_MS = 25

export class WriterProcess {
  readonly path: string
  readonly #db: Database
  readonly #control: CommitControl
  readonly #log: (entry: LogEntry) => void
  readonly #role: RoleLock
  readonly #checkpointer: CheckpointerProcess
  #server: WriterServer | null = null
  #watch: NodeJS.Timeout | null = null
  #ending: Promise<void> | null = null
  #resolveEnded: (end: WriterEnd) => void = () => {}
  /** Resolves when everything is closed. */
  readonly ended: Promise<WriterEnd>

  private constructor(db: Database, role: RoleLock, options: WriterProcessOptions) {
    const { autoCheckpoint, pace, allowFuse = false, log } = options
    this.path = db.path
    this.#db = db
    this.#role = role
    this.#log = log
    this.#control = commitControlOf(db)
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#checkpointer = new CheckpointerProcess(
      { path: db.path, frames: autoCheckpoint ?? AUTO_CHECKPOINT_FRAMES, pace, allowFuse },
      { between: (work) => this.#control.between(work), slowDown: (isSlow) => this.#control.slowDown(isSlow), log },
    )
    db.on('long-reader', ({ pid, thread, label, endMark, ageMs, framesHeld }) =>
      log({
        event: 'long reader',
        reader: pid,
        thread,
        label: label ?? '',
        endMark,
        ageMs: Math.round(ageMs),
        framesHeld,
      }),
    )
    this.#control.syncInlineUpTo(SYNC_INLINE_MAX)
    this.#control.delegateCheckpoints(() => this.#checkpointer.request())
  }

  /**
   * @throws (rejects) ENDMARK_BUSY if another process has the role, naming it; whatever opening the database or the
   *   socket throws
   */
  static async start(path: string, options: WriterProcessOptions): Promise<WriterProcess> {
    const { create = true, autoCheckpoint = AUTO_CHECKPOINT_FRAMES, idleExitMs = 0, log } = options
    const {
      walLimit = Number.POSITIVE_INFINITY,
      snapshotTimeout = Number.POSITIVE_INFINITY,
      allowFuse = false,
    } = options
    const db = await open(path, { create, writer: 'inline', autoCheckpoint, walLimit, snapshotTimeout, allowFuse })
    try {
      // Lost before `writer` is there to be told: the role alone says so, and is asked below.
      let writer: WriterProcess | null = null
      const onLost = (reason: Error) => void writer?.stop('the role was lost', reason)
      const role = await RoleLock.acquire(db.path, 'writer', { onLost })
      try {
        writer = new WriterProcess(db, role, options)
        await writer.#serve(idleExitMs)
        if (!role.isHeld) void writer.stop('the role was lost', new Error(`${role.path} is held by another process`))
      } catch (error) {
        await role.release()
        throw error
      }
      log({ event: 'start', pid: process.pid, database: db.path, socket: writer.#server!.socketPath })
      return writer
    } catch (error) {
      await db.close()
      throw error
    }
  }

  get isEnding(): boolean {
    return this.#ending !== null
  }

  stats(): WriterStats {
    const { logFrames, backfilled, checkpoints: ownCheckpoints } = this.#db.stats()
    const checkpoints = ownCheckpoints + this.#checkpointer.made
    const clients = this.#server?.stats().clients ?? 0
    return {
      clients,
      ...this.#control.counts,
      logFrames,
      backfilled,
      checkpoints,
      checkpointer: this.#checkpointer.pid ?? 0,
    }
  }

  /** Ends it; resolves when everything is closed. */
  stop(reason: string, failure: Error | null = null): Promise<void> {
    this.#ending ??= this.#end({ reason, failure })
    return this.#ending
  }

  async #serve(idleExitMs: number): Promise<void> {
    this.#server = await WriterServer.start({
      path: this.path,
      handler: requestHandlerOf(this.#db),
      log: this.#log,
      checkpointRequested: () => this.#checkpointRequested(),
    })
    this.#checkpointer.start()
    this.#watch = setInterval(() => this.#look(idleExitMs), WATCH_MS)
  }

  /** A client's own commits have made it due. */
  #checkpointRequested(): void {
    if (this.#checkpointer.request() || this.#ending !== null) return
    this.#db.checkpoint().catch((error: Error) => this.#log({ event: 'checkpoint failed', message: error.message }))
  }

  #look(idleExitMs: number): void {
    if (this.#control.hasFailed) {
      const message = `a sync of the log of ${this.path} has failed: clients go on by themselves`
      void this.stop('the disk has failed', new EndmarkError('ENDMARK_IO', message, { file: this.path }))
    } else if (idleExitMs > 0 && this.#server!.stats().idleMs >= idleExitMs) {
      void this.stop('no client needs it')
    }
  }

  async #end({ reason, failure }: WriterEnd): Promise<void> {
    if (this.#watch !== null) clearInterval(this.#watch)
    this.#log({ event: 'stopping', reason, ...(failure === null ? {} : { message: failure.message }) })
    await this.#server?.close()
    await this.#checkpointer.stop()
    let closing: unknown = null
    // What the log still holds stays there; the next one to open the database copies it.
    await this.#db.close().catch((error: unknown) => {
      closing = error
    })
    await this.#role.release()
    const cause = failure ?? (closing as Error | null)
    this.#log({ event: 'stop', reason, ...(cause === null ? {} : { message: cause.message }) })
    this.#resolveEnded({ reason, failure: cause })
  }
}

/** The first SIGTERM or SIGINT ends it in order, the second at once: nothing acknowledged is lost by that either. */
export function stopOnSignals(writer: WriterProcess): void {
  let isStopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1)
    isStopping = true
    void writer.stop(signal)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
