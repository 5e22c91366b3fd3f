/**
 * The pages of one state as they are in the files now: what the shared cache has decoded of a page may be older than the
 * damage to it. Keeps the pages it was asked for last, decoded, up to a number; that is all the memory they take.
 *
 * A page count that the files cannot hold is cut, so that whoever keeps a bit for each page is not at its mercy.
 */
import type { EndmarkError } from '../errors.js'
import { type CommittedPages, Page, type PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'

/** Pages in each of the two generations that are kept; a decoded one takes a kilobyte or two. */
const GENERATION_MAX = 4096

export class FreshPages implements PageReader {
  readonly pageSize: number
  readonly usableSize: number
  readonly pageCount: number
  readonly schemaCookie: number
  readonly editCount = 0
  /** Made from what was read before. */
  readonly hints = null
  readonly #committed: CommittedPages
  #recent = new Map<PageNumber, Page>()
  #older = new Map<PageNumber, Page>()

  constructor(committed: CommittedPages, pageCountMax: number) {
    this.#committed = committed
    this.pageSize = committed.pageSize
    this.usableSize = committed.usableSize
    this.pageCount = Math.min(committed.pageCount, pageCountMax)
    this.schemaCookie = committed.schemaCookie
  }

  page(number: PageNumber): Page {
    const known = this.#recent.get(number)
    if (known !== undefined) return known
    const page = this.#older.get(number) ?? new Page(number, this.#committed.page(number).bytes, false)
    if (this.#recent.size >= GENERATION_MAX) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(number, page)
    return page
  }

  ownsHinted(): boolean {
    return false
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    return this.#committed.corrupt(page, offset, what)
  }
}
