/**
 * The schema: everything in `sqlite_schema`, the table b-tree at page 1 whose rows are (type, name, tbl_name, rootpage,
 * sql). Loading it never fails over SQL that is not understood; the store concerned carries the reason instead. Rows
 * that are no schema rows, or root pages outside the database, are damage.
 *
 * A schema describes one state of the database and is immutable. It is valid for all states with the same schema
 * cookie, which each change of the schema increments.
 */
import { Payload, TableCursor } from '../btree/index.js'
import { EndmarkError, unsupported } from '../errors.js'
import { DamagedRecord, decodeRecord, FILE_HEADER_OFFSETS, get32, type SqlValue } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import { type PageNumber, pageNumber } from '../units.js'
import { parseCreateIndex, parseCreateTable } from './ddl-parse.js'
import { foldName, isReservedName } from './ddl-write.js'
import { type SecondaryIndex, StoreDefinition, type StoreInfo } from './definition.js'

export const SCHEMA_ROOT = pageNumber(1)
/** The first schema format in which DESC in a key is obeyed. */
const DESCENDING_SCHEMA_FORMAT = 4

/** One row of sqlite_schema. */
export interface SchemaRow {
  readonly type: 'table' | 'index' | 'view' | 'trigger'
  readonly name: string
  /** The table it belongs to; of a table or view its own name. */
  readonly table: string
  /** 0 for views, triggers and virtual tables. */
  readonly root: PageNumber
  /** Empty for indexes that SQLite made for a constraint. */
  readonly sql: string
}

export class Schema {
  readonly cookie: number
  readonly #rows: readonly SchemaRow[]
  /** By name as created and by folded name. */
  readonly #stores = new Map<string, StoreDefinition>()
  readonly #objects = new Map<string, SchemaRow>()

  constructor(cookie: number, rows: readonly SchemaRow[], ignoresDescending: boolean) {
    this.cookie = cookie
    this.#rows = rows
    for (const row of rows) {
      this.#objects.set(foldName(row.name), row)
      if (row.type !== 'table') continue
      const definition = defineStore(row, rows, ignoresDescending)
      this.#stores.set(foldName(row.name), definition)
      this.#stores.set(row.name, definition)
    }
  }

  /** The store of this name; case does not count. Undefined also for views: see `object`. */
  store(name: string): StoreDefinition | undefined {
    return this.#stores.get(name) ?? this.#stores.get(foldName(name))
  }

  /** @throws ENDMARK_NOT_FOUND; ENDMARK_UNSUPPORTED for a view, which has no rows of its own */
  require(name: string): StoreDefinition {
    const definition = this.store(name)
    if (definition !== undefined) return definition
    const other = this.object(name)
    if (other?.type === 'view') throw unsupported(`${JSON.stringify(name)} is a view`)
    throw new EndmarkError('ENDMARK_NOT_FOUND', `there is no store ${JSON.stringify(name)}`)
  }

  /** Whatever has this name: tables, indexes, views and triggers share one space of names. */
  object(name: string): SchemaRow | undefined {
    return this.#objects.get(foldName(name))
  }

  /** The table itself with its indexes and triggers. */
  rowsOf(table: string): readonly SchemaRow[] {
    const folded = foldName(table)
    return this.#rows.filter((row) => foldName(row.table) === folded)
  }

  /** Everything there is, in the order of creation. */
  get rows(): readonly SchemaRow[] {
    return this.#rows
  }

  /** Every table there is, in the order of creation, except SQLite's own and ours. */
  stores(): StoreInfo[] {
    return this.#rows.filter(isUsersTable).map((row) => this.#stores.get(row.name)!.info())
  }
}

export function isUsersTable({ type, name }: SchemaRow): boolean {
  return type === 'table' && !foldName(name).startsWith('sqlite_') && !isReservedName(name)
}

function defineStore(table: SchemaRow, rows: readonly SchemaRow[], ignoresDescending: boolean): StoreDefinition {
  const name = foldName(table.name)
  const parts = rows.filter((row) => foldName(row.table) === name)
  const ddl = table.root === 0 && !/^create\s+virtual/i.test(table.sql) ? 'no root page' : parseCreateTable(table.sql)
  // The index that SQLite lists for the key of a WITHOUT ROWID table would be the table itself; it has no row.
  return new StoreDefinition({
    name: table.name,
    sql: table.sql,
    root: table.root,
    ddl,
    indexes: parts.filter((row) => row.type === 'index').map(defineIndex),
    hasTriggers: parts.some((row) => row.type === 'trigger'),
    ignoresDescending,
  })
}

function defineIndex(row: SchemaRow): SecondaryIndex {
  const ddl = row.sql === '' ? null : parseCreateIndex(row.sql)
  const isKnown = ddl !== null && typeof ddl !== 'string'
  return {
    name: row.name,
    root: row.root,
    // Without SQL it stands for a UNIQUE or PRIMARY KEY constraint.
    isUnique: isKnown ? ddl.isUnique : ddl === null,
    columns: isKnown ? ddl.columns.map((column) => column.name) : [],
  }
}

/**
 * Reads the schema of this state.
 * @throws ENDMARK_CORRUPT if sqlite_schema is damaged
 */
export function loadSchema(pages: PageReader): Schema {
  const rows: SchemaRow[] = []
  const cursor = new TableCursor(pages, SCHEMA_ROOT)
  const payload = new Payload()
  for (let isThere = cursor.first(); isThere; isThere = cursor.next()) {
    cursor.payload(payload)
    rows.push(decodeSchemaRow(pages, payload, cursor.rowid))
  }
  return new Schema(pages.schemaCookie, rows, ignoresDescending(pages))
}

/** Whether the word DESC in a key means nothing, as in the oldest databases. */
export function ignoresDescending(pages: PageReader): boolean {
  return get32(pages.page(SCHEMA_ROOT).bytes, FILE_HEADER_OFFSETS.schemaFormat) < DESCENDING_SCHEMA_FORMAT
}

const ROW_TYPES: readonly string[] = ['table', 'index', 'view', 'trigger']

function decodeSchemaRow(pages: PageReader, payload: Payload, rowid: number | bigint): SchemaRow {
  const damaged = (what: string) => pages.corrupt(SCHEMA_ROOT, 0, `sqlite_schema row ${rowid}: ${what}`)
  let values: SqlValue[]
  try {
    values = decodeRecord(payload.bytes, payload.start, payload.length)
  } catch (error) {
    throw error instanceof DamagedRecord ? damaged(error.message) : error
  }
  const row = schemaRowOf(values, pages.pageCount)
  if (typeof row === 'string') throw damaged(row)
  return row
}

/** The row with these columns, or what is wrong with them. */
export function schemaRowOf(values: readonly SqlValue[], pageCount: number): SchemaRow | string {
  const [type, name, table, root, sql] = values
  if (typeof type !== 'string' || !ROW_TYPES.includes(type)) return `unknown type ${String(type)}`
  if (typeof name !== 'string' || typeof table !== 'string') return 'no name'
  const rootNumber = root === null ? 0 : root
  // 0 stands in rows that have no tree; page 1 is the root of sqlite_schema itself.
  const isRoot = typeof rootNumber === 'number' && Number.isInteger(rootNumber) && rootNumber >= 0
  if (!isRoot || rootNumber > pageCount || rootNumber === SCHEMA_ROOT) {
    return `root page ${String(root)} of ${JSON.stringify(name)} in a database of ${pageCount} pages`
  }
  return {
    type: type as SchemaRow['type'],
    name,
    table,
    root: pageNumber(rootNumber),
    sql: typeof sql === 'string' ? sql : '',
  }
}

/** Keeps the schema of the newest state it was asked for. One per database, and one per write transaction. */
export class SchemaCache {
  #schema: Schema | null

  /** @param schema the newest one known: it is used as long as the schema cookie is the same */
  constructor(schema: Schema | null = null) {
    this.#schema = schema
  }

  /** The schema of this state: the same object as long as the schema cookie stays. */
  of(pages: PageReader): Schema {
    const schema = this.#schema
    if (schema !== null && schema.cookie === pages.schemaCookie) return schema
    this.#schema = loadSchema(pages)
    return this.#schema
  }

  /** Forgets the schema, as after a rollback: the same cookie may then stand for another schema. */
  clear(): void {
    this.#schema = null
  }
}
