/**
 * What one connection holds of the log: the files, the locks, the newest header it has seen. The steps of the
 * protocol (append, restart, recovery, checkpoint, snapshots) are functions over this in files of their own.
 *
 * A connection belongs to one Database in one thread. Several connections of one process conflict through the kernel
 * like those of different processes, since each has open file descriptions of its own.
 */
import { corrupt, EndmarkError, unsupported } from '../errors.js'
import { PAGE_SIZE_MAX } from '../format/index.js'
import { type FrameNumber, NO_FRAME } from '../units.js'
import { type Blocking, MapWindows, type Vfs, type VfsFile, waitFor } from '../vfs/index.js'
import { IndexHeader } from './index-header.js'
import { tryRecover } from './recovery.js'
import type { WalFile } from './wal-file.js'
import type { WalIndex } from './wal-index.js'
import type { WalLocks } from './wal-locks.js'

export interface WalParts {
  readonly vfs: Vfs
  readonly main: VfsFile
  readonly log: WalFile
  readonly index: WalIndex
  readonly locks: WalLocks
  readonly pageSize: number
  /** Milliseconds to wait for a lock before ENDMARK_BUSY. */
  readonly timeoutMs: number
}

export class Wal {
  readonly vfs: Vfs
  readonly main: VfsFile
  readonly mainWindows: MapWindows
  readonly log: WalFile
  readonly index: WalIndex
  readonly locks: WalLocks
  readonly pageSize: number
  readonly timeoutMs: number
  /** The newest published header this connection has read: whole at any time, as others of it may look while one waits. */
  readonly header = new IndexHeader()
  /** Where the next one is read: perhaps the halves of two. */
  readonly #read = new IndexHeader()
  /**
   * A commit with a mode above `off` went through here. From then on checkpoints and restarts sync in mode `off` as well:
   * unsynced copies and overwritten frames would take its durability away again (DUR-2).
   */
  hasDurableCommits = false
  #failure: EndmarkError | null = null

  constructor(parts: WalParts) {
    this.vfs = parts.vfs
    this.main = parts.main
    this.mainWindows = new MapWindows(parts.main)
    this.log = parts.log
    this.index = parts.index
    this.locks = parts.locks
    this.pageSize = parts.pageSize
    this.timeoutMs = parts.timeoutMs
    parts.locks.onReleaseFailed((cause) => {
      this.#failWith(`a lock of ${this.main.path} could not be let go`, { file: this.index.file.path, cause })
    })
  }

  /** Waits for the WRITE lock and brings `header` up to date. The caller releases the lock. */
  *lockWrite(signal?: AbortSignal, timeoutMs = this.timeoutMs): Blocking<void> {
    const { locks, vfs } = this
    // A checkpoint of our own, which has a deadline itself. A blocking caller is refused before it gets here.
    if (locks.isHeld('WRITE')) yield { sync: () => {}, async: () => locks.writeReleased() }
    yield* waitFor(() => this.tryLockWrite(), { vfs, timeoutMs, signal, what: `the WRITE lock of ${this.main.path}` })
  }

  /**
   * Tries to take WRITE and brings `header` up to date. Whoever published it is done then, so an invalid one was left by a
   * crash and is rebuilt. The caller releases the lock.
   * @returns false, holding nothing new, if another connection is in the way
   */
  tryLockWrite(held: { readonly holdsCkpt?: boolean } = {}): boolean {
    const { locks } = this
    if (!locks.tryExclusive('WRITE')) return false
    let isReady = false
    try {
      isReady = (this.tryRefresh() || tryRecover(this, held)) && this.#tryMendBackfill(held)
    } finally {
      if (!isReady) locks.releaseExclusive('WRITE')
    }
    return isReady
  }

  /**
   * A backfill past the end mark is what SQLite leaves when it dies while starting the log over: it belongs to the log before,
   * and would soon pass for the backfill of this one (WAL-6). @requires lock WRITE
   */
  #tryMendBackfill({ holdsCkpt = false }: { readonly holdsCkpt?: boolean }): boolean {
    const { header, index, locks } = this
    if (index.backfill <= header.endMark) return true
    if (!holdsCkpt && !locks.tryExclusive('CKPT')) return false
    index.backfill = NO_FRAME
    if (!holdsCkpt) locks.releaseExclusive('CKPT')
    return true
  }

  /**
   * Reads the newest header without the WRITE lock, rebuilding the wal-index if its writer died half-way.
   * @throws ENDMARK_BUSY if a living writer or another recovery keeps the header unreadable past the timeout
   */
  *refresh(held: { readonly holdsCkpt?: boolean } = {}): Blocking<void> {
    if (this.tryRefresh()) return
    const attempt = () => this.tryRefresh() || this.#tryRepair(held)
    const what = `the header of the wal-index of ${this.main.path}`
    yield* waitFor(attempt, { vfs: this.vfs, timeoutMs: this.timeoutMs, what })
  }

  #tryRepair(held: { readonly holdsCkpt?: boolean }): boolean {
    const isReady = this.tryLockWrite(held)
    if (isReady) this.locks.releaseExclusive('WRITE')
    return isReady
  }

  /** @returns false if the header cannot be used as it is: `refresh` waits, or mends it */
  tryRefresh(): boolean {
    const { index } = this
    const read = this.#read
    if (!index.readHeader(read)) {
      if (read.hasForeignVersion()) throw unsupported(`${index.file.path}: a wal-index of another version`)
      return false
    }
    if (read.endMark !== NO_FRAME && read.pageSize !== this.pageSize) throw this.otherPageSize(read.pageSize)
    if (!index.covers(read.endMark)) return false
    this.header.copyFrom(read)
    return true
  }

  /**
   * Most pages that a database can have whose log ends there: each is in the main file or has a frame. The lock-byte page has
   * neither, so there is a margin of the largest page, as SQLite has it.
   */
  pageCountMax(endMark: FrameNumber): number {
    return Math.ceil((this.main.size() + PAGE_SIZE_MAX) / this.pageSize) + endMark
  }

  otherPageSize(pageSize: number): EndmarkError {
    const what = `the log has pages of ${pageSize} bytes, the main file of ${this.pageSize}`
    return corrupt({ file: this.log.path, what })
  }

  /**
   * Remembers that syncing the log failed: the kernel has marked those pages clean, so a second sync would
   * succeed without having written anything (DUR-3).
   */
  fail(cause: unknown): EndmarkError {
    return this.#failWith(`the log of ${this.main.path} could not be made durable`, { file: this.log.path, cause })
  }

  #failWith(what: string, details: { readonly file: string; readonly cause: unknown }): EndmarkError {
    this.#failure ??= new EndmarkError('ENDMARK_IO', `${what}; reopen the database before writing again`, details)
    return this.#failure
  }

  get hasFailed(): boolean {
    return this.#failure !== null
  }

  /** @throws ENDMARK_IO after a failed sync of the log, or with a lock that could not be let go */
  assertHealthy(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** Makes the log durable; a failure is final for this connection. */
  *syncLog({ syncInline = false, forCheckpoint = false } = {}): Blocking<void> {
    this.assertHealthy()
    try {
      yield* this.log.sync({ syncInline, forCheckpoint })
    } catch (error) {
      throw this.fail(error)
    }
  }
}
