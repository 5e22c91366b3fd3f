/**
 * The pages of a committed state that is not held: one before the newest, to be compared with it. Where the main file may
 * have a later version of a page by now, or may no longer have the page, `PageOverwritten` is thrown, never a wrong version
 * returned (WATCH-2).
 *
 * A page comes from its newest frame up to the state's end mark. Without one it comes from the main file, if no later frame
 * of it was copied there: `backfillAttempted` is raised before a byte is copied, so it is looked at after the bytes were.
 * Pages without any frame up to the newest state stay as they are for as long as that is held (SNAP-1), and are not copied.
 *
 * Whoever uses this holds READ(1) to READ(4) on a state that is not older, with the frame map extended up to it.
 */
import { corrupt, type EndmarkError } from '../errors.js'
import { getPageCount, getSchemaCookie, isPageCountValid, lockBytePage } from '../format/index.js'
import { type FrameNumber, NO_FRAME, type PageNumber, pageNumber } from '../units.js'
import type { FrameMap, Wal } from '../wal/index.js'
import { Page } from './page.js'
import type { PageReader } from './pages.js'

const PAGE_ONE = pageNumber(1)

/** The version that was asked for is not to be had any more. */
export class PageOverwritten extends Error {
  constructor(page: PageNumber) {
    super(`page ${page} has been overwritten`)
    this.name = 'PageOverwritten'
  }
}

export interface PastState {
  readonly usableSize: number
  readonly frames: FrameMap
  readonly endMark: FrameNumber
  /** Pages of the database, 0 if the log did not record it. */
  readonly pageCount: number
  /** The main file may have been cut off after this page. */
  readonly lastSafePage: number
}

export class PastPages implements PageReader {
  readonly pageSize: number
  readonly usableSize: number
  readonly pageCount: number
  readonly editCount = 0
  readonly hints = null
  readonly #wal: Wal
  readonly #state: PastState
  readonly #pages = new Map<PageNumber, Page>()
  #schemaCookie = -1

  /** @throws PageOverwritten if only page 1 could tell how many pages there were */
  constructor(wal: Wal, state: PastState) {
    this.#wal = wal
    this.#state = state
    this.pageSize = wal.pageSize
    this.usableSize = state.usableSize
    this.pageCount = state.pageCount === 0 ? 1 : state.pageCount
    if (state.pageCount === 0) this.pageCount = this.#recordedPageCount()
  }

  get schemaCookie(): number {
    if (this.#schemaCookie < 0) this.#schemaCookie = getSchemaCookie(this.page(PAGE_ONE).bytes)
    return this.#schemaCookie
  }

  /** @throws PageOverwritten, and as every PageReader */
  page(number: PageNumber): Page {
    const known = this.#pages.get(number)
    if (known !== undefined) return known
    if (number < 1 || number > this.pageCount || number === lockBytePage(this.pageSize)) {
      throw corrupt({ file: this.#wal.main.path, page: number, what: `no page ${number} of ${this.pageCount}` })
    }
    const page = new Page(number, this.#load(number), false)
    this.#pages.set(number, page)
    return page
  }

  ownsHinted(): boolean {
    return false
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    const frame = this.#state.frames.newestUpTo(page, this.#state.endMark)
    if (frame === NO_FRAME) return corrupt({ file: this.#wal.main.path, page, offset, what })
    return corrupt({ file: this.#wal.log.path, page, offset, what: `${what} (frame ${frame})` })
  }

  #load(number: PageNumber): Uint8Array {
    const { frames, endMark, lastSafePage } = this.#state
    const { log, index, mainWindows, pageSize } = this.#wal
    const frame = frames.newestUpTo(number, endMark)
    if (frame !== NO_FRAME) return log.page(frame, number, pageSize)
    if (number > lastSafePage) throw new PageOverwritten(number)
    const view = mainWindows.view((number - 1) * pageSize, pageSize)
    if (view === null) throw new PageOverwritten(number)
    const later = frames.oldest(number)
    if (later === NO_FRAME) return view
    const copy = view.slice()
    // After the copy was made: whoever overwrites the page has said so before.
    if (index.backfillAttempted >= later) throw new PageOverwritten(number)
    return copy
  }

  #recordedPageCount(): number {
    const { bytes } = this.page(PAGE_ONE)
    this.#pages.clear()
    if (isPageCountValid(bytes) && getPageCount(bytes) > 0) return getPageCount(bytes)
    throw new PageOverwritten(PAGE_ONE)
  }
}
