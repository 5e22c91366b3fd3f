/**
 * Balancing: what happens when a page has cells that do not fit, or too few of them. Works its way up from one
 * level to the root; each level may leave its parent with unplaced dividers, or too empty, and so on.
 *
 *   - the root has unplaced cells: its content moves to a new child, the tree gets a level (deepenRoot)
 *   - the last page of the tree has one more cell at its end: a new last page, so that rising keys fill pages
 *     whole (appendPage)
 *   - anything else: up to three siblings share their cells anew (shareAmongSiblings)
 *   - the root is left with one child and no cell: the child moves into the root (collapseRoot)
 *
 * The caller hands over a path of which the levels down to `level` are current; afterwards the path is stale.
 */
import {
  CELL_POINTER_SIZE,
  type DecodedPage,
  INTERIOR_HEADER_SIZE,
  LEAF_BIT,
  LEAF_HEADER_SIZE,
  placedSize,
  TABLE_LEAF,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import { appendPage, isAppend } from './balance-append.js'
import { distributeCells } from './balance-distribute.js'
import { CellList, gatherDivider, gatherPage, type UnplacedCells } from './balance-gather.js'
import { collapseRoot, deepenRoot } from './balance-root.js'
import { type CellRange, writeSiblings } from './balance-siblings.js'
import { replaceDividers } from './balance-write.js'
import { childNumber, editablePage, treePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

const SIBLINGS_MAX = 3

/** Cells of the pages being balanced: used within one call only. */
const list = new CellList()
const placedSizes: number[] = []
/** Which cells of the list each sibling holds so far. */
const oldRanges: CellRange[] = []

/** Balances the page at `level` of the path and whatever above it needs it then. */
export function balance(pages: PageWriter, path: TreePath, level: number, unplaced: UnplacedCells | null): void {
  let at = level
  let pending = unplaced
  while (pending !== null || (at > 0 && isUnderfull(path.pages[at]!))) {
    if (at === 0) {
      pending = deepenRoot(pages, path, pending!)
      at = 1
      if (pending === null) return
    }
    if (pending !== null && isAppend(path, at, pending)) pending = appendPage(pages, path, at, pending)
    else pending = shareAmongSiblings(pages, path, at, pending)
    at--
    if (at === 0 && pending === null) collapseRoot(pages, path.pages[0]!)
  }
}

/** As in SQLite: more than two thirds of the page are free. */
function isUnderfull(page: Page): boolean {
  const { freeBytes, usableSize } = page.decoded!
  return freeBytes * 3 > usableSize * 2
}

/**
 * Divides the cells of the page at `level` and its neighbours among as many pages as they need.
 * @returns dividers for which the parent has no room
 */
function shareAmongSiblings(
  pages: PageWriter,
  path: TreePath,
  level: number,
  unplaced: UnplacedCells | null,
): UnplacedCells | null {
  const parent = editablePage(pages, path.pages[level - 1]!)
  path.pages[level - 1] = parent
  const index = path.indexes[level - 1]!
  const first = firstSibling(parent, index)
  forgetCells()
  const siblings = siblingPages(pages, parent, first, path.pages[level]!)
  gather(siblings, parent, first, { index: index - first, unplaced })
  const { dividers, last } = writeSiblings(pages, siblings, parent, {
    list,
    ends: distribute(pages, siblings[0]!.decoded!),
    oldRanges,
  })
  const dropped = siblings.length - 1
  forgetCells()
  return replaceDividers(pages, parent, { first, dropped, dividers, last })
}

/** Index in the parent of the first of up to three siblings around `index`. */
function firstSibling(parent: Page, index: number): number {
  const { cellCount } = parent.decoded!
  if (cellCount < SIBLINGS_MAX - 1 || index === 0) return 0
  return index === cellCount ? index - 2 : index - 1
}

function siblingPages(pages: PageWriter, parent: Page, first: number, page: Page): Page[] {
  const count = Math.min(SIBLINGS_MAX, parent.decoded!.cellCount + 1)
  const siblings: Page[] = []
  for (let i = 0; i < count; i++) {
    const number = childNumber(parent, first + i)
    const sibling = number === page.number ? page : treePage(pages, number, page.decoded!.kind | LEAF_BIT, 0)
    if (sibling.decoded!.kind !== page.decoded!.kind) {
      throw pages.corrupt(number, sibling.decoded!.headerOffset, 'sibling pages lie on different levels')
    }
    if (siblings.includes(sibling)) throw pages.corrupt(parent.number, 0, `page ${number} is its child twice`)
    siblings.push(sibling)
  }
  return siblings
}

/** Fills the list with the cells of all siblings and remembers which of them lie on which page now. */
function gather(
  siblings: readonly Page[],
  parent: Page,
  first: number,
  { index, unplaced }: { readonly index: number; readonly unplaced: UnplacedCells | null },
): void {
  for (let i = 0; i < siblings.length; i++) {
    const sibling = siblings[i]!
    if (i > 0) gatherDivider(list, parent, first + i - 1, siblings[i - 1]!.decoded!)
    const start = list.count
    gatherPage(list, sibling, i === index ? unplaced : null)
    // A page with unplaced cells is never left as it is.
    oldRanges.push({ start: i === index && unplaced !== null ? -1 : start, end: list.count })
  }
}

function forgetCells(): void {
  list.clear()
  oldRanges.length = 0
}

function distribute(pages: PageWriter, kind: DecodedPage): readonly number[] {
  for (let i = 0; i < list.count; i++) placedSizes[i] = placedSize(list.sizes[i]!) + CELL_POINTER_SIZE
  const space = pages.usableSize - (kind.isLeaf ? LEAF_HEADER_SIZE : INTERIOR_HEADER_SIZE)
  return distributeCells(placedSizes, list.count, { space, keepsDividers: kind.kind === TABLE_LEAF })
}
