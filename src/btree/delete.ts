/**
 * Deleting entries. A cell of a leaf is dropped. A cell of an interior index page holds two subtrees apart, so its
 * place is taken by the entry before it, the last one of the leaf below its left child.
 */
import { CHILD_SIZE, cellOffset, INDEX_LEAF, putCellChild, readCell, type SearchKey } from '../format/index.js'
import type { PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { balance } from './balance.js'
import { editCell, editPath } from './edit-scratch.js'
import { freeOverflow } from './overflow-chain.js'
import { dropCell, hasRoom, insertSpace, sizeOfCell } from './page-edit.js'
import { seekRecord, seekRow } from './search.js'
import { childNumber, editablePage, type Rowid } from './tree-page.js'

/**
 * Deletes a row of a table b-tree.
 * @returns whether it existed
 */
export function deleteRow(pages: PageWriter, root: PageNumber, rowid: Rowid): boolean {
  const exists = seekRow(pages, root, rowid, editPath)
  if (exists) deleteFromLeaf(pages)
  editPath.clear()
  return exists
}

/**
 * Deletes the entry of an index b-tree whose first columns equal the key.
 * @returns whether it existed
 */
export function deleteRecord(pages: PageWriter, root: PageNumber, key: SearchKey): boolean {
  const exists = seekRecord(pages, root, key, editPath)
  if (exists) {
    if (editPath.page.decoded!.isLeaf) deleteFromLeaf(pages)
    else deleteFromInterior(pages, root, key)
  }
  editPath.clear()
  return exists
}

function deleteFromLeaf(pages: PageWriter): void {
  dropEntry(pages, editPath.last)
  balance(pages, editPath, editPath.last, null)
}

/** Drops the cell that the path names at `level`, with its overflow chain. */
function dropEntry(pages: PageWriter, level: number): void {
  const page = editablePage(pages, editPath.pages[level]!)
  editPath.pages[level] = page
  const index = editPath.indexes[level]!
  const cell = readCell(page.bytes, cellOffset(page.bytes, page.decoded!, index), page.decoded!, editCell)
  const { size } = cell
  freeOverflow(pages, page, cell)
  dropCell(pages, page, index, size)
}

function deleteFromInterior(pages: PageWriter, root: PageNumber, key: SearchKey): void {
  const level = editPath.last
  const index = editPath.index
  const child = childNumber(editPath.page, index)
  editPath.descendLast(pages, child, INDEX_LEAF)
  const replacement = takeLastOfLeaf(pages, child)
  dropEntry(pages, level)
  const page = editPath.pages[level]!
  if (hasRoom(page, replacement.length)) {
    page.bytes.set(replacement, insertSpace(pages, page, index, replacement.length))
    balance(pages, editPath, editPath.last, null)
    return
  }
  balance(pages, editPath, level, { index, cells: [replacement] })
  seekLeafBefore(pages, root, key)
  balance(pages, editPath, editPath.last, null)
}

/** Takes the last cell out of the leaf at the end of the path and makes it an interior cell before `child`. */
function takeLastOfLeaf(pages: PageWriter, child: PageNumber): Uint8Array {
  const leaf = editablePage(pages, editPath.page)
  const index = editPath.index - 1
  if (index < 0) throw pages.corrupt(leaf.number, 0, 'leaf page without cells below an interior page')
  editPath.pages[editPath.last] = leaf
  const size = sizeOfCell(leaf, index)
  const offset = cellOffset(leaf.bytes, leaf.decoded!, index)
  const cell = new Uint8Array(CHILD_SIZE + size)
  cell.set(leaf.bytes.subarray(offset, offset + size), CHILD_SIZE)
  putCellChild(cell, 0, child)
  dropCell(pages, leaf, index, size)
  return cell
}

/**
 * Leads the path to the leaf which lost its last cell to an interior page. The deleted key's place is right behind
 * that cell, so the cell is the nearest one to the left on the way up, and the leaf is below its left child.
 */
function seekLeafBefore(pages: PageWriter, root: PageNumber, key: SearchKey): void {
  seekRecord(pages, root, key, editPath)
  while (editPath.index === 0 && editPath.last > 0) editPath.last--
  const index = editPath.index - 1
  if (index < 0 || editPath.page.decoded!.isLeaf) {
    throw pages.corrupt(editPath.page.number, 0, 'keys of the page are out of order')
  }
  editPath.indexes[editPath.last] = index
  editPath.descendLast(pages, childNumber(editPath.page, index), INDEX_LEAF)
}
