/**
 * Which pages of the database are used, one bit each: every page has one use, and one page that refers to it. In an
 * auto-vacuum database each use is compared with what the pointer map says of the page.
 */
import { findingOf, type PageCheckHost, type PageFinding } from '../btree/index.js'
import {
  get32,
  lockBytePage,
  POINTER_KIND_OFFSET,
  POINTER_KINDS,
  POINTER_PARENT_OFFSET,
  type PointerKind,
  pointerEntryOffset,
  pointerMapOf,
} from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import { type PageNumber, pageNumber } from '../units.js'

const PAGE_ONE = pageNumber(1)

export class PageUse implements PageCheckHost {
  /** Pages used so far, the lock-byte page and pointer maps not among them. */
  usedCount = 0
  /** The highest page that is the root of a tree. */
  rootMax = PAGE_ONE
  readonly #pages: PageReader
  readonly #used: Uint8Array
  readonly #lockBytePage: PageNumber
  readonly #hasPointerMap: boolean
  readonly #report: (finding: PageFinding) => void

  constructor(pages: PageReader, hasPointerMap: boolean, report: (finding: PageFinding) => void) {
    this.#pages = pages
    this.#used = new Uint8Array((pages.pageCount >>> 3) + 1)
    this.#lockBytePage = lockBytePage(pages.pageSize)
    this.#hasPointerMap = hasPointerMap
    this.#report = report
  }

  report(finding: PageFinding): void {
    this.#report(finding)
  }

  usePage(page: PageNumber, kind: PointerKind, parent: PageNumber): string | null {
    const reason = this.#reserved(page)
    if (reason !== null) return reason
    const bit = 1 << (page & 7)
    if ((this.#used[page >>> 3]! & bit) !== 0) return 'is used twice'
    this.#used[page >>> 3]! |= bit
    this.usedCount++
    if (kind === 'root' && page > this.rootMax) this.rootMax = page
    if (this.#hasPointerMap && page !== PAGE_ONE) this.#comparePointer(page, kind, parent)
    return null
  }

  /** Reports every page that nothing uses; pauses now and then. */
  *reportUnused(): Generator<void, void, void> {
    for (let page = 1; page <= this.#pages.pageCount; page++) {
      if ((page & 0xffff) === 0) yield
      const isUsed = (this.#used[page >>> 3]! & (1 << (page & 7))) !== 0
      if (isUsed || this.#reserved(pageNumber(page)) !== null) continue
      this.#report({ page: pageNumber(page), offset: 0, what: 'page is never used' })
    }
  }

  /** Why nothing may use this page, null if it is one like others. */
  #reserved(page: PageNumber): string | null {
    if (page === this.#lockBytePage) return 'is the lock-byte page'
    return this.#hasPointerMap && page !== PAGE_ONE && this.#mapOf(page) === page ? 'is a pointer-map page' : null
  }

  #mapOf(page: PageNumber): PageNumber {
    return pointerMapOf(page, this.#pages.pageSize, this.#pages.usableSize)
  }

  #comparePointer(page: PageNumber, kind: PointerKind, parent: PageNumber): void {
    const map = this.#mapOf(page)
    const offset = pointerEntryOffset(page, map)
    try {
      const { bytes } = this.#pages.page(map)
      const found = [bytes[offset + POINTER_KIND_OFFSET], get32(bytes, offset + POINTER_PARENT_OFFSET)].join(', ')
      const expected = [POINTER_KINDS[kind], parent].join(', ')
      if (found === expected) return
      this.#report({ page: map, offset, what: `pointer map entry of page ${page} is (${found}), not (${expected})` })
    } catch (error) {
      this.#report(findingOf(error, map, offset))
    }
  }
}
