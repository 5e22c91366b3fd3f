/**
 * Finding a key: binary search in a page, and the descent from the root. Nothing is allocated on the way, except
 * where a key runs on into an overflow chain.
 *
 * Searches in a page return the index of the equal cell, or else the complement (~index) of the first greater one.
 */
import {
  CELL_POINTER_SIZE,
  Cell,
  CHILD_SIZE,
  cellOffset,
  DamagedRecord,
  type DecodedPage,
  get16,
  getRowid,
  getVarint,
  INDEX_LEAF,
  readCell,
  type SearchKey,
  serialTypeSize,
  TABLE_LEAF,
  varintSize,
} from '../format/index.js'
import type { EntryHints, Page, PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { hasHeads, hasRowids, lowestHead, lowestRowid } from './key-heads.js'
import { findRecordByHint, findRowByHint, passPage, putHint } from './leaf-hints.js'
import { assemblePayload, readPayload } from './overflow-chain.js'
import type { Payload } from './payload.js'
import { childNumber, type Rowid, treePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

const scratchCell = new Cell()

export function searchRowid(page: Page, rowid: Rowid): number {
  const decoded = page.decoded!
  if (!hasRowids(page, decoded)) return searchRowidCells(page, decoded, rowid)
  const rowids = decoded.heads!
  const index = lowestRowid(rowids, rowid)
  return index < rowids.length && rowids[index] === rowid ? index : ~index
}

function searchRowidCells({ bytes }: Page, decoded: DecodedPage, rowid: Rowid): number {
  const { pointersOffset, isLeaf } = decoded
  let low = 0
  let high = decoded.cellCount
  while (low < high) {
    const middle = (low + high) >>> 1
    const offset = get16(bytes, pointersOffset + CELL_POINTER_SIZE * middle)
    const found = getRowid(bytes, isLeaf ? offset + varintSize(bytes, offset) : offset + CHILD_SIZE)
    if (found < rowid) low = middle + 1
    else if (found > rowid) high = middle
    else return middle
  }
  return ~low
}

export function searchRecord(pages: PageReader, page: Page, key: SearchKey): number {
  const decoded = page.decoded!
  if (!hasHeads(page, decoded, key)) return searchCells(pages, page, key, 0, decoded.cellCount)
  return searchByHeads(pages, page, decoded, key)
}

function searchByHeads(pages: PageReader, page: Page, decoded: DecodedPage, key: SearchKey): number {
  const heads = decoded.heads!
  const order = key.compareLeading(decoded.headShared!)
  if (order !== 0) return order < 0 ? ~0 : ~heads.length
  const head = key.leadingHead(decoded.headSkip)
  const low = lowestHead(heads, head)
  let high = low
  while (high < heads.length && heads[high] === head) high++
  return high === low ? ~low : searchCells(pages, page, key, low, high)
}

function searchCells(pages: PageReader, page: Page, key: SearchKey, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareWithCell(pages, page, key, middle)
    if (order > 0) low = middle + 1
    else if (order < 0) high = middle
    else return middle
  }
  return ~low
}

/** The same for a key that is greater than all cells before `from` and most likely not far behind them. */
export function searchOnFrom(pages: PageReader, page: Page, key: SearchKey, from: number): number {
  const { cellCount } = page.decoded!
  let low = from
  for (let step = 1; low < cellCount; step *= 2) {
    const next = Math.min(low + step, cellCount)
    const order = compareWithCell(pages, page, key, next - 1)
    if (order === 0) return next - 1
    if (order < 0) return searchCells(pages, page, key, low, next - 1)
    low = next
  }
  return ~cellCount
}

/** Index of the first cell that the key sorts before (`orEqual`: or equals), the cell count if there is none. */
export function boundaryOfKey(pages: PageReader, page: Page, key: SearchKey, orEqual: boolean): number {
  const limit = orEqual ? 1 : 0
  let low = 0
  let high = page.decoded!.cellCount
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareWithCell(pages, page, key, middle) < limit) high = middle
    else low = middle + 1
  }
  return low
}

/** Compares the key with the record of a cell: negative if the key sorts before it. */
export function compareWithCell(pages: PageReader, page: Page, key: SearchKey, index: number): number {
  const decoded = page.decoded!
  const { bytes } = page
  const offset = get16(bytes, decoded.pointersOffset + CELL_POINTER_SIZE * index)
  const at = decoded.isLeaf ? offset : offset + CHILD_SIZE
  const length = getVarint(bytes, at)
  try {
    if (length <= decoded.maxLocal) return key.compareRecord(bytes, at + varintSize(bytes, at), length)
    return compareWithOverflowing(pages, page, key, offset)
  } catch (error) {
    throw located(pages, page, offset, error)
  }
}

/** A record knows not where it lies; the error for the reader says it. */
export function located(pages: PageReader, page: Page, offset: number, error: unknown): unknown {
  return error instanceof DamagedRecord ? pages.corrupt(page.number, offset, error.message) : error
}

function compareWithOverflowing(pages: PageReader, page: Page, key: SearchKey, offset: number): number {
  const cell = readCell(page.bytes, offset, page.decoded!, scratchCell)
  const { payloadLength, payloadStart, localLength } = cell
  const needed = keyEnd(page.bytes, cell, key.count)
  if (needed <= localLength) return key.compareRecord(page.bytes, payloadStart, payloadLength)
  return key.compareRecord(assemblePayload(pages, page, cell, needed), 0, payloadLength)
}

/**
 * How many bytes from the start of its payload hold the first `count` columns; all of them if the record's own
 * header is not all on the page.
 * @throws DamagedRecord
 */
export function keyEnd(bytes: Uint8Array, { payloadStart, payloadLength, localLength }: Cell, count: number): number {
  const headerSize = getVarint(bytes, payloadStart)
  if (headerSize > localLength) return payloadLength
  const headerEnd = payloadStart + headerSize
  let end = headerSize
  let at = payloadStart + varintSize(bytes, payloadStart)
  for (let i = 0; i < count && at < headerEnd; i++) {
    end += serialTypeSize(getVarint(bytes, at))
    at += varintSize(bytes, at)
  }
  if (end > payloadLength) throw new DamagedRecord(`key columns run past the record of ${payloadLength} bytes`)
  return end
}

/** Leads the path to the row, or to where it would go. */
export function seekRow(pages: PageReader, root: PageNumber, rowid: Rowid, path: TreePath): boolean {
  path.last = -1
  let number = root
  for (;;) {
    const page = treePage(pages, number, TABLE_LEAF, path.last + 1)
    const found = searchRowid(page, rowid)
    // An interior cell's rowid is the greatest of its child, so an equal one leads to that child as well.
    const index = found >= 0 ? found : ~found
    path.push(page, index)
    if (page.decoded!.isLeaf) return found >= 0
    number = childNumber(page, index)
  }
}

/** Leads the path to the entry that is equal to the key, on whatever level, or to where it would go. */
export function seekRecord(pages: PageReader, root: PageNumber, key: SearchKey, path: TreePath): boolean {
  path.last = -1
  let number = root
  for (;;) {
    const page = treePage(pages, number, INDEX_LEAF, path.last + 1)
    const found = searchRecord(pages, page, key)
    path.push(page, found >= 0 ? found : ~found)
    if (found >= 0) return true
    if (page.decoded!.isLeaf) return false
    number = childNumber(page, ~found)
  }
}

/**
 * Leads the path to the leaf position that separates the entries before the key from the others: those equal to it
 * (as far as the key goes) lie after that position with `orEqual`, else before it.
 */
export function seekBoundary(
  pages: PageReader,
  root: PageNumber,
  key: SearchKey,
  orEqual: boolean,
  path: TreePath,
): void {
  path.last = -1
  let number = root
  for (;;) {
    const page = treePage(pages, number, INDEX_LEAF, path.last + 1)
    const index = boundaryOfKey(pages, page, key, orEqual)
    path.push(page, index)
    if (page.decoded!.isLeaf) return
    number = childNumber(page, index)
  }
}

/**
 * Looks a row up.
 * @returns false if there is none; `into` is left alone then
 */
export function findRow(pages: PageReader, root: PageNumber, rowid: Rowid, into: Payload): boolean {
  const isHashable = typeof rowid === 'number'
  const hints = isHashable ? pages.hints : null
  if (isHashable && hints !== null && findRowByHint(pages, hints, root, rowid, into)) return true
  let parent: Page | null = null
  let number = root
  for (let level = 0; ; level++) {
    const page = treePage(pages, number, TABLE_LEAF, level)
    const decoded = page.decoded!
    const isFirst = hints !== null && passPage(page, decoded, hints, root, parent)
    const found = isFirst ? searchRowidCells(page, decoded, rowid) : searchRowid(page, rowid)
    if (decoded.isLeaf) {
      if (found >= 0) readFound(pages, root, page, found, hints, into)
      return found >= 0
    }
    number = childNumber(page, found >= 0 ? found : ~found)
    parent = page
  }
}

/**
 * Looks up the entry whose first columns equal the key.
 * @returns false if there is none; `into` is left alone then
 */
export function findRecord(pages: PageReader, root: PageNumber, key: SearchKey, into: Payload): boolean {
  const hints = key.hasHash ? pages.hints : null
  if (hints !== null && findRecordByHint(pages, hints, root, key, into)) return true
  let parent: Page | null = null
  let number = root
  for (let level = 0; ; level++) {
    const page = treePage(pages, number, INDEX_LEAF, level)
    const decoded = page.decoded!
    const isFirst = hints !== null && passPage(page, decoded, hints, root, parent)
    const found = isFirst ? searchCells(pages, page, key, 0, decoded.cellCount) : searchRecord(pages, page, key)
    if (found >= 0) readFound(pages, root, page, found, decoded.isLeaf ? hints : null, into)
    if (found >= 0 || decoded.isLeaf) return found >= 0
    number = childNumber(page, ~found)
    parent = page
  }
}

/** What has been found in spite of the hints to its leaf gets a hint again. */
function readFound(
  pages: PageReader,
  root: PageNumber,
  page: Page,
  index: number,
  hints: EntryHints | null,
  into: Payload,
): void {
  readPayloadAt(pages, page, index, into)
  if (hints !== null) putHint(page, page.decoded!, hints, root, index)
}

/** Points `into` at the payload of the cell with this index. */
export function readPayloadAt(pages: PageReader, page: Page, index: number, into: Payload): void {
  const { bytes } = page
  const decoded = page.decoded!
  readPayload(pages, page, readCell(bytes, cellOffset(bytes, decoded, index), decoded, scratchCell), into)
}

/** The greatest rowid of a table, undefined if it is empty. */
export function lastRowid(pages: PageReader, root: PageNumber): Rowid | undefined {
  let number = root
  for (let level = 0; ; level++) {
    const page = treePage(pages, number, TABLE_LEAF, level)
    const decoded = page.decoded!
    if (!decoded.isLeaf) {
      number = decoded.rightChild
      continue
    }
    if (decoded.cellCount === 0) return undefined
    const offset = cellOffset(page.bytes, decoded, decoded.cellCount - 1)
    return getRowid(page.bytes, offset + varintSize(page.bytes, offset))
  }
}
