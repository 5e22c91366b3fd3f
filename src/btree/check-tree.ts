/**
 * The integrity of one tree, as far as SQLite's integrity_check looks at it: page headers and cells, order of the keys,
 * equal depth of all leaves, length of overflow chains, free space of each page to the byte, and no page used twice.
 * What the entries mean is for the caller: it is handed each of them in key order.
 *
 * Goes on after a finding as far as that is possible. Pages that were used before are not followed, so the check ends
 * after as many steps as the database has pages. It pauses (yields) at least once a page; the caller may do other things
 * meanwhile, and makes sure before it goes on that the state is still held. No locks but that of the snapshot.
 */
import { EndmarkError, whatOf } from '../errors.js'
import {
  Cell,
  cellOffset,
  cellSize,
  DamagedRecord,
  FIRST_FREEBLOCK_OFFSET,
  FRAGMENT_BYTES_OFFSET,
  FREEBLOCK_SIZE_MIN,
  FREEBLOCK_SIZE_OFFSET,
  get16,
  type KeyOrder,
  nextOverflowPage,
  overflowPageCount,
  type PointerKind,
  placedSize,
  RIGHT_CHILD_OFFSET,
  readCell,
  SearchKey,
  TABLE_LEAF,
} from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { assemblePayload, readPayload } from './overflow-chain.js'
import { Payload } from './payload.js'
import { compareWithCell, keyEnd, located } from './search.js'
import { childNumber, leafKindOf, type Rowid, type TreeKind, treePage } from './tree-page.js'

/** Something that is wrong with a page: `offset` counts from the start of the page. */
export interface PageFinding {
  readonly page: PageNumber
  readonly offset: number
  readonly what: string
}

/** What the checks of trees and of the freelist need of the check of the whole database. */
export interface PageCheckHost {
  report(finding: PageFinding): void
  /**
   * Marks a page as used, for what and by which page.
   * @returns why it must not be used so, null if it may
   */
  usePage(page: PageNumber, kind: PointerKind, parent: PageNumber): string | null
}

export interface TreeCheckOptions {
  readonly root: PageNumber
  readonly kind: TreeKind
  /** Of an index b-tree's keys; null leaves their order unchecked. */
  readonly order: KeyOrder | null
  /**
   * How many leading columns of an entry are looked at: no more than these are put together of a payload with an overflow
   * chain, whatever its length. All of them if left out.
   */
  readonly columnCount?: number
  /** Takes one entry; may throw DamagedRecord. */
  readonly entry?: (payload: Payload, rowid: Rowid, place: EntryPlace) => void
}

/** The cell of an entry. */
export interface EntryPlace {
  readonly page: PageNumber
  readonly offset: number
}

/** Entries between two pauses. */
const ENTRIES_PER_STEP = 32
const CHAIN_PAGES_PER_STEP = 32

/** @returns how many entries the tree has */
export function* checkTree(
  pages: PageReader,
  host: PageCheckHost,
  options: TreeCheckOptions,
): Generator<void, number, void> {
  const check = new TreeCheck(pages, host, options)
  yield* check.checkFrom(options.root, NO_PAGE, 0, 0)
  return check.entryCount
}

class TreeCheck {
  entryCount = 0
  readonly #pages: PageReader
  readonly #host: PageCheckHost
  readonly #options: TreeCheckOptions
  readonly #leafKind: number
  readonly #cell = new Cell()
  readonly #payload = new Payload()
  /** The entry before the one being looked at: its record's key, or its rowid. */
  readonly #previousKey: SearchKey | null
  #hasPrevious = false
  #previousRowid: Rowid | null = null
  /** The rowid before is that of a divider cell, so that nothing is below it. */
  #isPreviousDivider = false
  #leafLevel = -1

  constructor(pages: PageReader, host: PageCheckHost, options: TreeCheckOptions) {
    const { kind, order } = options
    this.#pages = pages
    this.#host = host
    this.#options = options
    this.#leafKind = leafKindOf(kind)
    this.#previousKey = kind === 'table' || order === null ? null : new SearchKey(order)
  }

  *checkFrom(number: PageNumber, parent: PageNumber, offset: number, level: number): Generator<void, void, void> {
    const page = this.#enter(number, parent, offset, level)
    yield
    if (page === null) return
    const decoded = page.decoded!
    const { cellCount, isLeaf } = decoded
    if (isLeaf) this.#checkLevel(page, level)
    checkFreeSpace(page, this.#host)
    for (let index = 0; index < cellCount; index++) {
      const named = cellOffset(page.bytes, decoded, index)
      if (!isLeaf) yield* this.checkFrom(childNumber(page, index), number, named, level + 1)
      yield* this.#checkCell(page, index)
      if (index % ENTRIES_PER_STEP === ENTRIES_PER_STEP - 1) yield
    }
    if (isLeaf) return
    yield* this.checkFrom(decoded.rightChild, number, decoded.headerOffset + RIGHT_CHILD_OFFSET, level + 1)
  }

  /** @param offset of what names the page, on its parent */
  #enter(number: PageNumber, parent: PageNumber, offset: number, level: number): Page | null {
    const { pageCount } = this.#pages
    if (number < 1 || number > pageCount) {
      const page = parent === NO_PAGE ? pageNumber(1) : parent
      this.#host.report({ page, offset, what: `no page ${number} of ${pageCount}` })
      return null
    }
    const problem = this.#host.usePage(number, parent === NO_PAGE ? 'root' : 'child', parent)
    if (problem !== null) {
      const what = parent === NO_PAGE ? 'here as the root of a b-tree' : `here as a child of page ${parent}`
      this.#host.report({ page: number, offset: 0, what: `page ${problem}, ${what}` })
      return null
    }
    let page: Page | null = null
    this.#guard(number, 0, () => {
      page = treePage(this.#pages, number, this.#leafKind, level)
    })
    return page
  }

  /** Runs one step of the check; damage that it throws becomes a finding. */
  #guard(page: PageNumber, offset: number, step: () => void): void {
    try {
      step()
    } catch (error) {
      if (error instanceof DamagedRecord) this.#host.report({ page, offset, what: error.message })
      else this.#host.report(findingOf(error, page, offset))
    }
  }

  #checkLevel(page: Page, level: number): void {
    if (this.#leafLevel < 0) this.#leafLevel = level
    if (this.#leafLevel === level) return
    const what = `leaf on level ${level} where others are on level ${this.#leafLevel}`
    this.#host.report({ page: page.number, offset: 0, what })
  }

  *#checkCell(page: Page, index: number): Generator<void, void, void> {
    const decoded = page.decoded!
    const offset = cellOffset(page.bytes, decoded, index)
    const cell = readCell(page.bytes, offset, decoded, this.#cell)
    const isTable = this.#leafKind === TABLE_LEAF
    if (isTable) this.#checkRowid(page, cell)
    if (isTable && !decoded.isLeaf) return
    this.entryCount++
    if (cell.localLength === cell.payloadLength || (yield* this.#checkChain(page, cell))) {
      this.#guard(page.number, offset, () => this.#checkEntry(page, index, cell))
    } else this.#hasPrevious = false
  }

  #checkEntry(page: Page, index: number, cell: Cell): void {
    const payload = this.#payload
    readLeadingColumns(this.#pages, page, cell, payload, this.#options.columnCount)
    if (this.#previousKey !== null) this.#checkKey(page, index, this.#previousKey)
    this.#options.entry?.(payload, cell.rowid, { page: page.number, offset: cell.offset })
  }

  /** A divider may equal the last row before it, which it is the bound of; rows, and dividers among themselves, must rise. */
  #checkRowid(page: Page, { rowid, offset }: Cell): void {
    const previous = this.#previousRowid
    const isDivider = !page.decoded!.isLeaf
    const mayEqual = isDivider && !this.#isPreviousDivider
    if (previous !== null && (mayEqual ? rowid < previous : rowid <= previous)) {
      this.#host.report({ page: page.number, offset, what: `rowid ${rowid} after ${previous}` })
    }
    this.#previousRowid = rowid
    this.#isPreviousDivider = isDivider
  }

  #checkKey(page: Page, index: number, previous: SearchKey): void {
    const offset = cellOffset(page.bytes, page.decoded!, index)
    if (this.#hasPrevious && compareWithCell(this.#pages, page, previous, index) >= 0) {
      this.#host.report({ page: page.number, offset, what: 'entry does not sort after the one before it' })
    }
    this.#hasPrevious = false
    const { bytes, start, length } = this.#payload
    try {
      previous.setFromRecord(bytes, start, length)
    } catch (error) {
      throw located(this.#pages, page, offset, error)
    }
    this.#hasPrevious = true
  }

  /** @returns whether the payload can be put together */
  *#checkChain(page: Page, cell: Cell): Generator<void, boolean, void> {
    const pages = this.#pages
    const needed = overflowPageCount(cell.payloadLength - cell.localLength, pages.usableSize)
    let from = page.number
    let next = cell.overflowPage
    let count = 0
    while (next !== NO_PAGE && next <= pages.pageCount && count <= needed) {
      const problem = this.#host.usePage(next, count === 0 ? 'firstOverflow' : 'overflow', from)
      if (problem !== null) {
        const what = `page ${problem}, here by a chain from page ${page.number}`
        this.#host.report({ page: next, offset: 0, what })
        return false
      }
      if (++count % CHAIN_PAGES_PER_STEP === 0) yield
      from = next
      const following = this.#nextInChain(from)
      if (following === null) return false
      next = following
    }
    if (count === needed && next === NO_PAGE) return true
    this.#host.report({ page: page.number, offset: cell.offset, what: chainProblem({ next, count, needed }, pages) })
    return false
  }

  /** @returns null, with a finding, if the page cannot be read */
  #nextInChain(number: PageNumber): PageNumber | null {
    let next: PageNumber | null = null
    this.#guard(number, 0, () => {
      next = nextOverflowPage(this.#pages.page(number).bytes)
    })
    return next
  }
}

/** Points `into` at the payload; of a long one, only as many columns are there to be read. */
function readLeadingColumns(
  pages: PageReader,
  page: Page,
  cell: Cell,
  into: Payload,
  columnCount: number | undefined,
): void {
  if (columnCount === undefined || cell.localLength === cell.payloadLength) {
    readPayload(pages, page, cell, into)
    return
  }
  const length = Math.max(cell.localLength, keyEnd(page.bytes, cell, columnCount))
  into.set(assemblePayload(pages, page, cell, length), 0, cell.payloadLength)
}

interface ChainEnd {
  readonly next: PageNumber
  readonly count: number
  readonly needed: number
}

function chainProblem({ next, count, needed }: ChainEnd, { pageCount }: PageReader): string {
  if (next > pageCount) return `overflow chain leads to page ${next} of ${pageCount}`
  return `overflow chain of ${next === NO_PAGE ? count : `more than ${count - 1}`} pages, not ${needed}`
}

/** What an error says of a page; whatever is no damage is thrown on. */
export function findingOf(error: unknown, page: PageNumber, offset: number): PageFinding {
  if (!(error instanceof EndmarkError) || error.code !== 'ENDMARK_CORRUPT') throw error
  return { page: pageNumber(error.page ?? page), offset: error.offset ?? offset, what: whatOf(error) }
}

/** Start and end of a used or free stretch of a page, as one number that sorts by them. */
const START_FACTOR = 2 ** 17
/** Stretches of the page being looked at: cells of 4 bytes at least, and no more freeblocks than that. */
const stretches = new Float64Array(2 ** 15)

/** Cells, freeblocks and fragments must cover the cell content area without overlap. */
function checkFreeSpace({ number, bytes, decoded }: Page, host: PageCheckHost): void {
  const { headerOffset, contentStart, usableSize, cellCount } = decoded!
  const finding = (offset: number, what: string) => host.report({ page: number, offset, what })
  let count = 0
  for (let index = 0; index < cellCount; index++) {
    const start = cellOffset(bytes, decoded!, index)
    stretches[count++] = start * START_FACTOR + start + placedSize(cellSize(bytes, start, decoded!))
  }
  let smallest = contentStart
  for (let block = get16(bytes, headerOffset + FIRST_FREEBLOCK_OFFSET); block !== 0; block = get16(bytes, block)) {
    const end = block + get16(bytes, block + FREEBLOCK_SIZE_OFFSET)
    if (block < smallest || end < block + FREEBLOCK_SIZE_MIN || end > usableSize) {
      finding(block, 'freeblock is out of order or runs past the page')
      return
    }
    stretches[count++] = block * START_FACTOR + end
    smallest = end + FREEBLOCK_SIZE_MIN
  }
  let covered = contentStart
  let gaps = 0
  for (const stretch of stretches.subarray(0, count).sort()) {
    const start = Math.floor(stretch / START_FACTOR)
    if (start < covered) finding(start, `bytes ${start} to ${covered} are used twice`)
    else gaps += start - covered
    covered = Math.max(covered, stretch % START_FACTOR)
  }
  gaps += usableSize - covered
  const fragments = bytes[headerOffset + FRAGMENT_BYTES_OFFSET]!
  if (gaps !== fragments) finding(headerOffset + FRAGMENT_BYTES_OFFSET, `${gaps} fragmented bytes, not ${fragments}`)
}
