/**
 * Pages of committed states, straight from the maps: the newest frame of a page in the log, else the main file.
 *
 * One `PageTable` belongs to one frame map. Its cache holds the newest version of each page known to that map, so a
 * state at the map's end needs one look-up; an older state uses the same entry unless a newer frame of that
 * page exists, and then keeps its own version for itself (CACHE-1). A page is dropped from the cache the moment a frame
 * of it is entered into the map, so what is decoded of it never outlives it.
 */
import { assert } from '../assert.js'
import { corrupt, EndmarkError } from '../errors.js'
import {
  FRAME_HEADER_SIZE,
  frameOffset,
  getPageCount,
  getSchemaCookie,
  isPageCountValid,
  lockBytePage,
} from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME, type PageNumber, pageNumber } from '../units.js'
import type { CommittedState, FrameMap, FrameMapListener, Wal } from '../wal/index.js'
import type { EntryHints } from './entry-hints.js'
import { NEVER_HINTED, Page } from './page.js'
import { PageCache } from './page-cache.js'
import type { PageReader } from './pages.js'

const PAGE_ONE = pageNumber(1)

interface PageTable {
  readonly frames: FrameMap | null
  cache: PageCache
}

export interface PageSourceOptions {
  readonly usableSize: number
  readonly cacheLimitBytes: number
}

export class PageSource implements FrameMapListener {
  readonly pageSize: number
  readonly usableSize: number
  readonly lockBytePage: PageNumber
  readonly mainPath: string
  readonly logPath: string
  readonly #wal: Wal
  readonly #cacheLimitBytes: number
  #current: PageTable

  constructor(wal: Wal, options: PageSourceOptions) {
    this.pageSize = wal.pageSize
    this.usableSize = options.usableSize
    this.lockBytePage = lockBytePage(wal.pageSize)
    this.mainPath = wal.main.path
    this.logPath = wal.log.path
    this.#wal = wal
    this.#cacheLimitBytes = options.cacheLimitBytes
    this.#current = { frames: null, cache: new PageCache(options.cacheLimitBytes) }
  }

  pageChanged(page: PageNumber): void {
    this.#current.cache.delete(page)
  }

  mapReplaced(next: FrameMap, { isBackfilled }: { readonly isBackfilled: boolean }): void {
    const old = this.#current
    const { cache } = old
    // Snapshots that still read by the old map start a cache of their own.
    old.cache = new PageCache(this.#cacheLimitBytes)
    // Files become shorter only between generations: the log when it is truncated, the main file after a shrink.
    this.#wal.mainWindows.forgetSize()
    this.#wal.log.windows.forgetSize()
    if (isBackfilled) old.frames?.forEachPage((page) => this.#moveToMain(cache, page))
    this.#current = { frames: next, cache: isBackfilled ? cache : new PageCache(this.#cacheLimitBytes) }
  }

  /** The main file now has what the log had of this page, so what was decoded of it stays right. */
  #moveToMain(cache: PageCache, number: PageNumber): void {
    const known = cache.get(number)
    if (known === undefined) return
    const bytes = this.#viewOfMain(number)
    if (bytes === null) {
      cache.delete(number)
      return
    }
    const page = new Page(number, bytes, false)
    page.decoded = known.decoded
    cache.hints.move(known, page)
    cache.set(page)
  }

  #viewOfMain(number: PageNumber): Uint8Array | null {
    return this.#wal.mainWindows.view((number - 1) * this.pageSize, this.pageSize)
  }

  /** Reads of one committed state; it must be held (or WRITE be) for as long as the reader is used. */
  reader(state: CommittedState): CommittedPages {
    return new CommittedPages(this, this.#tableOf(state.frames), state)
  }

  /** The same of a state that has a frame map of its own. */
  readerOfPast(state: CommittedState): CommittedPages {
    if (state.frames === this.#current.frames) return this.reader(state)
    return new CommittedPages(this, { frames: state.frames, cache: new PageCache(this.#cacheLimitBytes) }, state)
  }

  #tableOf(frames: FrameMap): PageTable {
    assert(this.#current.frames === frames, 'a reader is made for the newest state only')
    return this.#current
  }

  /** The page as that frame has it, or as the main file has it for frame 0. */
  load(number: PageNumber, frame: FrameNumber): Page {
    if (frame !== NO_FRAME) {
      return new Page(number, this.#wal.log.page(frame, number, this.pageSize), false)
    }
    const bytes = this.#viewOfMain(number)
    if (bytes === null) throw corrupt({ file: this.mainPath, page: number, what: 'the file ends before this page' })
    return new Page(number, bytes, false)
  }

  /**
   * Takes over the pages of a batch that was just published as frames from `first` on: what the b-tree decoded of them
   * stays right, now over the log. They must not be used as dirty pages any more.
   */
  adopt(pages: readonly Page[], first: FrameNumber): void {
    const { cache } = this.#current
    for (let i = 0; i < pages.length; i++) {
      const { number, decoded } = pages[i]!
      const page = this.load(number, frameNumber(first + i))
      page.decoded = decoded
      cache.set(page)
    }
  }

  /** Page count of a state for which the log has none: that of the file header if it is kept, else the file's length. */
  mainPageCount(pageOne: Page): number {
    if (isPageCountValid(pageOne.bytes) && getPageCount(pageOne.bytes) > 0) return getPageCount(pageOne.bytes)
    return Math.ceil(this.#wal.mainWindows.size() / this.pageSize)
  }
}

/** `PageReader` of one committed state. */
export class CommittedPages implements PageReader {
  readonly pageSize: number
  readonly usableSize: number
  readonly pageCount: number
  readonly editCount = 0
  readonly endMark: FrameNumber
  readonly #source: PageSource
  readonly #table: PageTable
  readonly #frames: FrameMap
  readonly #frameMax: FrameNumber
  readonly #isInLogAtAll: boolean
  /** Versions that the shared cache has in a newer one. */
  #own: Map<PageNumber, Page> | null = null
  #schemaCookie = -1
  #isClosed = false

  constructor(source: PageSource, table: PageTable, state: CommittedState) {
    this.#source = source
    this.#table = table
    this.#frames = state.frames
    this.#frameMax = state.frameMax
    this.#isInLogAtAll = state.frameMax > state.frames.base
    this.pageSize = source.pageSize
    this.usableSize = source.usableSize
    this.endMark = state.endMark
    this.pageCount = state.pageCount === 0 ? 1 : state.pageCount
    if (state.pageCount === 0) this.pageCount = source.mainPageCount(this.page(PAGE_ONE))
  }

  get schemaCookie(): number {
    if (this.#schemaCookie < 0) this.#schemaCookie = getSchemaCookie(this.page(PAGE_ONE).bytes)
    return this.#schemaCookie
  }

  get hints(): EntryHints {
    return this.#table.cache.hints
  }

  ownsHinted(): boolean {
    if (this.#isClosed) throw closed(this.#source.mainPath)
    // What the hints name is in the shared cache.
    if (this.#isNewest()) return true
    const { hints } = this
    for (let id = hints.id; id !== 0; id = hints.parentOf(id)) {
      if (this.#frames.newest(hints.numberOf(id)) > this.#frameMax) return false
    }
    return true
  }

  page(number: PageNumber): Page {
    if (this.#isClosed) throw closed(this.#source.mainPath)
    // Nothing was entered since: the shared cache is exactly this state.
    if (this.#isNewest()) return this.#table.cache.get(number) ?? this.#loadShared(number)
    return this.#pageOfOlderState(number)
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    const frame = this.#isInLogAtAll ? this.#frames.newestUpTo(page, this.#frameMax) : NO_FRAME
    if (frame === NO_FRAME) return corrupt({ file: this.#source.mainPath, page, offset, what })
    return corrupt({ file: this.#source.logPath, page, offset, what: `${what} (frame ${frame})` })
  }

  /** Where the bytes of a page lie in this state. */
  placeOf(page: PageNumber): { readonly file: string; readonly fileOffset: number } {
    const frame = this.#isInLogAtAll ? this.#frames.newestUpTo(page, this.#frameMax) : NO_FRAME
    if (frame === NO_FRAME) return { file: this.#source.mainPath, fileOffset: (page - 1) * this.pageSize }
    return { file: this.#source.logPath, fileOffset: frameOffset(frame, this.pageSize) + FRAME_HEADER_SIZE }
  }

  /** Ends all use of this reader: the state is no longer held. */
  close(): void {
    this.#isClosed = true
  }

  #isNewest(): boolean {
    return this.#frames.endMark === this.#frameMax || (this.#frames.size === 0 && !this.#isInLogAtAll)
  }

  #loadShared(number: PageNumber): Page {
    this.#checkNumber(number)
    const page = this.#source.load(number, this.#isInLogAtAll ? this.#frames.newest(number) : NO_FRAME)
    this.#table.cache.set(page)
    return page
  }

  #pageOfOlderState(number: PageNumber): Page {
    const isShared = this.#frames.newest(number) <= this.#frameMax
    if (isShared) return this.#table.cache.get(number) ?? this.#loadShared(number)
    const own = this.#own?.get(number)
    if (own !== undefined) return own
    this.#checkNumber(number)
    const frame = this.#isInLogAtAll ? this.#frames.newestUpTo(number, this.#frameMax) : NO_FRAME
    const page = this.#source.load(number, frame)
    // The hints are those of the shared cache.
    page.lookupCount = NEVER_HINTED
    this.#own ??= new Map()
    this.#own.set(number, page)
    return page
  }

  /** Checked where a page is loaded: what is cached has passed. */
  #checkNumber(number: PageNumber): void {
    if (number < 1 || number > this.pageCount || number === this.#source.lockBytePage) {
      const isLockByte = number === this.#source.lockBytePage
      const what = isLockByte ? 'a reference to the lock-byte page' : `no page ${number} of ${this.pageCount}`
      throw corrupt({ file: this.#source.mainPath, page: number, what })
    }
  }
}

function closed(file: string): EndmarkError {
  return new EndmarkError('ENDMARK_CLOSED', `this snapshot of ${file} has been closed`, { file })
}
