/**
 * Records among the entries of an index b-tree. As long as a leaf has room they are put into it one after the other, each searched
 * from the place of the one before. If it has not, the leaf and those behind it that get records too are put together anew:
 * old cells and new ones in one list, divided among as many pages as they need.
 *
 * A leaf ends where the next divider is, on whatever level that stands: what comes behind it goes to another leaf.
 */
import {
  CELL_POINTER_SIZE,
  cellOffset,
  cellSize,
  INDEX_LEAF,
  LEAF_HEADER_SIZE,
  placedSize,
  readCell,
  type SearchKey,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import { balance } from './balance.js'
import { fillPages } from './balance-distribute.js'
import { CellList, gatherDivider } from './balance-gather.js'
import { collapseRoot, deepenRoot } from './balance-root.js'
import { writeSiblings } from './balance-siblings.js'
import { replaceDividers } from './balance-write.js'
import { editCell } from './edit-scratch.js'
import { copyRange, hasRoom, insertSpace } from './page-edit.js'
import type { RecordRun } from './record-run.js'
import { compareWithCell, searchOnFrom } from './search.js'
import { childNumber, editablePage, treePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

/** Leaves that are put together anew at once, and pages that records may fill besides. */
const SIBLINGS_MAX = 16
const NEW_PAGES_MAX = 32

/** Cells of the leaves: used within one call only. */
const list = new CellList()
const placedSizes: number[] = []

/**
 * @param path leads to the place of the record at `from`, which is not there
 * @returns how many of the run have been put; if only those before `from`, the path still leads there
 */
export function mergeRun(pages: PageWriter, path: TreePath, key: SearchKey, run: RecordRun, from: number): number {
  return new RunMerge(pages, path, key, run, from).merge()
}

class RunMerge {
  readonly #pages: PageWriter
  readonly #path: TreePath
  readonly #key: SearchKey
  readonly #run: RecordRun
  /** The record whose turn it is, to which `#key` and the fields of the run are turned. */
  #next: number
  /** Its place in the page, and whether a cell with its key is there. */
  #index: number
  #replaces = false
  /** Bytes of records that may still join those that are put together. */
  #roomBytes: number
  /** The divider that ends the leaf, if there is one. */
  #boundPage: Page | null = null
  #boundIndex = 0
  /** Whether the record whose turn it is comes behind that. */
  #isPastLeaf = false

  constructor(pages: PageWriter, path: TreePath, key: SearchKey, run: RecordRun, from: number) {
    this.#pages = pages
    this.#path = path
    this.#key = key
    this.#run = run
    this.#next = from
    this.#index = path.index
    this.#roomBytes = NEW_PAGES_MAX * pages.usableSize
    run.turnTo(from)
  }

  merge(): number {
    const path = this.#path
    this.#boundAbove(path.last)
    while (hasRoom(path.page, this.#run.cellSize)) if (!this.#insert()) return this.#next
    this.#rebuild()
    return this.#next
  }

  /** Puts the record into the leaf, which has room. @returns whether the next one goes there as well */
  #insert(): boolean {
    const path = this.#path
    const run = this.#run
    const page = editablePage(this.#pages, path.page)
    path.pages[path.last] = page
    const offset = insertSpace(this.#pages, page, this.#index, run.cellSize)
    copyRange(run.bytes, run.cellStart, page.bytes, offset, run.cellSize)
    let from = this.#index + 1
    while (this.#advance(page, from)) {
      path.indexes[path.last] = this.#index
      if (!this.#replaces) return true
      if (!this.#overwrite(page)) return false
      from = this.#index + 1
    }
    return false
  }

  /** Writes the record over the cell with its key. @returns false, with nothing done, if that has another size or a chain */
  #overwrite(page: Page): boolean {
    const run = this.#run
    const decoded = page.decoded!
    const cell = readCell(page.bytes, cellOffset(page.bytes, decoded, this.#index), decoded, editCell)
    if (cell.payloadLength !== run.recordLength) return false
    copyRange(run.bytes, run.recordStart, page.bytes, cell.payloadStart, run.recordLength)
    return true
  }

  /**
   * The record has been put; goes on to the next one.
   * @param from cells of the page before this one are less
   * @returns whether that goes into this page; its place is set then
   */
  #advance(page: Page, from: number): boolean {
    const run = this.#run
    if (++this.#next === run.count) return false
    run.turnTo(this.#next)
    this.#key.setFromBytes(run.bytes, run.keyStart, run.keyLength, run.parity)
    const bound = this.#boundPage
    if (bound !== null) {
      const order = compareWithCell(this.#pages, bound, this.#key, this.#boundIndex)
      this.#isPastLeaf = order > 0
      if (order >= 0) return false
    }
    return run.recordLength <= page.decoded!.maxLocal && this.#find(page, from)
  }

  #find(page: Page, from: number): boolean {
    const found = searchOnFrom(this.#pages, page, this.#key, from)
    this.#replaces = found >= 0
    this.#index = found >= 0 ? found : ~found
    return true
  }

  /** The record does not fit into the leaf. */
  #rebuild(): void {
    const path = this.#path
    const pages = this.#pages
    if (path.last === 0) deepenRoot(pages, path, { index: this.#index, cells: [] })
    const level = path.last
    const first = path.indexes[level - 1]!
    const from = this.#next
    list.clear()
    const siblings = [path.page]
    this.#boundBehind(first)
    this.#gather(path.page)
    while (siblings.length < SIBLINGS_MAX && this.#isPastLeaf) {
      const sibling = this.#nextLeaf(siblings, first + siblings.length)
      if (sibling === null) break
      gatherDivider(list, path.pages[level - 1]!, first + siblings.length - 1, siblings.at(-1)!.decoded!)
      siblings.push(sibling)
      this.#gather(sibling)
    }
    // One alone shares the cells of its neighbours, too.
    if (this.#next === from + 1) {
      list.clear()
      this.#next = from
      return
    }
    this.#write(siblings, first)
  }

  /** Adds the cells of a leaf to the list and, from the one whose turn it is on, the records that go there. */
  #gather(page: Page): void {
    const run = this.#run
    let old = 0
    this.#isPastLeaf = false
    do {
      gatherCells(page, old, this.#index)
      list.add(run.bytes, run.cellStart, run.cellSize)
      this.#roomBytes -= run.cellSize
      old = this.#replaces ? this.#index + 1 : this.#index
    } while (this.#advance(page, old) && this.#roomBytes > 0 && !this.#mustBeAlone(page))
    gatherCells(page, old, page.decoded!.cellCount)
  }

  /** Whether the record takes the place of an entry with an overflow chain. */
  #mustBeAlone(page: Page): boolean {
    if (!this.#replaces) return false
    const decoded = page.decoded!
    const cell = readCell(page.bytes, cellOffset(page.bytes, decoded, this.#index), decoded, editCell)
    return cell.localLength < cell.payloadLength
  }

  /** The leaf at this index of the parent, if the record whose turn it is goes there and may stand in the list. */
  #nextLeaf(siblings: readonly Page[], index: number): Page | null {
    const path = this.#path
    const pages = this.#pages
    const level = path.last
    const parent = path.pages[level - 1]!
    if (index > parent.decoded!.cellCount || this.#roomBytes <= 0) return null
    this.#boundBehind(index)
    const bound = this.#boundPage
    if (bound !== null && compareWithCell(pages, bound, this.#key, this.#boundIndex) >= 0) return null
    const leaf = treePage(pages, childNumber(parent, index), INDEX_LEAF, level)
    if (!leaf.decoded!.isLeaf) throw pages.corrupt(leaf.number, 0, 'sibling pages lie on different levels')
    if (siblings.includes(leaf)) throw pages.corrupt(parent.number, 0, `page ${leaf.number} is its child twice`)
    if (this.#run.recordLength > leaf.decoded!.maxLocal) return null
    this.#find(leaf, 0)
    return this.#mustBeAlone(leaf) ? null : leaf
  }

  #write(siblings: readonly Page[], first: number): void {
    const path = this.#path
    const pages = this.#pages
    const above = path.last - 1
    for (let i = 0; i < list.count; i++) placedSizes[i] = placedSize(list.sizes[i]!) + CELL_POINTER_SIZE
    const ends = fillPages(placedSizes, list.count, pages.usableSize - LEAF_HEADER_SIZE)
    const parent = editablePage(pages, path.pages[above]!)
    path.pages[above] = parent
    const { dividers, last } = writeSiblings(pages, siblings, parent, { list, ends, oldRanges: [] })
    list.clear()
    const unplaced = replaceDividers(pages, parent, { first, dropped: siblings.length - 1, dividers, last })
    if (above === 0 && unplaced === null) collapseRoot(pages, parent)
    else balance(pages, path, above, unplaced)
  }

  /** What ends the child of the parent with this index. */
  #boundBehind(index: number): void {
    const above = this.#path.last - 1
    const parent = this.#path.pages[above]!
    if (index === parent.decoded!.cellCount) {
      this.#boundAbove(above)
      return
    }
    this.#boundPage = parent
    this.#boundIndex = index
  }

  /** What ends the page at this level of the path. */
  #boundAbove(level: number): void {
    const path = this.#path
    const at = path.boundLevelAbove(level)
    this.#boundPage = at < 0 ? null : path.pages[at]!
    this.#boundIndex = at < 0 ? 0 : path.indexes[at]!
  }
}

/** Adds the cells of a page from `start` up to `end` to the list. */
function gatherCells({ bytes, decoded }: Page, start: number, end: number): void {
  for (let index = start; index < end; index++) {
    const offset = cellOffset(bytes, decoded!, index)
    list.add(bytes, offset, cellSize(bytes, offset, decoded!))
  }
}
