/**
 * Payloads and their overflow chains: reading them whole, writing, overwriting and freeing them.
 *
 * A chain comes from a file that may be damaged. Its length is known beforehand from the payload's, is believed
 * only if the format allows it and the database has that many pages, and must end exactly there: a chain whose last page has no successor
 * cannot contain a loop, as each page has one successor only.
 */
import {
  type Cell,
  nextOverflowPage,
  OVERFLOW_DATA_OFFSET,
  overflowCapacity,
  overflowPageCount,
  putNextOverflowPage,
} from '../format/index.js'
import type { Page, PageReader, PageWriter } from '../pager/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import type { Payload } from './payload.js'

/** Source: SQLite "Limits", the largest string or blob that it can be compiled for. */
const PAYLOAD_SIZE_MAX = 2 ** 31 - 1

/** Points `into` at the whole payload of a cell; with an overflow chain, at a copy that is put together. */
export function readPayload(pages: PageReader, page: Page, cell: Cell, into: Payload): void {
  if (cell.localLength === cell.payloadLength) into.set(page.bytes, cell.payloadStart, cell.payloadLength)
  else into.set(assemblePayload(pages, page, cell, cell.payloadLength), 0, cell.payloadLength)
}

/** A copy of the first `length` bytes of an overflowing payload. Reads no further along the chain than that takes. */
export function assemblePayload(pages: PageReader, page: Page, cell: Cell, length: number): Uint8Array {
  checkPayloadLength(pages, page, cell)
  const { localLength, payloadStart, payloadLength } = cell
  const target = Buffer.allocUnsafeSlow(length)
  target.set(page.bytes.subarray(payloadStart, payloadStart + localLength))
  const capacity = overflowCapacity(pages.usableSize)
  let at = localLength
  let from = page
  let next = cell.overflowPage
  while (at < length) {
    if (next === NO_PAGE) throw chainTooShort(pages, from, payloadLength)
    from = pages.page(next)
    const size = Math.min(capacity, length - at)
    target.set(from.bytes.subarray(OVERFLOW_DATA_OFFSET, OVERFLOW_DATA_OFFSET + size), at)
    at += size
    next = nextOverflowPage(from.bytes)
  }
  if (length === payloadLength && next !== NO_PAGE) throw chainTooLong(pages, from, payloadLength)
  return target
}

function checkPayloadLength(pages: PageReader, page: Page, cell: Cell): void {
  const { payloadLength, localLength } = cell
  const needed = overflowPageCount(payloadLength - localLength, pages.usableSize)
  if (needed < pages.pageCount && payloadLength <= PAYLOAD_SIZE_MAX) return
  throw pages.corrupt(page.number, cell.offset, `payload of ${payloadLength} bytes in ${pages.pageCount} pages`)
}

function chainTooShort(pages: PageReader, from: Page, payloadLength: number): Error {
  return pages.corrupt(from.number, 0, `overflow chain ends before all ${payloadLength} bytes of its payload`)
}

function chainTooLong(pages: PageReader, from: Page, payloadLength: number): Error {
  return pages.corrupt(from.number, 0, `overflow chain goes on after all ${payloadLength} bytes of its payload`)
}

/** The pages of a cell's overflow chain, in order; empty without one. */
export function overflowPages(pages: PageReader, page: Page, cell: Cell): PageNumber[] {
  const numbers: PageNumber[] = []
  if (cell.localLength === cell.payloadLength) return numbers
  checkPayloadLength(pages, page, cell)
  const count = overflowPageCount(cell.payloadLength - cell.localLength, pages.usableSize)
  let from = page
  let next = cell.overflowPage
  for (let i = 0; i < count; i++) {
    if (next === NO_PAGE) throw chainTooShort(pages, from, cell.payloadLength)
    numbers.push(next)
    from = pages.page(next)
    next = nextOverflowPage(from.bytes)
  }
  if (next !== NO_PAGE) throw chainTooLong(pages, from, cell.payloadLength)
  return numbers
}

/** Gives the overflow chain of a cell, if it has one, back to the freelist. */
export function freeOverflow(pages: PageWriter, page: Page, cell: Cell): void {
  if (cell.localLength === cell.payloadLength) return
  // All of the chain is walked before its first page is freed: that page may become a trunk.
  for (const number of overflowPages(pages, page, cell)) pages.free(number)
}

/**
 * Writes what follows the first `local` bytes of the record into a new chain.
 * @returns its first page, or NO_PAGE if the record is all local
 */
export function writeOverflow(pages: PageWriter, record: Uint8Array, local: number): PageNumber {
  const capacity = overflowCapacity(pages.usableSize)
  let first = NO_PAGE
  let last: Page | null = null
  for (let at = local; at < record.length; at += capacity) {
    const page = pages.allocate()
    page.bytes.set(record.subarray(at, at + capacity), OVERFLOW_DATA_OFFSET)
    if (last === null) first = page.number
    else putNextOverflowPage(last.bytes, page.number)
    last = page
  }
  return first
}

/** Puts another record of the same length over the chain of a cell. */
export function overwriteOverflow(pages: PageWriter, page: Page, cell: Cell, record: Uint8Array): void {
  const capacity = overflowCapacity(pages.usableSize)
  let at = cell.localLength
  for (const number of overflowPages(pages, page, cell)) {
    pages.writable(number).bytes.set(record.subarray(at, at + capacity), OVERFLOW_DATA_OFFSET)
    at += capacity
  }
}
