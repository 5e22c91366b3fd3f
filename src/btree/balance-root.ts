/**
 * The root never moves, since the schema names its page. So a tree grows by moving the root's content to a new
 * child, and shrinks by moving the content of the root's only child into the root.
 *
 * Page 1 is a root with 100 bytes less than any other page. Its content always fits into a child; the reverse is
 * not so, which is why a root on page 1 may be left with a right child and no cells. No other page may.
 */
import { DecodedPage, LEAF_BIT, pageHeaderOffset } from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import type { UnplacedCells } from './balance-gather.js'
import { defragment, hasRoom, initializePage, insertSpace, putRightChild } from './page-edit.js'
import { DEPTH_MAX, editablePage, treePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

/**
 * Moves the root's content to a new child, to which the path leads afterwards.
 * @returns the unplaced cells, now of the child; null if they fit there
 */
export function deepenRoot(pages: PageWriter, path: TreePath, unplaced: UnplacedCells): UnplacedCells | null {
  const child = pages.allocate()
  const root = editablePage(pages, path.pages[0]!)
  const { kind } = root.decoded!
  moveContent(root, child)
  initializePage(root, kind & ~LEAF_BIT, pages.usableSize)
  putRightChild(root, child.number)
  path.clear()
  path.push(root, 0)
  path.push(child, unplaced.index)
  return placeAll(pages, child, unplaced) ? null : unplaced
}

function placeAll(pages: PageWriter, page: Page, { index, cells }: UnplacedCells): boolean {
  // Only a child of page 1 is larger than its root was, by so little that one cell is all there is to try.
  if (cells.length !== 1 || !hasRoom(page, cells[0]!.length)) return false
  page.bytes.set(cells[0]!, insertSpace(pages, page, index, cells[0]!.length))
  return true
}

/** Moves the only child of the root into it as long as it fits, if the root has no cells. */
export function collapseRoot(pages: PageWriter, root: Page): void {
  for (let level = 0; level < DEPTH_MAX; level++) {
    const { isLeaf, cellCount, rightChild, kind, headerOffset } = root.decoded!
    if (isLeaf || cellCount > 0) return
    let child = treePage(pages, rightChild, kind | LEAF_BIT, level)
    if (child.number === root.number) throw pages.corrupt(root.number, 0, 'page is its own child')
    const { freeBytes, contentStart, pointersEnd } = child.decoded!
    if (freeBytes < headerOffset) return
    if (contentStart < pointersEnd + headerOffset) {
      child = editablePage(pages, child)
      defragment(child)
    }
    moveContent(child, editablePage(pages, root))
    pages.free(child.number)
  }
}

/** Copies header, cell pointers and cells to a page of the same tree whose own header may start elsewhere. */
function moveContent(from: Page, to: Page): void {
  const source = from.decoded!
  const { contentStart, usableSize, headerOffset, pointersEnd } = source
  const target = pageHeaderOffset(to.number)
  to.bytes.set(from.bytes.subarray(contentStart, usableSize), contentStart)
  to.bytes.set(from.bytes.subarray(headerOffset, pointersEnd), target)
  const decoded = new DecodedPage(to.number, to.bytes, usableSize)
  decoded.freeBytes = source.freeBytes + headerOffset - target
  decoded.isFreeSpaceChecked = source.isFreeSpaceChecked
  to.decoded = decoded
}
