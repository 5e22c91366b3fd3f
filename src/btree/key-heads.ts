/**
 * Key heads: six bytes of each key of a page, in one flat array of numbers, so that a search reads a few
 * neighbouring words instead of a cell here and a cell there. In a large tree nearly all of a search's time goes
 * into waiting for memory, so this more than halves it.
 *
 * The six bytes are those behind what all keys of the page begin with, since the keys of one page tend to differ
 * only near their ends. Cells with equal heads are told apart by comparing them whole.
 *
 * Only index pages whose first key columns are all texts or all blobs have heads, only trees with that column in
 * binary, ascending order use them. On table pages the heads are the rowids themselves, if they are all safe integers.
 * Only pages that are searched often between edits get heads: about 8 bytes per cell, 16 on interior pages.
 */
import {
  bytesHead,
  cellChild,
  cellOffset,
  cellRowid,
  compareBytes,
  type DecodedPage,
  type SearchKey,
} from '../format/index.js'
import type { Page } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { Leading, readLeading, sharedLength } from './leading-column.js'

/** Searches without an edit between them after which a page gets heads: until then they may not pay for themselves. */
const LEAF_SEARCHES_MIN = 4
const INTERIOR_SEARCHES_MIN = 6
const HEAD_SIZE = 6

/** Count of searches where a page cannot have heads until its next edit, low enough that it never gets there. */
const NEVER = -0x40000000

/** Whether the page has heads that this key can be searched by. Pages searched often enough get heads here. */
export function hasHeads(page: Page, decoded: DecodedPage, key: SearchKey): boolean {
  const parity = key.leadingParity
  if (decoded.heads !== null) return parity === decoded.headParity
  if (++decoded.searches < (decoded.isLeaf ? LEAF_SEARCHES_MIN : INTERIOR_SEARCHES_MIN) || parity < 0) return false
  decoded.searches = NEVER
  return makeHeads(page, decoded) && parity === decoded.headParity
}

/** Whether the table page has its rowids as heads. Pages searched often enough get them here. */
export function hasRowids(page: Page, decoded: DecodedPage): boolean {
  if (decoded.heads !== null) return true
  if (++decoded.searches < (decoded.isLeaf ? LEAF_SEARCHES_MIN : INTERIOR_SEARCHES_MIN)) return false
  decoded.searches = NEVER
  return makeRowids(page, decoded)
}

/** To be called before the first edit of a page's cells, or of its children. */
export function forgetHeads(decoded: DecodedPage): void {
  decoded.searches = 0
  if (decoded.heads === null) return
  decoded.heads = null
  decoded.headShared = null
  decoded.children = null
}

/** The first head that is not below `head`, from the left; the number of heads if all are. */
export function lowestHead(values: readonly number[], head: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! < head) low = middle + 1
    else high = middle
  }
  return low
}

/** The first rowid that is not below this one, from the left; the number of rowids if all are. */
export function lowestRowid(rowids: readonly number[], rowid: number | bigint): number {
  let low = 0
  let high = rowids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (rowids[middle]! < rowid) low = middle + 1
    else high = middle
  }
  return low
}

const first = new Leading()
const last = new Leading()

function makeHeads(page: Page, decoded: DecodedPage): boolean {
  const { bytes } = page
  const { cellCount, isLeaf } = decoded
  if (cellCount < 2) return false
  if (!readLeading(bytes, decoded, 0, first) || !readLeading(bytes, decoded, cellCount - 1, last)) return false
  const { parity } = first
  const skip = sharedLength(bytes, first, last)
  const shared = bytes.slice(first.start, first.start + skip)
  const heads = new Array<number>(cellCount)
  const children = isLeaf ? null : new Array<PageNumber>(cellCount + 1)
  for (let index = 0; index < cellCount; index++) {
    if (!readLeading(bytes, decoded, index, last) || last.parity !== parity) return false
    const { start, length, local } = last
    // Keys between the first and the last one share what those share, unless the page is damaged.
    if (local < skip || compareBytes(bytes, start, skip, shared, 0, skip) !== 0) return false
    if (local < length && local < skip + HEAD_SIZE) return false
    heads[index] = bytesHead(bytes, start + skip, length - skip)
    if (children !== null) children[index] = last.child
  }
  if (children !== null) children[cellCount] = decoded.rightChild
  decoded.heads = heads
  decoded.headParity = parity
  decoded.headSkip = skip
  decoded.headShared = shared
  decoded.children = children
  return true
}

function makeRowids(page: Page, decoded: DecodedPage): boolean {
  const { bytes } = page
  const { cellCount, isLeaf } = decoded
  const rowids = new Array<number>(cellCount)
  const children = isLeaf ? null : new Array<PageNumber>(cellCount + 1)
  for (let index = 0; index < cellCount; index++) {
    const offset = cellOffset(bytes, decoded, index)
    const rowid = cellRowid(bytes, offset, decoded)
    if (typeof rowid !== 'number') return false
    rowids[index] = rowid
    if (children !== null) children[index] = cellChild(bytes, offset)
  }
  if (children !== null) children[cellCount] = decoded.rightChild
  decoded.heads = rowids
  decoded.children = children
  return true
}
