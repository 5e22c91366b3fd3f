/**
 * A position in a table b-tree, moved in either direction. Over a PageWriter it stays right while the tree is
 * edited: it remembers its rowid, notices by `editCount` that pages have changed, and finds its place again.
 *
 * Rowids must rise from step to step, and a cursor cannot pass more leaves than there are pages, so a damaged tree
 * cannot lead it in circles.
 */
import { assert } from '../assert.js'
import { cellOffset, cellRowid, TABLE_LEAF } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { LeafCopy } from './leaf-copy.js'
import type { Payload } from './payload.js'
import { readPayloadAt, seekRow } from './search.js'
import type { Rowid } from './tree-page.js'
import { TreePath } from './tree-path.js'

/** Which entry to go to: the nearest one from the key on, after it, up to it, or before it. */
export type SeekBound = 'ge' | 'gt' | 'le' | 'lt'

export class TableCursor {
  readonly #pages: PageReader
  readonly #root: PageNumber
  readonly #path = new TreePath()
  #isPositioned = false
  #editCount = 0
  #rowid: Rowid = 0

  constructor(pages: PageReader, root: PageNumber) {
    this.#pages = pages
    this.#root = root
  }

  /** Of the current row; it stays the same when that row is deleted. */
  get rowid(): Rowid {
    return this.#rowid
  }

  /** Goes to the first row, if there is one. */
  first(): boolean {
    this.#start()
    this.#path.descendFirst(this.#pages, this.#root, TABLE_LEAF)
    return this.#settleForward()
  }

  last(): boolean {
    this.#start()
    this.#path.descendLast(this.#pages, this.#root, TABLE_LEAF)
    return this.#stepBack()
  }

  seek(rowid: Rowid, bound: SeekBound): boolean {
    this.#start()
    const found = seekRow(this.#pages, this.#root, rowid, this.#path)
    if (bound === 'lt' || (bound === 'le' && !found)) return this.#stepBack()
    if (bound === 'gt' && found) this.#path.indexes[this.#path.last]!++
    return this.#settleForward()
  }

  /**
   * Goes to the next row. After a call that found none, only `first`, `last` and `seek` find one again.
   */
  next(): boolean {
    if (!this.#isPositioned) return false
    const { rowid } = this
    if (this.#editCount !== this.#pages.editCount) return this.seek(rowid, 'gt')
    this.#path.indexes[this.#path.last]!++
    if (!this.#settleForward()) return false
    if (this.#rowid <= rowid) throw this.#outOfOrder()
    return true
  }

  previous(): boolean {
    if (!this.#isPositioned) return false
    const { rowid } = this
    if (this.#editCount !== this.#pages.editCount) return this.seek(rowid, 'lt')
    if (!this.#stepBack()) return false
    if (this.#rowid >= rowid) throw this.#outOfOrder()
    return true
  }

  /** Points `into` at the current row's record, until the next operation on these pages. The row must exist. With `copy` it may be owned. */
  payload(into: Payload, copy: LeafCopy | null = null): void {
    assert(this.#isPositioned, 'the cursor is not on a row')
    if (this.#editCount !== this.#pages.editCount) {
      const { rowid } = this
      assert(this.seek(rowid, 'ge') && this.#rowid === rowid, 'the row of the cursor has been deleted')
    }
    const { page, index } = this.#path
    if (copy === null) readPayloadAt(this.#pages, page, index, into)
    else copy.payload(this.#pages, page, index, into)
  }

  #start(): void {
    this.#path.last = -1
    this.#path.leavesPassed = 0
    this.#isPositioned = false
    this.#editCount = this.#pages.editCount
  }

  /** From the path's leaf position to the row there, or else to the first row of a later leaf. */
  #settleForward(): boolean {
    const path = this.#path
    while (path.index >= path.page.decoded!.cellCount) {
      if (!path.nextLeaf(this.#pages, TABLE_LEAF)) return this.#leave()
    }
    return this.#arrive()
  }

  /** To the row before the path's leaf position. */
  #stepBack(): boolean {
    const path = this.#path
    while (path.index === 0) {
      if (!path.previousLeaf(this.#pages, TABLE_LEAF)) return this.#leave()
    }
    path.indexes[path.last]!--
    return this.#arrive()
  }

  #arrive(): boolean {
    const { page, index } = this.#path
    const decoded = page.decoded!
    this.#rowid = cellRowid(page.bytes, cellOffset(page.bytes, decoded, index), decoded)
    this.#isPositioned = true
    return true
  }

  #leave(): boolean {
    this.#isPositioned = false
    this.#path.clear()
    return false
  }

  #outOfOrder(): Error {
    return this.#pages.corrupt(this.#path.page.number, 0, `rowid ${this.#rowid} is out of order`)
  }
}
