/**
 * The pager of one connection: committed states to read from, and batches to write. It joins the snapshots of the
 * log with the pages of the maps.
 */
import { corrupt, unsupported } from '../errors.js'
import { decodeFileHeader, type FileHeader } from '../format/index.js'
import { frameNumber, pageNumber } from '../units.js'
import { type HandedState, type Snapshot, Snapshots, type StateName, type Wal } from '../wal/index.js'
import type { Page } from './page.js'
import { type CommittedPages, PageSource, type PageSourceOptions } from './page-source.js'
import { BufferPool, type DirtyLimit, WritePages } from './write-pages.js'

const PAGE_ONE = pageNumber(1)

/** A held snapshot and the pages of it. */
export interface HeldPages {
  readonly snapshot: Snapshot
  readonly pages: CommittedPages
}

export class Pager {
  readonly #wal: Wal
  readonly #source: PageSource
  readonly #snapshots: Snapshots
  readonly #pool: BufferPool
  /** The reader made for the newest snapshot, shared by all who hold that. */
  #newest: HeldPages | null = null

  /** What main file and log could hold when they were last looked at. */
  #pageCountMax = 0
  /** Page 1 as it was when it was last found writable. */
  #writablePageOne: Page | null = null

  constructor(wal: Wal, options: PageSourceOptions) {
    this.#wal = wal
    this.#source = new PageSource(wal, options)
    this.#snapshots = new Snapshots(wal, this.#source)
    this.#pool = new BufferPool(wal.pageSize)
  }

  /** The newest committed state. The caller gives it back with `release`. */
  acquire(): HeldPages {
    const snapshot = this.#snapshots.acquire()
    if (this.#newest?.snapshot === snapshot) return this.#newest
    try {
      this.#newest = { snapshot, pages: this.#source.reader(snapshot) }
      return this.#newest
    } catch (error) {
      snapshot.release()
      throw error
    }
  }

  /**
   * A committed state by its name. The caller gives it back with `release`.
   * @returns null if there is no such state any more
   */
  acquirePast(name: StateName): HeldPages | null {
    return this.#readPast(this.#snapshots.acquirePast(name))
  }

  /**
   * A state that another thread of this process holds. The caller gives it back with `release`.
   * @returns null if that thread has let it go meanwhile
   */
  takeOver(state: HandedState): HeldPages | null {
    return this.#readPast(this.#snapshots.takeOver(state))
  }

  #readPast(snapshot: Snapshot | null): HeldPages | null {
    if (snapshot === null) return null
    if (this.#newest?.snapshot === snapshot) return this.#newest
    try {
      return { snapshot, pages: this.#source.readerOfPast(snapshot) }
    } catch (error) {
      snapshot.release()
      throw error
    }
  }

  hold(held: HeldPages): HeldPages {
    held.snapshot.hold()
    return held
  }

  release(held: HeldPages): void {
    held.snapshot.release()
    if (!held.snapshot.isHeld) held.pages.close()
  }

  /**
   * A new batch of changes on the newest committed state, the log restarted before if possible. @requires lock WRITE
   * @throws ENDMARK_UNSUPPORTED if that state must not be written to
   */
  beginWrite(limit: DirtyLimit): WritePages {
    const pages = this.#source.reader(this.#snapshots.underWrite())
    this.#assertWritable(pages)
    return new WritePages(pages, this.#pool, this.#source.lockBytePage, limit)
  }

  /** A batch of changes behind one that is not published yet, and that it keeps from being closed. @requires lock WRITE */
  beginBehind(before: WritePages, limit: DirtyLimit): WritePages {
    return new WritePages(before, this.#pool, this.#source.lockBytePage, limit)
  }

  /** Starts the log over if possible, with the caches in step, as a batch does before it begins. @requires lock WRITE */
  followLog(): void {
    this.#snapshots.underWrite()
  }

  /**
   * Changes on a held state that nobody else sees and that are thrown away: the caller ends them with `forget`.
   * @throws ENDMARK_UNSUPPORTED if that state must not be written to
   */
  beginPrivate({ pages }: HeldPages, limit: DirtyLimit): WritePages {
    this.#assertWritable(pages)
    return new WritePages(pages, this.#pool, this.#source.lockBytePage, limit)
  }

  /**
   * Checks what page 1 of the newest state says of the database: the main file may be older than the log.
   * @throws ENDMARK_UNSUPPORTED, ENDMARK_CORRUPT
   */
  verify({ readOnly }: { readonly readOnly: boolean }): void {
    const held = this.acquire()
    try {
      if (readOnly) this.#assertSameLayout(decodeFileHeader(held.pages.page(PAGE_ONE).bytes, this.#source.mainPath))
      else this.#assertWritable(held.pages)
    } finally {
      this.release(held)
    }
  }

  /** What the file header allowed when the database was opened, SQLite may have changed since: auto-vacuum, for one. */
  #assertWritable(pages: CommittedPages): void {
    this.#assertPlausibleLength(pages)
    const pageOne = pages.page(PAGE_ONE)
    if (pageOne === this.#writablePageOne) return
    const { mainPath } = this.#source
    const header = decodeFileHeader(pageOne.bytes, mainPath)
    if (header.readOnlyReason !== null) throw unsupported(`${mainPath}: writing with ${header.readOnlyReason}`)
    this.#assertSameLayout(header)
    this.#writablePageOne = pageOne
  }

  #assertSameLayout(newest: FileHeader): void {
    const { mainPath, pageSize, usableSize } = this.#source
    if (newest.pageSize === pageSize && newest.usableSize === usableSize) return
    throw unsupported(`${mainPath}: another layout of pages than when it was opened; open it again`)
  }

  /** A commit takes over the page count that it finds: with a wrong one it would make damage out of what can be repaired. */
  #assertPlausibleLength({ pageCount, endMark }: CommittedPages): void {
    if (pageCount <= this.#pageCountMax) return
    this.#pageCountMax = this.#wal.pageCountMax(endMark)
    if (pageCount <= this.#pageCountMax) return
    const what = `the database claims ${pageCount} pages, where no more than ${this.#pageCountMax} can be`
    throw corrupt({ file: this.#source.mainPath, page: PAGE_ONE, what })
  }

  /**
   * Follows a batch that was just published. The pages must not be used any more.
   * @param next the batch behind it, if there is one: goes on over what is published, and the one before is closed
   * @requires lock WRITE
   */
  endWrite(published: readonly Page[], next: WritePages | null = null): void {
    const state = this.#snapshots.follow()
    this.#source.adopt(published, frameNumber(this.#wal.header.endMark - published.length + 1))
    next?.rebase(this.#source.reader(state))
  }
}
