/**
 * The path for rising keys: a cell that comes after all others of the tree and does not fit gets a new last page
 * to itself. The old last page stays full, so that loading in key order fills pages whole, and no sibling is
 * touched.
 *
 * The new page needs a divider before it. On table leaves that is a copy of the old page's last rowid. Elsewhere
 * the old page's last cell moves up; on interior pages its child becomes the old page's right child.
 */
import {
  CHILD_SIZE,
  cellChild,
  cellOffset,
  cellRowid,
  cellSize,
  putCellChild,
  TABLE_LEAF,
  tableDivider,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import type { UnplacedCells } from './balance-gather.js'
import { replaceDividers } from './balance-write.js'
import { dropCell, initializePage, insertSpace, putRightChild } from './page-edit.js'
import { editablePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

/** Whether the unplaced cells of the page at `level` are one, at the very end of that level. */
export function isAppend(path: TreePath, level: number, { index, cells }: UnplacedCells): boolean {
  const { cellCount } = path.pages[level]!.decoded!
  // Two cells at least: one may have to move up, and the page must not become empty.
  if (cells.length !== 1 || index !== cellCount || cellCount < 2) return false
  for (let above = 0; above < level; above++) {
    if (path.indexes[above] !== path.pages[above]!.decoded!.cellCount) return false
  }
  return true
}

/**
 * Puts the unplaced cell on a new page after the one at `level`.
 * @returns the divider, if the parent has no room for it
 */
export function appendPage(
  pages: PageWriter,
  path: TreePath,
  level: number,
  { cells }: UnplacedCells,
): UnplacedCells | null {
  const old = path.pages[level]!
  const { kind, isLeaf, rightChild } = old.decoded!
  const divider = takeDivider(pages, old)
  const page = pages.allocate()
  initializePage(page, kind, pages.usableSize)
  page.bytes.set(cells[0]!, insertSpace(pages, page, 0, cells[0]!.length))
  if (!isLeaf) putRightChild(page, rightChild)
  const parent = editablePage(pages, path.pages[level - 1]!)
  path.pages[level - 1] = parent
  const first = parent.decoded!.cellCount
  return replaceDividers(pages, parent, { first, dropped: 0, dividers: [divider], last: page.number })
}

/** The divider after the old last page, which on all but table leaves is taken out of that page. */
function takeDivider(pages: PageWriter, old: Page): Uint8Array {
  const decoded = old.decoded!
  const index = decoded.cellCount - 1
  const offset = cellOffset(old.bytes, decoded, index)
  if (decoded.kind === TABLE_LEAF) return tableDivider(old.number, cellRowid(old.bytes, offset, decoded))
  const size = cellSize(old.bytes, offset, decoded)
  const page = editablePage(pages, old)
  const divider = new Uint8Array(decoded.isLeaf ? CHILD_SIZE + size : size)
  divider.set(page.bytes.subarray(offset, offset + size), divider.length - size)
  if (!decoded.isLeaf) putRightChild(page, cellChild(page.bytes, offset))
  putCellChild(divider, 0, page.number)
  dropCell(pages, page, index, size)
  return divider
}
