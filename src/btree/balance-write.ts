/**
 * Last phase of balancing: fill the pages with their new cells and give the parent its new dividers.
 *
 * The cells still lie on the old pages while the new ones are put together. So each page is built as an image
 * first, and only when all images are done are they copied over the pages. Pages whose cells stay the same are not
 * built, not copied and not even made writable, which keeps them out of the log.
 */
import { assert } from '../assert.js'
import {
  CELL_COUNT_OFFSET,
  CELL_POINTER_SIZE,
  CHILD_SIZE,
  CONTENT_START_OFFSET,
  cellChild,
  cellRowid,
  DecodedPage,
  FIRST_FREEBLOCK_OFFSET,
  FRAGMENT_BYTES_OFFSET,
  INTERIOR_HEADER_SIZE,
  KIND_OFFSET,
  LEAF_BIT,
  LEAF_HEADER_SIZE,
  placedSize,
  put16,
  put32,
  putCellChild,
  RIGHT_CHILD_OFFSET,
  TABLE_LEAF,
  tableDivider,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import type { CellList, UnplacedCells } from './balance-gather.js'
import { copyRange, dropCell, hasRoom, insertSpace, putChild, sizeOfCell } from './page-edit.js'

/** Page images under construction: used within one call only. */
const images: Uint8Array[] = []

/** The scratch image with this index, `usableSize` bytes long. */
export function scratchImage(index: number, usableSize: number): Uint8Array {
  const known = images[index]
  if (known !== undefined && known.length === usableSize) return known
  const image = new Uint8Array(usableSize)
  images[index] = image
  return image
}

/** Which cells go on one page, and its right child. */
export interface PagePlan {
  readonly start: number
  readonly end: number
  readonly rightChild: PageNumber
}

/** Builds a page that starts at its first byte, not page 1. The first cell goes to the end of the page. */
export function buildImage(image: Uint8Array, kind: number, list: CellList, plan: PagePlan): void {
  const headerSize = (kind & LEAF_BIT) !== 0 ? LEAF_HEADER_SIZE : INTERIOR_HEADER_SIZE
  const count = plan.end - plan.start
  const pointersEnd = headerSize + CELL_POINTER_SIZE * count
  const contentStart = placeCells(image, list, plan, headerSize)
  assert(pointersEnd <= contentStart, () => `${count} cells exceed a page of ${image.length}`)
  image.fill(0, pointersEnd, contentStart)
  image[KIND_OFFSET] = kind
  put16(image, FIRST_FREEBLOCK_OFFSET, 0)
  put16(image, CELL_COUNT_OFFSET, count)
  put16(image, CONTENT_START_OFFSET, contentStart)
  image[FRAGMENT_BYTES_OFFSET] = 0
  if (headerSize === INTERIOR_HEADER_SIZE) put32(image, RIGHT_CHILD_OFFSET, plan.rightChild)
}

/**
 * Places the cells from the end of the page down, and their pointers. Cells that lie one below the other where they
 * come from, as they do on a page that was built here, are copied in one piece.
 * @returns where the content starts
 */
function placeCells(image: Uint8Array, list: CellList, { start, end }: PagePlan, firstPointer: number): number {
  let pointer = firstPointer
  let to = image.length
  let index = start
  while (index < end) {
    const source = list.sources[index]!
    let low = list.starts[index]!
    const high = low + placedSize(list.sizes[index]!)
    to -= high - low
    put16(image, pointer, to)
    pointer += CELL_POINTER_SIZE
    while (++index < end && list.sources[index] === source) {
      const size = placedSize(list.sizes[index]!)
      if (list.starts[index]! + size !== low) break
      low -= size
      to -= size
      put16(image, pointer, to)
      pointer += CELL_POINTER_SIZE
    }
    copyRange(source, low, image, to, high - low)
  }
  return to
}

/** Copies an image over a private page, all but the reserved bytes. */
export function placeImage(page: Page, image: Uint8Array): void {
  page.bytes.set(image)
  const decoded = new DecodedPage(page.number, page.bytes, image.length)
  decoded.freeBytes = decoded.contentStart - decoded.pointersEnd
  decoded.isFreeSpaceChecked = true
  page.decoded = decoded
}

/** What the parent needs to lead to `left`, which ends before the cell with the index `end`. */
export function makeDivider(left: PageNumber, list: CellList, end: number, kind: DecodedPage): Uint8Array {
  if (kind.kind === TABLE_LEAF) {
    return tableDivider(left, cellRowid(list.sources[end - 1]!, list.starts[end - 1]!, kind))
  }
  // A cell of an interior page brings room for its child along, one of a leaf does not.
  const childSize = kind.isLeaf ? CHILD_SIZE : 0
  const size = list.sizes[end]!
  const divider = Buffer.allocUnsafe(childSize + size)
  copyRange(list.sources[end]!, list.starts[end]!, divider, childSize, size)
  putCellChild(divider, 0, left)
  return divider
}

/** The right child of a page that ends before the cell with the index `end`. */
export function rightChildBefore(list: CellList, end: number, isLeaf: boolean): PageNumber {
  return isLeaf ? NO_PAGE : cellChild(list.sources[end]!, list.starts[end]!)
}

/**
 * Replaces `dropped` cells of the parent from `first` on by the new dividers, and lets the child after them be
 * `last`.
 * @returns the dividers for which the parent has no room
 */
export function replaceDividers(
  pages: PageWriter,
  parent: Page,
  { first, dropped, dividers, last }: DividerChange,
): UnplacedCells | null {
  for (let i = 0; i < dropped; i++) dropCell(pages, parent, first, sizeOfCell(parent, first))
  let placed = 0
  while (placed < dividers.length && hasRoom(parent, dividers[placed]!.length)) {
    const cell = dividers[placed]!
    parent.bytes.set(cell, insertSpace(pages, parent, first + placed, cell.length))
    placed++
  }
  putChild(parent, first + placed, last)
  return placed === dividers.length ? null : { index: first + placed, cells: dividers.slice(placed) }
}

export interface DividerChange {
  readonly first: number
  readonly dropped: number
  readonly dividers: readonly Uint8Array[]
  readonly last: PageNumber
}
