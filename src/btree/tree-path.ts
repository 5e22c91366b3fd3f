/**
 * The way from the root of a tree down to one of its entries: a page and an index per level. On the levels above
 * the last one, the index is that of the child taken (the cell count for the right child).
 *
 * On the last level it is that of the entry, or where a new one would go. In an index b-tree the last level may be
 * an interior page, since entries live there too.
 */
import type { Page, PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { childNumber, treePage } from './tree-page.js'

export class TreePath {
  /** Level of the last page: 0 is the root, -1 means that the path is empty. */
  last = -1
  /** Leaves gone forward less leaves gone back: more than there are pages means going in circles. */
  leavesPassed = 0
  readonly pages: (Page | null)[] = []
  readonly indexes: number[] = []

  push(page: Page, index: number): void {
    const level = ++this.last
    this.pages[level] = page
    this.indexes[level] = index
  }

  /** Empties the path and lets go of the pages. */
  clear(): void {
    this.last = -1
    // Not `fill`: a call into the runtime, for a few levels.
    for (let level = 0; level < this.pages.length; level++) this.pages[level] = null
  }

  get page(): Page {
    return this.pages[this.last]!
  }

  get index(): number {
    return this.indexes[this.last]!
  }

  /** The nearest level above this one whose page has a cell behind the child that the path takes; -1 if none has. */
  boundLevelAbove(level: number): number {
    let at = level - 1
    while (at >= 0 && this.indexes[at] === this.pages[at]!.decoded!.cellCount) at--
    return at
  }

  /** Goes on from `number` to the leftmost leaf below it. */
  descendFirst(pages: PageReader, number: PageNumber, leafKind: number): void {
    let next = number
    for (;;) {
      const page = treePage(pages, next, leafKind, this.last + 1)
      this.push(page, 0)
      if (page.decoded!.isLeaf) return
      next = childNumber(page, 0)
    }
  }

  /** Goes on from `number` to the rightmost leaf below it, past its last entry. */
  descendLast(pages: PageReader, number: PageNumber, leafKind: number): void {
    let next = number
    for (;;) {
      const page = treePage(pages, next, leafKind, this.last + 1)
      const { cellCount, isLeaf, rightChild } = page.decoded!
      this.push(page, cellCount)
      if (isLeaf) return
      next = rightChild
    }
  }

  /** From a leaf of a table to the start of the next one; false after the last. */
  nextLeaf(pages: PageReader, leafKind: number): boolean {
    if (!this.climbForward(pages)) return false
    const index = ++this.indexes[this.last]!
    this.descendFirst(pages, childNumber(this.page, index), leafKind)
    return true
  }

  /** From a leaf of a table to the end of the one before; false before the first. */
  previousLeaf(pages: PageReader, leafKind: number): boolean {
    if (!this.climbBack(pages)) return false
    const index = --this.indexes[this.last]!
    this.descendLast(pages, childNumber(this.page, index), leafKind)
    return true
  }

  /** Up to the nearest page that has a cell at or after the path's index; false if no page has. */
  climbForward(pages: PageReader): boolean {
    this.#passLeaf(pages, 1)
    while (--this.last >= 0) if (this.index < this.page.decoded!.cellCount) return true
    return false
  }

  /** Up to the nearest page that has a cell before the path's index; false if no page has. */
  climbBack(pages: PageReader): boolean {
    this.#passLeaf(pages, -1)
    while (--this.last >= 0) if (this.index > 0) return true
    return false
  }

  #passLeaf(pages: PageReader, direction: number): void {
    this.leavesPassed += direction
    if (Math.abs(this.leavesPassed) <= pages.pageCount) return
    throw pages.corrupt(this.page.number, 0, 'b-tree with more leaves than the database has pages')
  }
}
