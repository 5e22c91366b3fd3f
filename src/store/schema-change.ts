/**
 * Creating and dropping stores: a tree and a row of sqlite_schema, and a new schema cookie, by which every connection,
 * ours or SQLite's, notices that what it knows of the schema is out of date.
 *
 * Both change several pages and may fail in between on a damaged file: they run inside a savepoint of the caller's.
 */
import {
  createTree,
  deleteRow,
  dropTree,
  lastRowid,
  Payload,
  putRow,
  type Rowid,
  TableCursor,
  type TreeKind,
} from '../btree/index.js'
import { invalidArgument, unsupported } from '../errors.js'
import { encodeRecord, ensureSchemaFormat, RecordReader, setSchemaCookie } from '../format/index.js'
import type { PageReader, PageWriter } from '../pager/index.js'
import { NO_PAGE } from '../units.js'
import { locateDamage } from './damage.js'
import { checkStoreName, foldName, refuseReservedName } from './ddl-write.js'
import { checkMatches, definitionOfNew, type StoreDefinition } from './definition.js'
import { SCHEMA_ROOT, type Schema } from './schema.js'

/**
 * @returns false if the store is there already, with this definition
 * @throws ENDMARK_INVALID_ARGUMENT if something else has this name
 */
export function createStore(pages: PageWriter, schema: Schema, name: string, sql: string): boolean {
  checkStoreName(name)
  const wanted = definitionOfNew({ name, sql })
  if (wanted.unreadableReason !== null)
    throw invalidArgument(`store ${JSON.stringify(name)}: ${wanted.unreadableReason}`)
  const existing = schema.store(name)
  if (existing !== undefined) {
    checkMatches(existing, wanted)
    return false
  }
  const other = schema.object(name)
  if (other !== undefined) throw invalidArgument(`${JSON.stringify(name)} is the name of a ${other.type}`)
  addTable(pages, wanted)
  return true
}

/** The tree and the row of a table whose name is free. */
export function addTable(pages: PageWriter, { name, sql, treeKind }: StoreDefinition): void {
  const root = createTree(pages, treeKind)
  const rowid = lastRowid(pages, SCHEMA_ROOT)
  const record = encodeRecord(['table', name, name, root, sql])
  putRow(pages, SCHEMA_ROOT, rowid === undefined ? 1 : Number(rowid) + 1, record, 'insert')
  changeCookie(pages)
}

function changeCookie(pages: PageWriter): void {
  const pageOne = pages.writable(SCHEMA_ROOT).bytes
  ensureSchemaFormat(pageOne)
  setSchemaCookie(pageOne, pages.schemaCookie + 1)
}

/**
 * Drops a table with its indexes and triggers. Their pages go to the freelist.
 * @throws ENDMARK_NOT_FOUND; ENDMARK_UNSUPPORTED for what is not a plain table of this file
 */
export function dropStore(pages: PageWriter, schema: Schema, name: string): void {
  refuseReservedName(name)
  const definition = schema.require(name)
  if (definition.unreadableReason !== null || foldName(definition.name).startsWith('sqlite_')) {
    throw unsupported(`store ${JSON.stringify(name)} cannot be dropped: ${definition.readOnlyReason}`)
  }
  for (const { root, type } of schema.rowsOf(name)) {
    if (root !== NO_PAGE) dropTree(pages, root, treeKindOf(type, definition))
  }
  const folded = foldName(definition.name)
  deleteMatchingRows(pages, definition, SCHEMA_ROOT, TABLE_NAME_PLACE, folded)
  for (const table of BOOKKEEPING_TABLES) {
    const bookkeeping = schema.store(table)
    if (bookkeeping?.treeKind === 'table') deleteMatchingRows(pages, definition, bookkeeping.root, 0, folded)
  }
  changeCookie(pages)
}

/** Where a row of sqlite_schema names the table it belongs to. */
const TABLE_NAME_PLACE = 2
/** Tables of SQLite's own that name other tables in their first column. */
const BOOKKEEPING_TABLES = ['sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4']

function treeKindOf(type: string, definition: StoreDefinition): TreeKind {
  return type === 'table' ? definition.treeKind : 'index'
}

/** Deletes the rows with this name in the column at `place`; found first, deleted afterwards. */
function deleteMatchingRows(
  pages: PageWriter,
  definition: StoreDefinition,
  root: typeof SCHEMA_ROOT,
  place: number,
  folded: string,
): void {
  for (const rowid of matchingRowids(pages, definition, root, place, folded)) deleteRow(pages, root, rowid)
}

function matchingRowids(
  pages: PageReader,
  definition: StoreDefinition,
  root: typeof SCHEMA_ROOT,
  place: number,
  folded: string,
): Rowid[] {
  const rowids: Rowid[] = []
  const cursor = new TableCursor(pages, root)
  const payload = new Payload()
  const reader = new RecordReader()
  try {
    for (let isThere = cursor.first(); isThere; isThere = cursor.next()) {
      cursor.payload(payload)
      const name = reader.reset(payload.bytes, payload.start, payload.length).column(place)
      if (typeof name === 'string' && foldName(name) === folded) rowids.push(cursor.rowid)
    }
  } catch (error) {
    throw locateDamage(pages, definition, error)
  }
  return rowids
}
