/**
 * The records of a long range, leaf by leaf from one private copy each. Values that are handed out must be copies; one copy
 * of all the cells of a leaf, of which each value is a part, costs far less than one for each value. A value that is
 * kept keeps the others' bytes, no more of them than copies out of Node's pool always do.
 *
 * Short ranges do without: a few records do not pay for the copy of a leaf.
 */
import { Cell, cellOffset, readCell } from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import { readPayload } from './overflow-chain.js'
import type { Payload } from './payload.js'

/** Records of a range that are read before leaves are copied. */
const RECORDS_MIN = 8
/** What Node gives out of its pool, which others cannot transfer away. */
const COPY_MAX = (Buffer.poolSize >>> 1) - 1

const NO_COPY = new Uint8Array(0)
const cell = new Cell()

export class LeafCopy {
  #recordCount = 0
  #page: Page | null = null
  #copy: Uint8Array = NO_COPY
  /** Where the first byte of the copy lies on the page. */
  #base = 0

  /** Points `into` at the payload of a cell; `isOwned` says whether it may be handed out as it is. */
  payload(pages: PageReader, page: Page, index: number, into: Payload): void {
    const decoded = page.decoded!
    readCell(page.bytes, cellOffset(page.bytes, decoded, index), decoded, cell)
    const { payloadStart, payloadLength } = cell
    if (++this.#recordCount <= RECORDS_MIN || page.isDirty || cell.localLength !== payloadLength) {
      readPayload(pages, page, cell, into)
      return
    }
    if (page !== this.#page) this.#take(page, pages.usableSize)
    const at = payloadStart - this.#base
    if (at + payloadLength > this.#copy.length) readPayload(pages, page, cell, into)
    else into.setOwned(this.#copy, at, payloadLength)
  }

  #take(page: Page, usableSize: number): void {
    this.#page = page
    const { bytes } = page
    this.#base = page.decoded!.contentStart
    const size = usableSize - this.#base
    this.#copy = NO_COPY
    if (size > COPY_MAX || !page.decoded!.isLeaf) return
    const copy = Buffer.allocUnsafe(size)
    copy.set(bytes.subarray(this.#base, usableSize))
    this.#copy = copy
  }
}
