/**
 * Putting entries: find the place, write the overflow chain, put the cell into its page, or hand it to balance.
 *
 * An entry that is there already is replaced where it stands, on whatever level; if the new record takes the same
 * space, only its bytes change.
 */
import {
  type CellContent,
  cellOffset,
  contentSize,
  INDEX_LEAF,
  localLength,
  putCellContent,
  readCell,
  type SearchKey,
  TABLE_LEAF,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import { balance } from './balance.js'
import { editCell, editPath } from './edit-scratch.js'
import { freeOverflow, overwriteOverflow, writeOverflow } from './overflow-chain.js'
import { dropCell, hasRoom, insertSpace } from './page-edit.js'
import { seekRecord, seekRow } from './search.js'
import { editablePage, type Rowid } from './tree-page.js'

/** What to do about an entry with the same key: replace it, or leave it. */
export type PutMode = 'upsert' | 'insert'

/** The content of the cell that is being put: used within one edit only. */
const content: { -readonly [Field in keyof CellContent]: CellContent[Field] } = {
  child: NO_PAGE,
  rowid: 0,
  record: new Uint8Array(0),
  local: 0,
  overflowPage: NO_PAGE,
}

/**
 * Puts a row into a table b-tree.
 * @returns whether the rowid existed; with mode 'insert', nothing was changed then
 */
export function putRow(pages: PageWriter, root: PageNumber, rowid: Rowid, record: Uint8Array, mode: PutMode): boolean {
  const exists = seekRow(pages, root, rowid, editPath)
  content.rowid = rowid
  if (!exists || mode === 'upsert') putAtPath(pages, record, TABLE_LEAF, exists)
  editPath.clear()
  return exists
}

/**
 * Puts a record into an index b-tree. `key` holds the record's own key columns.
 * @returns whether there was an entry equal to the key; with mode 'insert', nothing was changed then
 */
export function putRecord(
  pages: PageWriter,
  root: PageNumber,
  key: SearchKey,
  record: Uint8Array,
  mode: PutMode,
): boolean {
  const exists = seekRecord(pages, root, key, editPath)
  if (!exists || mode === 'upsert') putAtPath(pages, record, INDEX_LEAF, exists)
  editPath.clear()
  return exists
}

/** Puts a record where `editPath` leads to: in place of the entry there, or as a new one. The path is stale then. */
export function putAtPath(pages: PageWriter, record: Uint8Array, leafKind: number, exists: boolean): void {
  content.record = record
  if (exists) replaceCell(pages, leafKind)
  else {
    content.child = NO_PAGE
    addCell(pages)
  }
  content.record = NOTHING
}

const NOTHING = new Uint8Array(0)

/** Adds the cell at the end of the path. */
function addCell(pages: PageWriter): void {
  const page = editPath.page
  const { record } = content
  content.local = localLength(page.decoded!, record.length)
  content.overflowPage = content.local < record.length ? writeOverflow(pages, record, content.local) : NO_PAGE
  const copy = editablePage(pages, page)
  editPath.pages[editPath.last] = copy
  placeCell(pages, copy)
}

function placeCell(pages: PageWriter, page: Page): void {
  const { kind } = page.decoded!
  const level = editPath.last
  const index = editPath.index
  const size = contentSize(content, kind)
  if (hasRoom(page, size)) {
    putCellContent(page.bytes, insertSpace(pages, page, index, size), content, kind)
    return
  }
  const cell = new Uint8Array(size)
  putCellContent(cell, 0, content, kind)
  balance(pages, editPath, level, { index, cells: [cell] })
}

/** Puts the content in the place of the cell at the end of the path. */
function replaceCell(pages: PageWriter, leafKind: number): void {
  const page = editPath.page
  const decoded = page.decoded!
  const cell = readCell(page.bytes, cellOffset(page.bytes, decoded, editPath.index), decoded, editCell)
  content.child = decoded.kind === leafKind ? NO_PAGE : cell.child
  const copy = editablePage(pages, page)
  editPath.pages[editPath.last] = copy
  if (cell.payloadLength === content.record.length) {
    overwriteOverflow(pages, copy, cell, content.record)
    overwriteLocal(copy, cell.payloadStart, cell.localLength)
    return
  }
  const { size } = cell
  freeOverflow(pages, copy, cell)
  dropCell(pages, copy, editPath.index, size)
  addCell(pages)
  if (size > contentSize(content, decoded.kind)) balance(pages, editPath, editPath.last, null)
}

function overwriteLocal(page: Page, start: number, length: number): void {
  const { record } = content
  page.bytes.set(length === record.length ? record : record.subarray(0, length), start)
}
