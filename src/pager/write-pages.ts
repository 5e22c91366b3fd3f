/**
 * The changed pages of one batch of write transactions, over the newest committed state. A page is copied on its
 * first write and stays private until the batch is appended to the log; readers see nothing of it.
 *
 * Savepoints undo by whole pages: the first write to a page inside a savepoint keeps what it was before. They
 * nest; the transactions of a batch are savepoints one after the other, so that one that throws is undone alone.
 *
 * More than the limit does not stay in memory: between two operations pages leave it for the log (spill.ts), those only whose
 * first change lies within the innermost savepoint, so that undoing it can forget their frames.
 *
 * Invariants: TXN-1 after `rollbackTo` every page, the page count and the freelist are as at `savepoint`. TXN-2
 * page 1 records the page count whenever that changed. Used under WRITE by one committer, or over a held snapshot for
 * changes that are never committed.
 */
import { assert } from '../assert.js'
import type { EndmarkError } from '../errors.js'
import { countChange, getSchemaCookie, INDEX_INTERIOR, setPageCount, TABLE_INTERIOR } from '../format/index.js'
import { type FrameNumber, NO_FRAME, type PageNumber, pageNumber } from '../units.js'
import { Page } from './page.js'
import { allocatePage, type FreelistHost, freePage } from './page-allocator.js'
import type { PageReader, PageWriter } from './pages.js'
import { Spill, type SpillLog } from './spill.js'

const PAGE_ONE = pageNumber(1)
/** Buffers kept for the next batches. */
const SPARE_BUFFER_MAX = 512

interface Savepoint {
  readonly pageCount: number
  /** Pages that had left memory. */
  readonly spillMark: FrameNumber
  /** What each page written since was before: its bytes, or null if it was not changed yet. */
  readonly before: Map<PageNumber, Uint8Array | null>
}

/** Page-size buffers, used again from batch to batch. */
export class BufferPool {
  readonly #pageSize: number
  readonly #spare: Uint8Array[] = []

  constructor(pageSize: number) {
    this.#pageSize = pageSize
  }

  /** A buffer with whatever content. */
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(this.#pageSize)
  }

  copyOf(bytes: Uint8Array): Uint8Array {
    const copy = this.take()
    copy.set(bytes)
    return copy
  }

  give(buffer: Uint8Array): void {
    if (this.#spare.length < SPARE_BUFFER_MAX) this.#spare.push(buffer)
  }
}

/** The state below a batch: a committed one, or that of the batch before it, while that one is being made durable. */
export type WriteBase = PageReader & {
  /** Nobody reads it any more. */
  close(): void
}

/** How much may be changed in memory, and what happens then. */
export interface DirtyLimit {
  readonly pages: number
  /** Called when the first pages have to leave memory. @throws if they must not */
  readonly spill: () => SpillLog
}

/** Pages that are filled in order leave memory once they take this much, or this part of the limit. */
const FILLED_SIZE_BYTES = 4 << 20
const FILLED_SHARE = 4

/** A transaction works on some pages at once: with fewer it would do nothing but read again what it has written. */
const DIRTY_PAGES_MIN = 64

/** Pages that this many bytes have room for. */
export function dirtyPagesMax(limitBytes: number, pageSize: number): number {
  return Math.max(Math.floor(limitBytes / pageSize), DIRTY_PAGES_MIN)
}

export class WritePages implements PageWriter, FreelistHost, WriteBase {
  readonly pageSize: number
  readonly usableSize: number
  /** Changed pages have no hints, and keys that are written are rarely read before. */
  readonly hints = null
  #base: WriteBase
  readonly #lockBytePage: PageNumber
  readonly #pool: BufferPool
  readonly #dirty = new Map<PageNumber, Page>()
  readonly #limit: DirtyLimit
  readonly #filledPagesMax: number
  readonly #savepoints: Savepoint[] = []
  /** Changed pages that have left memory. */
  #spill: Spill | null = null
  #pageCount: number
  #editCount = 0
  /** Changed pages that stayed in memory when others left it last. */
  #leftCount = 0
  /** Pages of the limit that are used for something else. */
  #reservedPages = 0

  constructor(base: WriteBase, pool: BufferPool, lockBytePage: PageNumber, limit: DirtyLimit) {
    this.#limit = limit
    this.#base = base
    this.#pool = pool
    this.#lockBytePage = lockBytePage
    this.pageSize = base.pageSize
    this.usableSize = base.usableSize
    this.#filledPagesMax = Math.min(limit.pages / FILLED_SHARE, FILLED_SIZE_BYTES / base.pageSize)
    this.#pageCount = base.pageCount
  }

  get pageCount(): number {
    return this.#pageCount
  }

  get editCount(): number {
    return this.#editCount
  }

  get schemaCookie(): number {
    return getSchemaCookie(this.page(PAGE_ONE).bytes)
  }

  /** Pages changed so far. */
  get dirtyCount(): number {
    return this.#spill === null ? this.#dirty.size : this.#dirty.size + this.#spill.pageCount
  }

  page(number: PageNumber): Page {
    const dirty = this.#dirty.get(number)
    if (dirty !== undefined) return dirty
    // Past the committed page count there are only pages of our own; past ours, none.
    if (number > this.#pageCount) throw this.#base.corrupt(number, 0, `no page ${number} of ${this.#pageCount}`)
    return this.#spill?.page(number) ?? this.#base.page(number)
  }

  ownsHinted(): boolean {
    return false
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    return this.#base.corrupt(page, offset, what)
  }

  writable(number: PageNumber): Page {
    this.#editCount++
    const dirty = this.#dirty.get(number)
    if (dirty !== undefined) {
      this.#keepForUndo(dirty)
      return dirty
    }
    const bytes = this.#pool.copyOf(this.page(number).bytes)
    return this.#adopt(number, bytes)
  }

  blank(number: PageNumber): Page {
    this.#editCount++
    const dirty = this.#dirty.get(number)
    if (dirty !== undefined) {
      this.#keepForUndo(dirty)
      dirty.bytes.fill(0)
      dirty.decoded = null
      return dirty
    }
    const bytes = this.#pool.take()
    bytes.fill(0)
    return this.#adopt(number, bytes)
  }

  grow(): Page {
    let next = this.#pageCount + 1
    if (next === this.#lockBytePage) next++
    this.#pageCount = next
    return this.blank(pageNumber(next))
  }

  allocate(): Page {
    return allocatePage(this)
  }

  free(number: PageNumber): void {
    freePage(this, number)
  }

  /** Starts a part that can be undone alone. */
  savepoint(): void {
    this.#savepoints.push({ pageCount: this.#pageCount, spillMark: this.#spill?.mark ?? NO_FRAME, before: new Map() })
  }

  /** What changes may take in memory. */
  get limitBytes(): number {
    return this.#limit.pages * this.pageSize
  }

  /** Uses so many bytes of the limit for something else, in place of what was said before: fewer pages stay in memory then. */
  reserve(bytes: number): void {
    this.#reservedPages = Math.ceil(bytes / this.pageSize)
  }

  /**
   * Lets changed pages go from memory if there are too many. Called between two operations, when nobody holds a page.
   * @throws ENDMARK_IO, and what the limit's `spill` throws
   */
  relieve(): void {
    if (this.#dirty.size > Math.max(this.#limit.pages - this.#reservedPages, DIRTY_PAGES_MIN)) this.#letGo()
  }

  /**
   * The same while pages are filled in order and not looked at again: when there are many, those that are filled leave in small
   * portions, so that a few buffers do for all of them.
   */
  relieveFilled(): void {
    const { size } = this.#dirty
    const isLarge = this.#spill !== null || size > this.#filledPagesMax
    if (isLarge && size > Math.max(this.#leftCount + SPARE_BUFFER_MAX, DIRTY_PAGES_MIN)) this.#letGo()
    else this.relieve()
  }

  #letGo(): void {
    // Others would be missing after a rollback: what was written since then is forgotten with the frames.
    const undone = this.#savepoints.at(-1)
    const leaving = [...this.#dirty.values()].filter(({ number }) => undone === undefined || undone.before.has(number))
    const leaves = leaving.filter(({ number, bytes }) => number !== PAGE_ONE && !isInterior(bytes))
    // Interior pages are used again at once; but if they are what there is, they go as well.
    const gone = leaves.length * 2 > leaving.length ? leaves : leaving
    this.#leftCount = this.#dirty.size - gone.length
    if (gone.length === 0) return
    gone.sort((a, b) => a.number - b.number)
    this.#spill ??= new Spill(this.#limit.spill())
    this.#spill.write(gone, undone?.spillMark ?? NO_FRAME)
    this.#editCount++
    for (const { number, bytes } of gone) {
      this.#dirty.delete(number)
      this.#pool.give(bytes)
      // Undone with its frame; whoever changes the page again notes it again.
      if (undone?.before.get(number) === null) undone.before.delete(number)
    }
  }

  /** Ends the innermost savepoint and keeps its changes. */
  release(): void {
    const ended = this.#endSavepoint()
    const outer = this.#savepoints.at(-1)
    for (const [number, bytes] of ended.before) {
      // The outer savepoint has to undo what the inner one did, unless it knows an older version already.
      if (outer !== undefined && !outer.before.has(number)) outer.before.set(number, bytes)
      else if (bytes !== null) this.#pool.give(bytes)
    }
  }

  /** Ends the innermost savepoint and undoes its changes. Page objects obtained before are no longer valid. */
  rollback(): void {
    const ended = this.#endSavepoint()
    this.#editCount++
    this.#pageCount = ended.pageCount
    this.#spill?.rewind(ended.spillMark)
    for (const [number, bytes] of ended.before) {
      const changed = this.#dirty.get(number)
      // It may be in memory no more.
      if (changed !== undefined) this.#pool.give(changed.bytes)
      if (bytes === null) this.#dirty.delete(number)
      else this.#dirty.set(number, new Page(number, bytes, true))
    }
  }

  /**
   * The changed pages in page order, ready for the log. Page 1 then carries the page count.
   * @returns an empty list if nothing was changed
   */
  finish(): Page[] {
    assert(this.#savepoints.length === 0, 'a batch ends outside of all savepoints')
    if (this.dirtyCount === 0) return []
    // A commit needs a frame to be marked.
    if (this.#dirty.size === 0) this.writable(PAGE_ONE)
    if (this.#pageCount !== this.#base.pageCount) this.writable(PAGE_ONE)
    const pageOne = this.#dirty.get(PAGE_ONE)
    if (pageOne !== undefined) {
      setPageCount(pageOne.bytes, this.#pageCount)
      countChange(pageOne.bytes)
    }
    return [...this.#dirty.values()].sort((a, b) => a.number - b.number)
  }

  /** Whether the state below is a committed one. */
  get isOnCommitted(): boolean {
    return !(this.#base instanceof WritePages)
  }

  /** Whether the batch leaves the schema as it was. */
  get keepsSchema(): boolean {
    return this.schemaCookie === this.#base.schemaCookie
  }

  /** The batch below was published: `base` is the same state, as everyone sees it. */
  rebase(base: WriteBase): void {
    const below = this.#base
    this.#base = base
    below.close()
  }

  /** Ends the batch, whatever became of it: its buffers are used again, so its pages must not be. */
  close(): void {
    this.forget()
    this.#base.close()
  }

  /** Drops all changes and leaves the state below to those who hold it. */
  forget(): void {
    for (const page of this.#dirty.values()) this.#pool.give(page.bytes)
    this.#dirty.clear()
    this.#spill = null
    this.#savepoints.length = 0
  }

  #endSavepoint(): Savepoint {
    const ended = this.#savepoints.pop()
    assert(ended !== undefined, 'no savepoint to end')
    return ended
  }

  #adopt(number: PageNumber, bytes: Uint8Array): Page {
    const page = new Page(number, bytes, true)
    this.#dirty.set(number, page)
    const savepoint = this.#savepoints.at(-1)
    if (savepoint !== undefined && !savepoint.before.has(number)) savepoint.before.set(number, null)
    return page
  }

  #keepForUndo(page: Page): void {
    const savepoint = this.#savepoints.at(-1)
    if (savepoint === undefined || savepoint.before.has(page.number)) return
    savepoint.before.set(page.number, this.#pool.copyOf(page.bytes))
  }
}

function isInterior(bytes: Uint8Array): boolean {
  return bytes[0] === TABLE_INTERIOR || bytes[0] === INDEX_INTERIOR
}
