/**
 * The four kinds of cells, by the kind of page they lie on:
 *
 *   table leaf       payload length (varint), rowid (varint), local payload, overflow page (4, if any)
 *   table interior   left child (4), rowid (varint)
 *   index leaf       payload length (varint), local payload, overflow page (4, if any)
 *   index interior   left child (4), payload length (varint), local payload, overflow page (4, if any)
 *
 * A cell on a page takes at least 4 bytes, so that what it leaves behind can be a freeblock: `cellSize` is what
 * the cell's own bytes are, `placedSize` what it takes on the page. Reading is bounded by `checkPage`, which has
 * seen every cell of a page before anything else does.
 */
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { type DecodedPage, INDEX_LEAF, TABLE_INTERIOR, TABLE_LEAF } from './btree-page.js'
import { get32, put32 } from './bytes.js'
import { localSizeOfOverflowing } from './local-payload.js'
import { getRowid, getVarint, putRowid, putVarint, rowidSizeOf, varintSize, varintSizeOf } from './varint.js'

export const CHILD_SIZE = 4
export const OVERFLOW_LINK_SIZE = 4
export const CELL_SIZE_MIN = 4

/** Fields of one cell, filled by `readCell`. */
export class Cell {
  /** Where the cell starts on its page. */
  offset = 0
  /** Bytes of the cell itself; see `placedSize`. */
  size = 0
  /** Left child; only on interior pages. */
  child: PageNumber = NO_PAGE
  /** Only on table pages. */
  rowid: number | bigint = 0
  /** All of the payload, here and in the overflow chain; 0 in table interior cells. */
  payloadLength = 0
  payloadStart = 0
  /** Bytes of payload on this page. */
  localLength = 0
  /** First page of the overflow chain, 0 without one. */
  overflowPage: PageNumber = NO_PAGE
}

/** Bytes that a cell of this size takes on a page. */
export function placedSize(size: number): number {
  return size < CELL_SIZE_MIN ? CELL_SIZE_MIN : size
}

/** Bytes of payload on the page out of `payloadLength`, which may be hostile. */
export function localLength(page: DecodedPage, payloadLength: number): number {
  if (payloadLength <= page.maxLocal) return payloadLength
  return localSizeOfOverflowing(payloadLength, page.maxLocal, page.minLocal, page.usableSize)
}

/** Bytes of the cell at `offset`. */
export function cellSize(bytes: Uint8Array, offset: number, page: DecodedPage): number {
  const kind = page.kind
  let at = offset
  if (kind === TABLE_INTERIOR) return CHILD_SIZE + varintSize(bytes, offset + CHILD_SIZE)
  if (!page.isLeaf) at += CHILD_SIZE
  const payloadLength = getVarint(bytes, at)
  at += varintSize(bytes, at)
  if (kind === TABLE_LEAF) at += varintSize(bytes, at)
  if (payloadLength <= page.maxLocal) return at + payloadLength - offset
  return at + localLength(page, payloadLength) + OVERFLOW_LINK_SIZE - offset
}

/** Reads all fields of the cell at `offset`. */
export function readCell(bytes: Uint8Array, offset: number, page: DecodedPage, into: Cell): Cell {
  const kind = page.kind
  let at = offset
  into.offset = offset
  if (!page.isLeaf) {
    into.child = pageNumber(get32(bytes, at))
    at += CHILD_SIZE
  }
  if (kind === TABLE_INTERIOR) {
    into.rowid = getRowid(bytes, at)
    // All that a cell read before may have left, as a payload that is not there must not seem to overflow.
    into.payloadLength = 0
    into.localLength = 0
    into.overflowPage = NO_PAGE
    into.size = CHILD_SIZE + varintSize(bytes, at)
    return into
  }
  const payloadLength = getVarint(bytes, at)
  at += varintSize(bytes, at)
  if (kind === TABLE_LEAF) {
    into.rowid = getRowid(bytes, at)
    at += varintSize(bytes, at)
  }
  into.payloadLength = payloadLength
  into.payloadStart = at
  readLocalEnd(bytes, page, into)
  return into
}

function readLocalEnd(bytes: Uint8Array, page: DecodedPage, into: Cell): void {
  const length = into.payloadLength
  const hasOverflow = length > page.maxLocal
  const local = hasOverflow ? localLength(page, length) : length
  const end = into.payloadStart + local
  into.localLength = local
  into.overflowPage = pageNumber(hasOverflow ? get32(bytes, end) : 0)
  into.size = end - into.offset + (hasOverflow ? OVERFLOW_LINK_SIZE : 0)
}

/** The rowid of a table cell, without its other fields. */
export function cellRowid(bytes: Uint8Array, offset: number, page: DecodedPage): number | bigint {
  return getRowid(bytes, page.isLeaf ? offset + varintSize(bytes, offset) : offset + CHILD_SIZE)
}

export function cellChild(bytes: Uint8Array, offset: number): PageNumber {
  return pageNumber(get32(bytes, offset))
}

export function putCellChild(bytes: Uint8Array, offset: number, child: PageNumber): void {
  put32(bytes, offset, child)
}

/** What a new leaf or index cell is made of. The record's first `local` bytes go on the page. */
export interface CellContent {
  /** Left child, on interior index pages; else 0. */
  readonly child: PageNumber
  readonly rowid: number | bigint
  readonly record: Uint8Array
  readonly local: number
  readonly overflowPage: PageNumber
}

/** Size of the cell that `putCell` writes for this content on a page of this kind. */
export function contentSize(content: CellContent, kind: number): number {
  const { record, local } = content
  const head = kind === TABLE_LEAF ? rowidSizeOf(content.rowid) : kind === INDEX_LEAF ? 0 : CHILD_SIZE
  return head + varintSizeOf(record.length) + local + (local < record.length ? OVERFLOW_LINK_SIZE : 0)
}

/** Writes a table leaf or an index cell at `offset`. */
export function putCellContent(bytes: Uint8Array, offset: number, content: CellContent, kind: number): void {
  const { record, local } = content
  let at = offset
  if (kind !== TABLE_LEAF && kind !== INDEX_LEAF) {
    put32(bytes, at, content.child)
    at += CHILD_SIZE
  }
  at = putVarint(bytes, at, record.length)
  if (kind === TABLE_LEAF) at = putRowid(bytes, at, content.rowid)
  bytes.set(local === record.length ? record : record.subarray(0, local), at)
  if (local < record.length) put32(bytes, at + local, content.overflowPage)
}

/** The table interior cell that leads to the rows up to `rowid`. */
export function tableDivider(child: PageNumber, rowid: number | bigint): Uint8Array {
  const cell = new Uint8Array(CHILD_SIZE + rowidSizeOf(rowid))
  put32(cell, 0, child)
  putRowid(cell, CHILD_SIZE, rowid)
  return cell
}
