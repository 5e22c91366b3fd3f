/**
 * A Database: one connection to one file, and what users do with it. It joins the layers and adds nothing to the
 * protocol: reads go to the newest committed state of this event-loop turn, writes to the committer, and closing waits
 * for both.
 *
 * Not here: how files are opened (index.ts), how commits are made (txn/), how stores keep their data (store/).
 */

import { assertFunction } from './arguments.js'
import { type CheckOptions, type CheckReport, checkedLimit, DatabaseCheck, reportOf, runCheck } from './check/index.js'
import { abortError, EndmarkError, unsupported } from './errors.js'
import { AUTO_CHECKPOINT_FRAMES } from './limits.js'
import {
  type PoolOptions,
  type ResolvedCommitOptions,
  type ResolvedOptions,
  requireLongReader,
  resolveCommitOptions,
  resolvePoolOptions,
  resolveSnapshotOptions,
  resolveWatchOptions,
  type SnapshotOptions,
  type WatchOptions,
} from './options.js'
import { dirtyPagesMax, Pager, TurnPages } from './pager/index.js'
import { collectStats, type DatabaseStats } from './stats.js'
import {
  assertName,
  type ColumnValue,
  type CommitOptions,
  type MapOptions,
  type Operation,
  type OperationResult,
  type OrderedMap,
  openMap,
  openTable,
  SchemaCache,
  Store,
  type StoreHost,
  type StoreInfo,
  type Table,
  type TableKey,
  type TableOptions,
} from './store/index.js'
import {
  AutoCheckpoint,
  BackgroundCheckpoint,
  type BackgroundCheckpointOptions,
  BatchSchemas,
  ChangeFeed,
  type Changes,
  type CheckpointReport,
  type CheckpointRequest,
  ClientCommits,
  type CommitCounts,
  CommitRequests,
  type Committer,
  GroupCommit,
  HeldSnapshots,
  InlineCommitter,
  KnownSchema,
  LogRoom,
  type LongReaderListener,
  LongReaders,
  type OpenReaderThreads,
  OpenSnapshots,
  type OpenWriterLink,
  type Pin,
  type ReaderPool,
  ReaderPools,
  RemoteCommitter,
  RequestedCheckpoints,
  type RequestHandler,
  recordTransaction,
  type Snapshot,
  type Transaction,
} from './txn/index.js'
import { type Attachment, detach, type HandedState, ReaderRegistry } from './wal/index.js'

/** A log this many times longer than `autoCheckpoint` is tended by nobody. */
const UNTENDED_LOG_FACTOR = 16

/** What the process of a role may do with its Database beyond the API. */
export interface CommitControl {
  /** Asks `delegate` from now on when a checkpoint is due; where it returns false, this Database runs it. */
  delegateCheckpoints(delegate: () => boolean): void
  /** Runs `work` between two batches; what it throws is thrown on. */
  between(work: () => Promise<unknown>): Promise<void>
  /** Batches of up to so many transactions may sync on the event loop, where that is fast. */
  syncInlineUpTo(batchMax: number): void
  /** Commits at half its pace, or no longer does, for a checkpoint that falls behind. */
  slowDown(isSlow: boolean): void
  readonly counts: CommitCounts
  /** A sync of the log has failed: every further commit is refused. */
  readonly hasFailed: boolean
}

export type { Store } from './store/index.js'
export type {
  BackgroundCheckpoint,
  CheckpointPace,
  ReaderThreads,
  ReaderThreadsOptions,
  ReadTask,
  TaskState,
} from './txn/index.js'
export { isTransfer } from './txn/index.js'

let commitControl: (database: Database) => CommitControl
let takeOverBy: (database: Database, state: HandedState) => Snapshot
let requestHandler: (database: Database) => RequestHandler
let backgroundCheckpoint: (
  database: Database,
  options: Omit<BackgroundCheckpointOptions, 'synchronous'>,
) => BackgroundCheckpoint

/** For the writer process. */
export function commitControlOf(database: Database): CommitControl {
  return commitControl(database)
}

/**
 * For the writer process: commits what its clients send.
 * @throws ENDMARK_READONLY, ENDMARK_CLOSED
 */
export function requestHandlerOf(database: Database): RequestHandler {
  return requestHandler(database)
}

/**
 * For a reader thread: the very state that a snapshot of the Database in another thread holds.
 * @throws ENDMARK_SNAPSHOT_EXPIRED if it was let go meanwhile; ENDMARK_CLOSED
 */
export function takeOver(database: Database, state: HandedState): Snapshot {
  return takeOverBy(database, state)
}

/** For the checkpointer process. */
export function checkpointerOf(
  database: Database,
  options: Omit<BackgroundCheckpointOptions, 'synchronous'>,
): BackgroundCheckpoint {
  return backgroundCheckpoint(database, options)
}

export class Database {
  /** Absolute path of the main file. */
  readonly path: string
  readonly #attachment: Attachment
  readonly #options: ResolvedOptions
  readonly #pager: Pager
  readonly #turn: TurnPages
  readonly #schemas = new SchemaCache()
  readonly #snapshots: OpenSnapshots
  readonly #committer: Committer
  /** Schemas of the batches of `#commits`. */
  readonly #batchSchemas = new BatchSchemas(this.#schemas)
  #requests: CommitRequests | null = null
  readonly #clientCommits = new ClientCommits(this.#batchSchemas)
  readonly #autoCheckpoint: AutoCheckpoint
  readonly #registry: ReaderRegistry
  readonly #held: HeldSnapshots<Pin>
  readonly #longReaders: LongReaders
  readonly #feed: ChangeFeed
  readonly #knownSchema: KnownSchema
  readonly #checkpoints: RequestedCheckpoints
  readonly #host: StoreHost
  readonly #commits: GroupCommit
  #delegateCheckpoint: () => boolean = () => false
  #closing: Promise<void> | null = null
  readonly #openReaderThreads: OpenReaderThreads | undefined
  readonly #pools = new ReaderPools()

  static {
    commitControl = (database) => database.#commitControl()
    requestHandler = (database) => database.#requestHandler()
    takeOverBy = (database, state) => database.#snapshots.takeOver(state)
    backgroundCheckpoint = (database, options) =>
      new BackgroundCheckpoint(database.#attachment.wal, { ...options, synchronous: database.#options.synchronous })
  }

  /**
   * Use `open`.
   * @param openLink the way to a writer process; without one, this Database commits by itself
   * @param openReaderThreads starts the threads of a pool
   * @throws ENDMARK_UNSUPPORTED, ENDMARK_CORRUPT for what the newest state says of itself; the attachment stays open
   */
  constructor(
    attachment: Attachment,
    options: ResolvedOptions,
    openLink?: OpenWriterLink,
    openReaderThreads?: OpenReaderThreads,
  ) {
    const { wal, header } = attachment
    this.#openReaderThreads = openReaderThreads
    this.path = attachment.path
    this.#attachment = attachment
    this.#options = options
    this.#pager = new Pager(wal, { usableSize: header.usableSize, cacheLimitBytes: options.cacheLimit })
    this.#pager.verify(options)
    this.#turn = new TurnPages(wal, this.#pager)
    this.#knownSchema = new KnownSchema(wal, this.#turn, this.#schemas)
    this.#registry = new ReaderRegistry(wal.vfs, wal.main)
    this.#held = new HeldSnapshots(wal, this.#registry)
    const { synchronous, autoCheckpoint } = options
    const longReaders = new LongReaders(wal, this.#registry, {
      frames: autoCheckpoint === 0 ? AUTO_CHECKPOINT_FRAMES : autoCheckpoint,
      snapshotTimeoutMs: options.snapshotTimeout,
      expired: () => this.#held.look(),
    })
    this.#longReaders = longReaders
    this.#autoCheckpoint = new AutoCheckpoint(wal, {
      frames: autoCheckpoint,
      synchronous,
      betweenBatches: (work) => commits.between(work),
      delegate: () => this.#delegateCheckpoint() || this.#askForCheckpoint(),
    })
    this.#checkpoints = new RequestedCheckpoints({
      wal,
      turn: this.#turn,
      autoCheckpoint: this.#autoCheckpoint,
      longReaders,
      synchronous,
      timeoutMs: options.timeout,
    })
    this.#feed = new ChangeFeed({
      wal,
      pager: this.#pager,
      subscribe: (isWatching) => this.#committer.watch(isWatching),
    })
    const room = new LogRoom(wal, this.#pager, {
      limitBytes: options.walLimit,
      synchronous,
      letGo: () => this.#turn.release(),
      delegate: () => this.#delegateCheckpoint(),
      blocked: () => longReaders.blocked(),
    })
    const commits = new GroupCommit(
      wal,
      this.#pager,
      {
        beforeBlocking: () => {
          this.#autoCheckpoint.giveWay()
          this.#turn.release()
        },
        beforeLock: (request) => room.wait(request),
        beforeBatch: () => {
          this.#committer.locked()
          this.#turn.release()
        },
        beforeAppend: (pages) => this.#clientCommits.beforeAppend(pages),
        published: (pages) => {
          this.#knownSchema.know(this.#schemas.of(pages))
          this.#committer.published()
        },
        afterCommit: (commit) => {
          this.#autoCheckpoint.afterCommit(commit)
          longReaders.look()
          this.#feed.wake()
        },
      },
      options.dirtyLimit,
    )
    this.#commits = commits
    this.#host = {
      pages: () => this.#turn.current(),
      pin: () => this.#snapshots.pinNewest(),
      schema: (pages) => this.#schemas.of(pages),
      newestSchema: () => {
        // A closing one still has commits under way, until it says otherwise.
        if (this.#closing !== null) return this.#schemas.of(this.#turn.current())
        return this.#knownSchema.newest()
      },
      submit: (operations, given) => this.#submit(operations, given),
      write: (operations, given) => this.#write(operations, given),
    }
    this.#snapshots = new OpenSnapshots({
      path: this.path,
      pager: this.#pager,
      turn: this.#turn,
      held: this.#held,
      host: this.#host,
    })
    const inline = new InlineCommitter(this.#host, commits, this.#batchSchemas)
    this.#committer = openLink === undefined ? inline : this.#remoteCommitter(inline, openLink)
  }

  /** True until `close` is called. */
  get isOpen(): boolean {
    return this.#closing === null
  }

  /**
   * Opens a map, and creates it if `options` are given and there is none of this name.
   * @param options `key`: text, integer, real, blob or any; `value`: the same or json. They tell the types of keys and
   *   values too, unless those are given
   * @throws (rejects) ENDMARK_NOT_FOUND without options if there is none; ENDMARK_INVALID_ARGUMENT if what is there is
   *   defined otherwise; ENDMARK_UNSUPPORTED if it is no map
   */
  map<const Options extends MapOptions>(
    name: string,
    options: Options,
  ): Promise<OrderedMap<ColumnValue<Options['key']>, ColumnValue<Options['value']> | null>>
  map<K = string, V = unknown>(name: string, options?: MapOptions): Promise<OrderedMap<K, V>>
  map<K, V>(name: string, options?: MapOptions): Promise<OrderedMap<K, V>> {
    return openMap(this.#host, name, options)
  }

  /**
   * Opens a table, whoever made it, and creates it if `options` are given and there is none of this name.
   * @param options `columns` by name: integer, real, text, blob, json or any; `primaryKey`: a column or several. One
   *   integer column makes a rowid table, anything else a WITHOUT ROWID table
   * @throws (rejects) as `map`
   */
  table<Row extends object = Record<string, unknown>, Key = TableKey>(
    name: string,
    options?: TableOptions,
  ): Promise<Table<Row, Key>> {
    return openTable(this.#host, name, options)
  }

  /**
   * What is in the newest committed state: names, columns, keys, indexes, and whether each can be written.
   * @throws ENDMARK_CORRUPT; ENDMARK_CLOSED; ENDMARK_IO; ENDMARK_UNSUPPORTED if the wal-index has another
   *   version now; ENDMARK_BUSY if no state could be read within `timeout`, for which this blocks
   */
  stores(): StoreInfo[] {
    const pages = this.#turn.current()
    return this.#schemas.of(pages).stores()
  }

  /**
   * Drops a store with its indexes; its pages are used again.
   * @throws (rejects) ENDMARK_NOT_FOUND; ENDMARK_UNSUPPORTED for what is not a plain table of this file
   */
  async dropStore(name: string, options?: CommitOptions): Promise<void> {
    assertName(name)
    await this.#write([{ type: 'drop', store: name }], options)
  }

  /**
   * Runs `fn` as one serializable transaction: it reads the newest committed state and its own changes, and either
   * all of its changes are committed or, if it throws, none. `fn` is synchronous and may run more than once.
   * @returns what `fn` returned, once the commit is as durable as `synchronous` asks
   * @throws (rejects) what `fn` throws; ENDMARK_BUSY if no lock came free within `timeout`; ENDMARK_WAL_FULL if the log was at
   *   `walLimit` for so long; ENDMARK_IO, ENDMARK_CORRUPT: nothing is committed; ENDMARK_UNSUPPORTED if the database must not be
   *   written any more; ENDMARK_INVALID_ARGUMENT, also if `fn` returns a promise; ENDMARK_READONLY; ENDMARK_CLOSED; an AbortError
   *   if `signal` aborts before it began
   */
  async transaction<T>(fn: (tx: Transaction) => T, options?: CommitOptions): Promise<T> {
    this.#assertWritable()
    assertFunction(fn, 'what transaction runs')
    return this.#committer.transaction(fn, this.#commitOptions(options))
  }

  /**
   * The same, blocking the calling thread, also while it waits for locks: for scripts. Writes that were called before and not
   * awaited may be committed after it.
   * @throws as `transaction`; ENDMARK_BUSY while an asynchronous commit of this Database is under way
   */
  transactionSync<T>(fn: (tx: Transaction) => T, options?: Pick<CommitOptions, 'synchronous'>): T {
    this.#assertWritable()
    assertFunction(fn, 'what transactionSync runs')
    const { synchronous, signal } = this.#commitOptions(options)
    // Of a variable that has one: nothing can abort it later.
    if (signal?.aborted) throw abortError(signal)
    return this.#committer.transactionSync(fn, { synchronous })
  }

  /**
   * Calls `fn` with a snapshot of the newest committed state, and closes it when `fn` returns.
   * @returns what `fn` returned
   * @throws what `fn` throws; otherwise as `stores`
   */
  read<T>(fn: (snapshot: Snapshot) => T): T {
    assertFunction(fn, 'what read runs')
    const snapshot = this.snapshot()
    try {
      return fn(snapshot)
    } finally {
      snapshot.close()
    }
  }

  /**
   * The newest committed state, or the one that `token` names, unchanged until `close`. Close it: an open one keeps the log from
   * being started over.
   * @throws ENDMARK_SNAPSHOT_EXPIRED if the database no longer has the state of the token; ENDMARK_BUSY if a checkpoint is under
   *   way, for which this blocks up to `timeout`; ENDMARK_CLOSED; ENDMARK_CORRUPT; ENDMARK_INVALID_ARGUMENT
   */
  snapshot(options: SnapshotOptions = {}): Snapshot {
    const { label, token } = resolveSnapshotOptions(options)
    return this.#snapshots.open(token, label)
  }

  /**
   * Starts worker threads that read this database: each opens the files itself, so no page crosses from one thread to another.
   * @throws (rejects) the error that kept a thread from opening the database; ENDMARK_INVALID_ARGUMENT; ENDMARK_CLOSED
   */
  async pool(options: PoolOptions = {}): Promise<ReaderPool> {
    const { threads: count } = resolvePoolOptions(options)
    this.#turn.assertOpen()
    if (this.#openReaderThreads === undefined)
      throw unsupported('worker threads over a vfs other than that of the system')
    const openThreads = this.#openReaderThreads
    return this.#pools.open(async () => {
      const { timeout: timeoutMs, cacheLimit: cacheLimitBytes } = this.#options
      const threads = await openThreads(this.path, { count, timeoutMs, cacheLimitBytes })
      return { threads, host: this.#host, snapshot: () => this.snapshot({ label: 'pool' }) }
    })
  }

  /**
   * Calls back when the log cannot be started over because of a reader that is older than a second: with the oldest one, at
   * most once a second, after a commit or checkpoint of this Database, or while one waits for room in the log.
   */
  on(event: 'long-reader', listener: LongReaderListener): this {
    requireLongReader(event)
    assertFunction(listener, 'a listener')
    this.#longReaders.on(listener)
    return this
  }

  /** No longer calls back. */
  off(event: 'long-reader', listener: LongReaderListener): this {
    requireLongReader(event)
    assertFunction(listener, 'a listener')
    this.#longReaders.off(listener)
    return this
  }

  /**
   * The commits from now on, of every process, SQLite's included, in their order: which stores were touched, and under which keys, as
   * far as that can be found out. One that a slow consumer has let pass is told together with later ones. The iterator ends
   * with `return()`, as by leaving its loop, and when the Database is closed. While a change is awaited, the process stays alive.
   * @throws ENDMARK_INVALID_ARGUMENT; ENDMARK_CLOSED. What is awaited rejects with an AbortError if `signal` aborts, and as
   *   reads do if the newest state cannot be read; that ends the watch
   */
  watch(options: WatchOptions = {}): Changes {
    const { stores, signal } = resolveWatchOptions(options)
    if (this.#closing !== null) throw this.#closed()
    for (const store of stores ?? []) if (store instanceof Store) store.assertOf(this.#host)
    const names = stores?.map((store) => (typeof store === 'string' ? store : store.name)) ?? null
    return this.#feed.open(names, signal)
  }

  /**
   * Pages, log, backfill and read marks as they are now; counts of this Database.
   * @throws as `stores`
   */
  stats(): DatabaseStats {
    const pages = this.#turn.current()
    this.#held.look()
    return collectStats(this.#attachment.wal, pages, {
      checkpoints: this.#autoCheckpoint.completed,
      checkpointFailure: this.#autoCheckpoint.failure,
      openSnapshots: this.#held.count,
      readers: this.#longReaders.list(),
      writer: this.#committer.status,
    })
  }

  /**
   * Copies the log into the main file. `passive` waits for nobody; `full`, `restart` and `truncate` wait for writers and
   * readers up to `timeout`, and then do what they can and report `busy`.
   * @throws (rejects) ENDMARK_IO: nothing is lost, the log keeps every frame; ENDMARK_READONLY; ENDMARK_CLOSED
   */
  async checkpoint(request: CheckpointRequest = {}): Promise<CheckpointReport> {
    this.#assertWritable()
    return this.#checkpoints.run(request)
  }

  /**
   * Checks the whole of the newest committed state, log and wal-index included, as completely as SQLite's integrity_check but
   * for what takes SQL: CHECK constraints, values of expressions in indexes, conditions of partial indexes. Writes nothing.
   * Every few milliseconds other work gets its turn. The state is held meanwhile, as by a snapshot.
   * @returns what is wrong, each with file, page and offset in that file; damage never makes it reject
   * @throws (rejects) an AbortError; ENDMARK_CLOSED if the Database is closed meanwhile; ENDMARK_IO;
   *   ENDMARK_INVALID_ARGUMENT
   */
  async check(options: CheckOptions = {}): Promise<CheckReport> {
    const limit = checkedLimit(options)
    const { wal } = this.#attachment
    let pin: Pin | undefined
    try {
      pin = this.#snapshots.pinNewest()
      const held = pin
      const check = new DatabaseCheck(wal, held.held, limit)
      return await runCheck(check, { ...options, vfs: wal.vfs, assertHeld: () => held.assertOpen() })
    } catch (error) {
      return reportOf(error, this.path)
    } finally {
      pin?.release()
    }
  }

  /**
   * Waits for commits and checkpoints under way, closes open snapshots and lets the file go. The last one to close
   * removes -wal and -shm. Idempotent.
   * @throws (rejects) ENDMARK_IO if the last closer could not copy the log: nothing is lost, the next one to open does it
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#feed.close()
    // Before all else: a checkpoint, and the commits behind it, may be waiting for just these.
    this.#snapshots.releaseAll()
    await this.#pools.close()
    await this.#committer.close()
    this.#snapshots.releaseAll()
    this.#turn.close()
    await this.#autoCheckpoint.stop()
    await this.#checkpoints.settled()
    this.#held.stop()
    let failure: unknown
    try {
      this.#registry.close()
    } finally {
      failure = detach(this.#attachment, this.#options.synchronous)
    }
    if (failure !== null) throw failure
  }

  #commitControl(): CommitControl {
    const commits = this.#commits
    const { wal } = this.#attachment
    return {
      delegateCheckpoints: (delegate) => {
        this.#delegateCheckpoint = delegate
      },
      between: (work) => commits.between(work),
      syncInlineUpTo: (batchMax) => commits.syncInlineUpTo(batchMax),
      slowDown: (isSlow) => commits.slowDown(isSlow),
      get counts() {
        return commits.counts
      },
      get hasFailed() {
        return wal.hasFailed
      },
    }
  }

  #remoteCommitter(inline: InlineCommitter, openLink: OpenWriterLink): RemoteCommitter {
    const { wal } = this.#attachment
    const parts = {
      host: this.#host,
      pager: this.#pager,
      turn: this.#turn,
      schemas: this.#schemas,
      dirtyPagesMax: dirtyPagesMax(this.#options.dirtyLimit, wal.pageSize),
    }
    return new RemoteCommitter({
      path: this.path,
      wal,
      commits: this.#commits,
      inline,
      clientCommits: this.#clientCommits,
      openLink,
      record: (fn) => recordTransaction(parts, fn),
      newestPages: () => this.#turn.current(),
      changed: () => {
        this.#longReaders.look()
        this.#feed.wake()
      },
    })
  }

  /** A log that the writer process has let grow so far is copied here: it may stand still. */
  #askForCheckpoint(): boolean {
    const { header, index } = this.#attachment.wal
    const { autoCheckpoint } = this.#options
    if (header.endMark - index.backfill > autoCheckpoint * UNTENDED_LOG_FACTOR) return false
    return this.#committer.requestCheckpoint()
  }

  /** Throws what it refuses; whoever hands it out as an API rejects with that. */
  #submit(operations: readonly Operation[], options?: CommitOptions): Promise<OperationResult[]> {
    this.#assertWritable()
    return this.#committer.submit(operations, this.#commitOptions(options))
  }

  /** As `#submit`, where nobody asks for the results. */
  #write(operations: readonly Operation[], options?: CommitOptions): Promise<void> {
    this.#assertWritable()
    return this.#committer.write(operations, this.#commitOptions(options))
  }

  #commitOptions(given: CommitOptions | undefined): ResolvedCommitOptions {
    return resolveCommitOptions(given, this.#options.synchronous)
  }

  #requestHandler(): RequestHandler {
    this.#assertWritable()
    this.#requests ??= new CommitRequests({
      wal: this.#attachment.wal,
      commits: this.#commits,
      schemas: this.#batchSchemas,
      clients: this.#clientCommits,
    })
    return this.#requests
  }

  #assertWritable(): void {
    if (this.#closing !== null) throw this.#closed()
    if (this.#options.readOnly) throw new EndmarkError('ENDMARK_READONLY', `${this.path} was opened with readOnly`)
  }

  #closed(): EndmarkError {
    return new EndmarkError('ENDMARK_CLOSED', `the Database ${this.path} has been closed`)
  }
}
