/**
 * The integrity of one tree and of the freelist, as far as SQLite's integrity_check looks at them: page headers and
 * cells, order of the keys, equal depth of all leaves, length of overflow chains, free space of each page to the
 * byte, and no page used twice.
 *
 * Goes on after a finding as far as that is possible. Pages that the caller has seen before are not followed, so the
 * check ends after as many steps as the database has pages.
 */
import { EndmarkError } from '../errors.js'
import {
  Cell,
  cellOffset,
  cellSize,
  FIRST_FREEBLOCK_OFFSET,
  FRAGMENT_BYTES_OFFSET,
  FREEBLOCK_SIZE_MIN,
  FREEBLOCK_SIZE_OFFSET,
  FREELIST_COUNT_OFFSET,
  FREELIST_TRUNK_OFFSET,
  get16,
  get32,
  type KeyOrder,
  nextOverflowPage,
  nextTrunkPage,
  overflowPageCount,
  placedSize,
  readCell,
  SearchKey,
  TABLE_LEAF,
  TRUNK_LEAF_COUNT_OFFSET,
  trunkLeaf,
  trunkLeafCount,
  trunkLeafCountMax,
  trunkLeafOffset,
} from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { Payload } from './payload.js'
import { compareWithCell, located, readPayloadAt } from './search.js'
import { childNumber, leafKindOf, type Rowid, type TreeKind, treePage } from './tree-page.js'

/** Something that is wrong with a file, and where: `offset` counts from the start of the page. */
export interface Finding {
  readonly page: PageNumber
  readonly offset: number
  readonly what: string
}

type Report = (finding: Finding) => void
/** Marks a page as used; false if it was used before. */
type Visit = (page: PageNumber) => boolean

/**
 * Checks one tree.
 * @param order of an index b-tree's keys; null leaves their order unchecked
 */
export function checkTree(
  pages: PageReader,
  root: PageNumber,
  kind: TreeKind,
  order: KeyOrder | null,
  report: Report,
  visit: Visit,
): void {
  new TreeCheck(pages, leafKindOf(kind), kind === 'index' ? order : null, report, visit).checkFrom(root, NO_PAGE, 0)
}

class TreeCheck {
  readonly #pages: PageReader
  readonly #leafKind: number
  readonly #report: Report
  readonly #visit: Visit
  readonly #cell = new Cell()
  readonly #payload = new Payload()
  /** The entry before the one being looked at: its record's key, or its rowid. */
  readonly #previousKey: SearchKey | null
  #hasPrevious = false
  #previousRowid: Rowid | null = null
  #leafLevel = -1

  constructor(pages: PageReader, leafKind: number, order: KeyOrder | null, report: Report, visit: Visit) {
    this.#pages = pages
    this.#leafKind = leafKind
    this.#report = report
    this.#visit = visit
    this.#previousKey = order === null ? null : new SearchKey(order)
  }

  checkFrom(number: PageNumber, parent: PageNumber, level: number): void {
    const page = this.#enter(number, parent, level)
    if (page === null) return
    const { cellCount, isLeaf } = page.decoded!
    if (isLeaf) this.#checkLevel(page, level)
    checkFreeSpace(page, this.#report)
    for (let index = 0; index < cellCount; index++) {
      if (!isLeaf) this.checkFrom(childNumber(page, index), number, level + 1)
      this.#guard(page.number, () => this.#checkCell(page, index))
    }
    if (!isLeaf) this.checkFrom(childNumber(page, cellCount), number, level + 1)
  }

  #enter(number: PageNumber, parent: PageNumber, level: number): Page | null {
    const isPossible = number > 0 && number <= this.#pages.pageCount
    if (isPossible && !this.#visit(number)) {
      this.#report({ page: number, offset: 0, what: `page is used twice, here as a child of page ${parent}` })
      return null
    }
    let page: Page | null = null
    this.#guard(isPossible ? number : parent, () => {
      page = treePage(this.#pages, number, this.#leafKind, level)
    })
    return page
  }

  /** Runs one step of the check; damage that it throws becomes a finding. */
  #guard(page: PageNumber, step: () => void): void {
    try {
      step()
    } catch (error) {
      if (!(error instanceof EndmarkError) || error.code !== 'ENDMARK_CORRUPT') throw error
      this.#report({ page: pageNumber(error.page ?? page), offset: error.offset ?? 0, what: error.message })
    }
  }

  #checkLevel(page: Page, level: number): void {
    if (this.#leafLevel < 0) this.#leafLevel = level
    if (this.#leafLevel === level) return
    const what = `leaf on level ${level} where others are on level ${this.#leafLevel}`
    this.#report({ page: page.number, offset: 0, what })
  }

  #checkCell(page: Page, index: number): void {
    const decoded = page.decoded!
    const offset = cellOffset(page.bytes, decoded, index)
    const cell = readCell(page.bytes, offset, decoded, this.#cell)
    const isTable = this.#leafKind === TABLE_LEAF
    if (isTable) this.#checkRowid(page, cell)
    if (cell.localLength < cell.payloadLength) this.#checkChain(page, cell)
    if (!isTable && this.#previousKey !== null) this.#checkKey(page, index)
  }

  /** An interior rowid may equal the last row before it; rows must rise. */
  #checkRowid(page: Page, { rowid, offset }: Cell): void {
    const previous = this.#previousRowid
    if (previous !== null && (page.decoded!.isLeaf ? rowid <= previous : rowid < previous)) {
      this.#report({ page: page.number, offset, what: `rowid ${rowid} after ${previous}` })
    }
    this.#previousRowid = rowid
  }

  #checkKey(page: Page, index: number): void {
    const offset = cellOffset(page.bytes, page.decoded!, index)
    const key = this.#previousKey!
    if (this.#hasPrevious && compareWithCell(this.#pages, page, key, index) >= 0) {
      this.#report({ page: page.number, offset, what: 'entry does not sort after the one before it' })
    }
    this.#hasPrevious = false
    readPayloadAt(this.#pages, page, index, this.#payload)
    try {
      key.setFromRecord(this.#payload.bytes, this.#payload.start, this.#payload.length)
    } catch (error) {
      throw located(this.#pages, page, offset, error)
    }
    this.#hasPrevious = true
  }

  #checkChain(page: Page, cell: Cell): void {
    const pages = this.#pages
    const needed = overflowPageCount(cell.payloadLength - cell.localLength, pages.usableSize)
    let next = cell.overflowPage
    let count = 0
    while (next !== NO_PAGE && count <= needed) {
      const { bytes } = pages.page(next)
      if (!this.#visit(next)) {
        this.#report({ page: next, offset: 0, what: `page is used twice, here by a chain from page ${page.number}` })
        return
      }
      count++
      next = nextOverflowPage(bytes)
    }
    if (count === needed && next === NO_PAGE) return
    const what = `overflow chain of ${next === NO_PAGE ? count : `more than ${count - 1}`} pages, not ${needed}`
    this.#report({ page: page.number, offset: cell.offset, what })
  }
}

/** Cells, freeblocks and fragments must cover the cell content area without overlap. */
function checkFreeSpace(page: Page, report: Report): void {
  const { number, bytes } = page
  const decoded = page.decoded!
  const { headerOffset, contentStart, usableSize, cellCount } = decoded
  const finding = (offset: number, what: string) => report({ page: number, offset, what })
  const ranges: { start: number; end: number }[] = []
  for (let index = 0; index < cellCount; index++) {
    const start = cellOffset(bytes, decoded, index)
    ranges.push({ start, end: start + placedSize(cellSize(bytes, start, decoded)) })
  }
  let smallest = contentStart
  for (let block = get16(bytes, headerOffset + FIRST_FREEBLOCK_OFFSET); block !== 0; block = get16(bytes, block)) {
    const end = block + get16(bytes, block + FREEBLOCK_SIZE_OFFSET)
    if (block < smallest || end < block + FREEBLOCK_SIZE_MIN || end > usableSize) {
      finding(block, 'freeblock is out of order or runs past the page')
      return
    }
    ranges.push({ start: block, end })
    smallest = end + FREEBLOCK_SIZE_MIN
  }
  ranges.sort((a, b) => a.start - b.start)
  let covered = contentStart
  let gaps = 0
  for (const { start, end } of ranges) {
    if (start < covered) finding(start, `bytes ${start} to ${covered} are used twice`)
    else gaps += start - covered
    covered = Math.max(covered, end)
  }
  gaps += usableSize - covered
  const fragments = bytes[headerOffset + FRAGMENT_BYTES_OFFSET]!
  if (gaps !== fragments) finding(headerOffset + FRAGMENT_BYTES_OFFSET, `${gaps} fragmented bytes, not ${fragments}`)
}

/** Checks the freelist: its trunks, their leaves and the count in the file header. */
export function checkFreelist(pages: PageReader, report: Report, visit: Visit): void {
  const headerPage = pageNumber(1)
  const header = pages.page(headerPage).bytes
  const expected = get32(header, FREELIST_COUNT_OFFSET)
  let count = 0
  let named = headerPage
  let at = FREELIST_TRUNK_OFFSET
  const use = (number: PageNumber): boolean => {
    const isPossible = number > 1 && number <= pages.pageCount
    if (isPossible && visit(number)) return true
    report({ page: named, offset: at, what: isPossible ? `free page ${number} is used twice` : `no page ${number}` })
    return false
  }
  for (let trunk = pageNumber(get32(header, at)); trunk !== NO_PAGE && use(trunk); ) {
    const { bytes } = pages.page(trunk)
    const leafCount = trunkLeafCount(bytes)
    named = trunk
    at = TRUNK_LEAF_COUNT_OFFSET
    if (leafCount > trunkLeafCountMax(pages.usableSize)) {
      report({ page: trunk, offset: at, what: `trunk page with ${leafCount} leaves` })
      return
    }
    count += 1 + leafCount
    for (let index = 0; index < leafCount; index++) {
      at = trunkLeafOffset(index)
      use(trunkLeaf(bytes, index))
    }
    at = 0
    trunk = nextTrunkPage(bytes)
  }
  if (count === expected) return
  report({ page: headerPage, offset: FREELIST_COUNT_OFFSET, what: `${count} free pages, not ${expected}` })
}
