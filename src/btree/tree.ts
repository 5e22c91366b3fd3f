/**
 * Whole trees: create, clear, drop, count.
 *
 * Walks over a whole tree mark each page they meet. A page met twice is damage, and so no walk takes longer than
 * the database has pages, however its pages point at each other (TREE-3).
 */
import { Cell, cellOffset, readCell } from '../format/index.js'
import type { Page, PageReader, PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { overflowPages } from './overflow-chain.js'
import { initializePage } from './page-edit.js'
import { childNumber, editablePage, leafKindOf, type TreeKind, treePage } from './tree-page.js'

/** @returns the root page of a new, empty tree */
export function createTree(pages: PageWriter, kind: TreeKind): PageNumber {
  const page = pages.allocate()
  initializePage(page, leafKindOf(kind), pages.usableSize)
  return page.number
}

/** Deletes all entries. Frees all pages but the root, which becomes an empty leaf. */
export function clearTree(pages: PageWriter, root: PageNumber, kind: TreeKind): void {
  const leafKind = leafKindOf(kind)
  const walk = new TreeWalk(pages, leafKind)
  freeBelow(pages, walk, walk.enter(root, 0), 0)
  const page = editablePage(pages, treePage(pages, root, leafKind, 0))
  initializePage(page, leafKind, pages.usableSize)
}

/** Frees all pages of the tree. */
export function dropTree(pages: PageWriter, root: PageNumber, kind: TreeKind): void {
  const walk = new TreeWalk(pages, leafKindOf(kind))
  freeBelow(pages, walk, walk.enter(root, 0), 0)
  pages.free(root)
}

/** Entries of the whole tree, by the cell counts of its pages. */
export function countEntries(pages: PageReader, root: PageNumber, kind: TreeKind): number {
  const walk = new TreeWalk(pages, leafKindOf(kind))
  return countFrom(walk, root, 0, kind)
}

function countFrom(walk: TreeWalk, number: PageNumber, level: number, kind: TreeKind): number {
  const page = walk.enter(number, level)
  const { cellCount, isLeaf } = page.decoded!
  if (isLeaf) return cellCount
  let count = kind === 'index' ? cellCount : 0
  for (let index = 0; index <= cellCount; index++) count += countFrom(walk, childNumber(page, index), level + 1, kind)
  return count
}

/** Frees the overflow chains of the page and all that is below it; a page is freed after everything it leads to. */
function freeBelow(pages: PageWriter, walk: TreeWalk, page: Page, level: number): void {
  const { cellCount, isLeaf } = page.decoded!
  for (let index = 0; index < cellCount; index++) freeChain(pages, walk, page, index)
  if (isLeaf) return
  for (let index = 0; index <= cellCount; index++) {
    const child = walk.enter(childNumber(page, index), level + 1)
    freeBelow(pages, walk, child, level + 1)
    pages.free(child.number)
  }
}

const cell = new Cell()

function freeChain(pages: PageWriter, walk: TreeWalk, page: Page, index: number): void {
  const decoded = page.decoded!
  readCell(page.bytes, cellOffset(page.bytes, decoded, index), decoded, cell)
  if (cell.localLength === cell.payloadLength) return
  for (const number of overflowPages(pages, page, cell)) {
    walk.mark(number)
    pages.free(number)
  }
}

class TreeWalk {
  readonly #pages: PageReader
  readonly #leafKind: number
  readonly #seen: Uint8Array

  constructor(pages: PageReader, leafKind: number) {
    this.#pages = pages
    this.#leafKind = leafKind
    this.#seen = new Uint8Array((pages.pageCount >>> 3) + 1)
  }

  enter(number: PageNumber, level: number): Page {
    const page = treePage(this.#pages, number, this.#leafKind, level)
    this.mark(number)
    return page
  }

  mark(number: PageNumber): void {
    const bit = 1 << (number & 7)
    if ((this.#seen[number >>> 3]! & bit) !== 0) throw this.#pages.corrupt(number, 0, 'page is in its b-tree twice')
    this.#seen[number >>> 3]! |= bit
  }
}
