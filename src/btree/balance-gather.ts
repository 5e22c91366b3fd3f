/**
 * First phase of balancing: the cells of some sibling pages, and of the dividers between them, as one list in key
 * order. Nothing is copied yet: an entry says where its bytes lie.
 */
import { CHILD_SIZE, cellOffset, cellSize, type DecodedPage, putCellChild, TABLE_LEAF } from '../format/index.js'
import type { Page } from '../pager/index.js'

/**
 * Cells that did not fit into their page: consecutive ones, the first of them with this index once they are in
 * the page. A page with unplaced cells must be balanced before anything else looks at it.
 */
export interface UnplacedCells {
  readonly index: number
  readonly cells: readonly Uint8Array[]
}

export class CellList {
  count = 0
  // Three plain arrays that keep their length: the entries from `count` on mean nothing.
  readonly sources: Uint8Array[] = []
  readonly starts: number[] = []
  /** Bytes of each cell itself; on a page it may take more (see placedSize). */
  readonly sizes: number[] = []

  add(source: Uint8Array, start: number, size: number): void {
    const index = this.count++
    this.sources[index] = source
    this.starts[index] = start
    this.sizes[index] = size
  }

  /** Forgets the cells, and with them the pages that they lie on. */
  clear(): void {
    this.sources.fill(NOTHING, 0, this.count)
    this.count = 0
  }
}

const NOTHING = new Uint8Array(0)

/** Adds all cells of a page, its unplaced ones included. */
export function gatherPage(list: CellList, page: Page, unplaced: UnplacedCells | null): void {
  const decoded = page.decoded!
  const { bytes } = page
  const { cellCount } = decoded
  const insertAt = unplaced === null ? -1 : unplaced.index
  for (let index = 0; index < cellCount; index++) {
    if (index === insertAt) gatherUnplaced(list, unplaced!)
    const offset = cellOffset(bytes, decoded, index)
    list.add(bytes, offset, cellSize(bytes, offset, decoded))
  }
  if (cellCount === insertAt) gatherUnplaced(list, unplaced!)
}

function gatherUnplaced(list: CellList, { cells }: UnplacedCells): void {
  for (const cell of cells) list.add(cell, 0, cell.length)
}

/**
 * Adds the divider between `left` and the next page as a cell of their level: on index leaves it loses its child,
 * on interior pages it leads to the right child of `left`. Table leaves have their dividers' rows already.
 */
export function gatherDivider(list: CellList, parent: Page, index: number, left: DecodedPage): void {
  if (left.kind === TABLE_LEAF) return
  const offset = cellOffset(parent.bytes, parent.decoded!, index)
  const size = cellSize(parent.bytes, offset, parent.decoded!)
  if (left.isLeaf) {
    list.add(parent.bytes, offset + CHILD_SIZE, size - CHILD_SIZE)
    return
  }
  const cell = parent.bytes.slice(offset, offset + size)
  putCellChild(cell, 0, left.rightChild)
  list.add(cell, 0, size)
}
