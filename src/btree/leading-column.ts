/**
 * The first column of the records in an index page, where it is a text or blob: what fast searches are made from. The
 * key columns of a record come first, so it stands right behind the record's header.
 */
import {
  Cell,
  cellOffset,
  type DecodedPage,
  getVarint,
  readCell,
  SERIAL_BLOB,
  serialTypeSize,
  varintSize,
} from '../format/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'

/** The first column of a record that is a text or blob and whose beginning lies on the page. */
export class Leading {
  /** Lowest bit of the serial type: 1 text, 0 blob. */
  parity = 0
  start = 0
  length = 0
  /** Bytes of it that lie on the page. */
  local = 0
  cellOffset = 0
  /** The whole record lies on the page. */
  isWhole = false
  /** Only on interior pages. */
  child: PageNumber = NO_PAGE
}

const cell = new Cell()

/** How many bytes two columns begin with alike, as far as they lie on the page. */
export function sharedLength(bytes: Uint8Array, a: Leading, b: Leading): number {
  const limit = Math.min(a.local, b.local)
  let length = 0
  while (length < limit && bytes[a.start + length] === bytes[b.start + length]) length++
  return length
}

/** @returns false if the first column of this cell is something else, or starts in an overflow chain */
export function readLeading(bytes: Uint8Array, decoded: DecodedPage, index: number, into: Leading): boolean {
  const { payloadStart, localLength } = readCell(bytes, cellOffset(bytes, decoded, index), decoded, cell)
  const headerSize = getVarint(bytes, payloadStart)
  const typeStart = payloadStart + varintSize(bytes, payloadStart)
  if (headerSize > localLength || typeStart >= payloadStart + headerSize) return false
  const serialType = getVarint(bytes, typeStart)
  if (serialType < SERIAL_BLOB || serialTypeSize(serialType) > cell.payloadLength - headerSize) return false
  into.cellOffset = cell.offset
  into.isWhole = localLength === cell.payloadLength
  into.child = cell.child
  into.parity = serialType & 1
  into.start = payloadStart + headerSize
  into.length = serialTypeSize(serialType)
  into.local = Math.min(into.length, localLength - headerSize)
  return true
}
