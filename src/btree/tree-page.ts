/**
 * Getting at the pages of one tree: validated (TREE-1), of the right kind, for reading or for writing.
 *
 * A page's memo (`Page.decoded`) belongs to that Page object alone, since edits keep it up to date in place. A
 * private copy therefore gets a memo of its own here, whatever the pager has put there (TREE-2).
 */
import { CELL_POINTER_SIZE, checkPage, get16, get32, INDEX_LEAF, LEAF_BIT, TABLE_LEAF } from '../format/index.js'
import type { Page, PageReader, PageWriter } from '../pager/index.js'
import { type PageNumber, pageNumber } from '../units.js'

export type TreeKind = 'table' | 'index'

/** Bigint only beyond 2^53 - 1 in either direction. */
export type Rowid = number | bigint

/**
 * Levels of a tree at most, as in SQLite. The smallest pages hold four cells at least, so that 2^32 pages need no
 * more than 14 levels: a deeper tree is damaged, most likely a page that is its own descendant.
 */
export const DEPTH_MAX = 20

/** The kind of a tree's leaf pages, which stands for the tree's kind inside this folder. */
export function leafKindOf(kind: TreeKind): number {
  return kind === 'table' ? TABLE_LEAF : INDEX_LEAF
}

/** The page with its memo set and checked, at `level` below the root of a tree with leaves of this kind. */
export function treePage(pages: PageReader, number: PageNumber, leafKind: number, level: number): Page {
  const page = pages.page(number)
  const decoded = page.decoded ?? checkPage(page, pages.usableSize, pages)
  if ((decoded.kind | LEAF_BIT) !== leafKind) throw wrongKind(pages, page, leafKind)
  if (level >= DEPTH_MAX) throw pages.corrupt(page.number, 0, `b-tree of more than ${DEPTH_MAX} levels`)
  return page
}

function wrongKind(pages: PageReader, page: Page, leafKind: number): Error {
  const tree = leafKind === TABLE_LEAF ? 'a table' : 'an index'
  return pages.corrupt(page.number, page.decoded!.headerOffset, `page of kind ${page.decoded!.kind} in ${tree} b-tree`)
}

/** The child before the cell with this index; the right child for the index after the last cell. */
export function childNumber(page: Page, index: number): PageNumber {
  const decoded = page.decoded!
  if (decoded.children !== null) return decoded.children[index]!
  if (index >= decoded.cellCount) return decoded.rightChild
  const { bytes } = page
  return pageNumber(get32(bytes, get16(bytes, decoded.pointersOffset + CELL_POINTER_SIZE * index)))
}

/** The private copy of a page that has just been read, with a memo of its own. */
export function editablePage(pages: PageWriter, page: Page): Page {
  const copy = pages.writable(page.number)
  if (copy === page) return copy
  const known = page.decoded
  if (known === null) checkPage(copy, pages.usableSize, pages)
  else if (copy.decoded === null || copy.decoded === known) copy.decoded = known.copyFor(copy.number, copy.bytes)
  return copy
}
