/**
 * A position in an index b-tree, moved in either direction. Entries live on interior pages too, so the position may
 * be on any level.
 *
 * Over a PageWriter the cursor stays right while the tree is edited: it notices by `editCount` that pages have
 * changed and finds the place of its entry again, by the entry's own key. A page that was clean when the cursor
 * arrived never changes and is kept as the memory of that key; from a page that may change, the record is copied.
 */
import { assert } from '../assert.js'
import { INDEX_LEAF, type KeyOrder, SearchKey } from '../format/index.js'
import type { PageReader, PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { LeafCopy } from './leaf-copy.js'
import { Payload } from './payload.js'
import { compareWithCell, located, readPayloadAt, seekBoundary } from './search.js'
import type { SeekBound } from './table-cursor.js'
import { childNumber } from './tree-page.js'
import { TreePath } from './tree-path.js'

export class IndexCursor {
  readonly #pages: PageReader
  readonly #root: PageNumber
  readonly #path = new TreePath()
  readonly #isOnWriter: boolean
  readonly #entry = new Payload()
  #order: KeyOrder | null
  #isPositioned = false
  #editCount = 0

  /** @param order needed to survive edits after `first` or `last`; `seek` takes it from the key */
  constructor(pages: PageReader, root: PageNumber, order: KeyOrder | null = null) {
    this.#pages = pages
    this.#root = root
    this.#order = order
    this.#isOnWriter = 'writable' in pages && typeof (pages as PageWriter).writable === 'function'
  }

  /** Goes to the first entry, if there is one. */
  first(): boolean {
    this.#start()
    this.#path.descendFirst(this.#pages, this.#root, INDEX_LEAF)
    return this.#settleForward()
  }

  last(): boolean {
    this.#start()
    this.#path.descendLast(this.#pages, this.#root, INDEX_LEAF)
    return this.#stepBack()
  }

  /**
   * Goes to the first entry from the key on (`ge`) or after it (`gt`), or to the last one up to it (`le`) or before
   * it (`lt`). All entries that begin with the key's columns count as equal to it.
   */
  seek(key: SearchKey, bound: SeekBound): boolean {
    this.#order = key.order
    this.#start()
    seekBoundary(this.#pages, this.#root, key, bound === 'ge' || bound === 'lt', this.#path)
    return bound === 'ge' || bound === 'gt' ? this.#settleForward() : this.#stepBack()
  }

  /** Goes to the next entry. After a call that found none, only `first`, `last` and `seek` find one again. */
  next(): boolean {
    if (!this.#isPositioned) return false
    if (this.#editCount !== this.#pages.editCount) return this.seek(this.#entryKey(), 'gt')
    const path = this.#path
    const index = ++path.indexes[path.last]!
    if (!path.page.decoded!.isLeaf) path.descendFirst(this.#pages, childNumber(path.page, index), INDEX_LEAF)
    return this.#settleForward()
  }

  previous(): boolean {
    if (!this.#isPositioned) return false
    if (this.#editCount !== this.#pages.editCount) return this.seek(this.#entryKey(), 'lt')
    const path = this.#path
    if (!path.page.decoded!.isLeaf) path.descendLast(this.#pages, childNumber(path.page, path.index), INDEX_LEAF)
    return this.#stepBack()
  }

  /** Points `into` at the current entry's record, until the next operation on these pages. The entry must exist. With `copy` it may be owned. */
  payload(into: Payload, copy: LeafCopy | null = null): void {
    assert(this.#isPositioned, 'the cursor is not on an entry')
    if (this.#editCount !== this.#pages.editCount) this.#findAgain()
    const { page, index } = this.#path
    if (copy === null) readPayloadAt(this.#pages, page, index, into)
    else copy.payload(this.#pages, page, index, into)
  }

  #findAgain(): void {
    const key = this.#entryKey()
    const isThere = this.seek(key, 'ge') && compareWithCell(this.#pages, this.#path.page, key, this.#path.index) === 0
    assert(isThere, 'the entry of the cursor has been deleted')
  }

  #start(): void {
    this.#path.last = -1
    this.#path.leavesPassed = 0
    this.#isPositioned = false
    this.#editCount = this.#pages.editCount
  }

  /** From the path's position to the entry there, or else to the nearest one after it. */
  #settleForward(): boolean {
    const path = this.#path
    if (path.index >= path.page.decoded!.cellCount && !path.climbForward(this.#pages)) return this.#leave()
    return this.#arrive()
  }

  /** To the entry before the path's leaf position. */
  #stepBack(): boolean {
    const path = this.#path
    if (path.index === 0 && !path.climbBack(this.#pages)) return this.#leave()
    path.indexes[path.last]!--
    return this.#arrive()
  }

  #arrive(): boolean {
    this.#isPositioned = true
    if (this.#isOnWriter) this.#remember()
    return true
  }

  #leave(): boolean {
    this.#isPositioned = false
    this.#path.clear()
    return false
  }

  #remember(): void {
    const { page, index } = this.#path
    readPayloadAt(this.#pages, page, index, this.#entry)
    const { bytes, start, length } = this.#entry
    if (page.isDirty && bytes === page.bytes) this.#entry.set(bytes.slice(start, start + length), 0, length)
  }

  /** The key of the entry that the cursor is on, or was on before that was deleted. */
  #entryKey(): SearchKey {
    const order = this.#order
    assert(order !== null, 'a cursor needs the key order to go on after an edit')
    const { bytes, start, length } = this.#entry
    try {
      return new SearchKey(order).setFromRecord(bytes, start, length)
    } catch (error) {
      throw located(this.#pages, this.#path.page, 0, error)
    }
  }
}
