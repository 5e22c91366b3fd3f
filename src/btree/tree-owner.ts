/**
 * Whether a page is part of a tree, found out without a map of all pages: the way down from the root to the first key on the
 * page leads through it if, and only if, it is.
 *
 * The page may be anything, an overflow page or a free one with old content on it: what is no b-tree page, or has keys that
 * this tree cannot have, is not in it. Damage on the way down is thrown.
 */
import { EndmarkError } from '../errors.js'
import {
  Cell,
  cellOffset,
  cellRowid,
  checkPage,
  DamagedRecord,
  type KeyOrder,
  LEAF_BIT,
  readCell,
  SearchKey,
} from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { readPayload } from './overflow-chain.js'
import { Payload } from './payload.js'
import { searchRecord, searchRowid } from './search.js'
import { childNumber, leafKindOf, type Rowid, type TreeKind, treePage } from './tree-page.js'

export interface TreeRoot {
  readonly root: PageNumber
  readonly kind: TreeKind
  /** Of an index b-tree's keys, as far as it is known: null leaves only the root to be recognised. */
  readonly order: KeyOrder | null
}

const cell = new Cell()
const payload = new Payload()

/** The page as one of a b-tree, or null if it cannot be one. */
export function asTreePage(pages: PageReader, number: PageNumber): Page | null {
  const page = pages.page(number)
  try {
    if (page.decoded === null) checkPage(page, pages.usableSize, pages)
    return page
  } catch (error) {
    if (error instanceof EndmarkError && error.code === 'ENDMARK_CORRUPT') return null
    throw error
  }
}

/**
 * @param page made by `asTreePage` of the same pages
 * @throws ENDMARK_CORRUPT for damage on the way down
 */
export function isInTree(pages: PageReader, tree: TreeRoot, page: Page): boolean {
  const decoded = page.decoded!
  if ((decoded.kind | LEAF_BIT) !== leafKindOf(tree.kind)) return false
  if (page.number === tree.root) return true
  if (decoded.cellCount === 0) return false
  const offset = cellOffset(page.bytes, decoded, 0)
  if (tree.kind === 'table') return leadsTo(pages, tree, page, cellRowid(page.bytes, offset, decoded))
  const key = tree.order === null ? null : keyOfCell(pages, page, offset, tree.order)
  return key !== null && leadsTo(pages, tree, page, key)
}

/** Null for a record that no entry of the tree can have. */
function keyOfCell(pages: PageReader, page: Page, offset: number, order: KeyOrder): SearchKey | null {
  try {
    readPayload(pages, page, readCell(page.bytes, offset, page.decoded!, cell), payload)
    return new SearchKey(order).setFromRecord(payload.bytes, payload.start, payload.length)
  } catch (error) {
    const isOther =
      error instanceof DamagedRecord || (error instanceof EndmarkError && error.code === 'ENDMARK_CORRUPT')
    if (isOther) return null
    throw error
  }
}

function leadsTo(pages: PageReader, { root, kind }: TreeRoot, target: Page, key: Rowid | SearchKey): boolean {
  const leafKind = leafKindOf(kind)
  let number = root
  for (let level = 0; ; level++) {
    if (number === target.number) return true
    const page = treePage(pages, number, leafKind, level)
    if (page.decoded!.isLeaf) return false
    const found = key instanceof SearchKey ? searchRecord(pages, page, key) : searchRowid(page, key)
    // An entry of an index is on one page only; a rowid on an interior page leads on to its child.
    if (found >= 0 && key instanceof SearchKey) return false
    number = childNumber(page, found >= 0 ? found : ~found)
  }
}
