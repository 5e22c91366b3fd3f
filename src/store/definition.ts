/**
 * What is known of one store: its columns, where each lies in the record, what orders its tree, and whether it may
 * be read and written. Made from the SQL in `sqlite_schema`, whoever wrote it.
 *
 * Two layouts exist. A rowid table keeps records in declared order under a 64-bit rowid; a column that is an alias of
 * the rowid is NULL in the record. A WITHOUT ROWID table is an index b-tree whose records begin with the columns of
 * the primary key, in key order, followed by the others in declared order. VIRTUAL generated columns are not stored.
 */
import type { TreeKind } from '../btree/index.js'
import { invalidArgument } from '../errors.js'
import type { Collation, KeyColumn, KeyOrder, SqlValue } from '../format/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import { affinityOf, applyAffinity, type Column, type ColumnType, columnTypeOf } from './columns.js'
import { constraintRefusal } from './constraints.js'
import { type ColumnDdl, type KeyPartDdl, parseCreateTable, type TableDdl } from './ddl-parse.js'
import { foldName, formatKeyTable, formatMap, formatRowidTable, type NewStore } from './ddl-write.js'

export interface SecondaryIndex {
  readonly name: string
  readonly root: PageNumber
  readonly isUnique: boolean
  /** Column names in order of weight, null for an expression; empty if SQLite made the index for a constraint. */
  readonly columns: readonly (string | null)[]
}

/** One store, as `db.stores()` lists it. */
export interface StoreInfo {
  readonly name: string
  /** `map`: made by `db.map`; `table`: everything else. `db.map` opens any WITHOUT ROWID table of a key and a value. */
  readonly kind: 'map' | 'table'
  readonly columns: readonly {
    readonly name: string
    /** How Endmark takes it, or undefined for a declared type of someone else. */
    readonly type: ColumnType | undefined
    readonly declaredType: string
    readonly notNull: boolean
  }[]
  /** Column names in order of weight; empty if rows are known by their rowid alone. */
  readonly primaryKey: readonly string[]
  readonly indexes: readonly {
    readonly name: string
    readonly unique: boolean
    readonly columns: readonly (string | null)[]
  }[]
  /** True, or the reason why it cannot be read. */
  readonly readable: true | string
  /** True, or the reason why it cannot be written. */
  readonly writable: true | string
}

export interface DefinitionParts {
  readonly name: string
  readonly sql: string
  readonly root: PageNumber
  /** The parsed SQL, or why it could not be parsed. */
  readonly ddl: TableDdl | string
  readonly indexes: readonly SecondaryIndex[]
  readonly hasTriggers: boolean
  /** Before schema format 4 the word DESC in a key meant nothing. */
  readonly ignoresDescending: boolean
}

interface Layout {
  readonly columns: readonly Column[]
  readonly treeKind: TreeKind
  readonly rowidColumn: number
  readonly keyColumns: readonly number[]
  readonly keyOrder: KeyOrder
  readonly storedColumns: readonly number[]
  readonly kind: 'map' | 'table'
}

const NO_LAYOUT: Layout = {
  columns: [],
  treeKind: 'table',
  rowidColumn: -1,
  keyColumns: [],
  keyOrder: [],
  storedColumns: [],
  kind: 'table',
}

export class StoreDefinition {
  readonly name: string
  readonly sql: string
  readonly root: PageNumber
  readonly indexes: readonly SecondaryIndex[]
  /** Columns that rows have, in declared order; without VIRTUAL generated ones. */
  readonly columns: readonly Column[]
  readonly treeKind: TreeKind
  readonly kind: 'map' | 'table'
  /** The column that is an alias of the rowid, or -1. */
  readonly rowidColumn: number
  /** Columns of the key in order of weight; empty if the rowid is the key and no column shows it. */
  readonly keyColumns: readonly number[]
  readonly keyOrder: KeyOrder
  /** The column at each place of the record. */
  readonly storedColumns: readonly number[]
  readonly unreadableReason: string | null
  readonly readOnlyReason: string | null
  /** A digest of the SQL: an operation encoded for one layout must not be applied to another. */
  readonly layoutDigest: number

  constructor(parts: DefinitionParts) {
    this.name = parts.name
    this.sql = parts.sql
    this.root = parts.root
    this.indexes = parts.indexes
    this.layoutDigest = digestOf(parts.sql)
    const layout = typeof parts.ddl === 'string' ? parts.ddl : layoutOf(parts.ddl, parts)
    const { columns, treeKind, kind, rowidColumn, keyColumns, keyOrder, storedColumns } =
      typeof layout === 'string' ? NO_LAYOUT : layout
    this.columns = columns
    this.treeKind = treeKind
    this.kind = kind
    this.rowidColumn = rowidColumn
    this.keyColumns = keyColumns
    this.keyOrder = keyOrder
    this.storedColumns = storedColumns
    this.unreadableReason = typeof layout === 'string' ? layout : null
    this.readOnlyReason = this.unreadableReason ?? constraintRefusal(parts)
  }

  info(): StoreInfo {
    return {
      name: this.name,
      kind: this.kind,
      columns: this.columns.map(({ name, declaredType, notNull }) => {
        return { name, type: columnTypeOf(declaredType), declaredType, notNull }
      }),
      primaryKey: this.keyColumns.map((index) => this.columns[index]!.name),
      indexes: this.indexes.map(({ name, isUnique, columns }) => ({ name, unique: isUnique, columns })),
      readable: this.unreadableReason ?? true,
      writable: this.readOnlyReason ?? true,
    }
  }
}

/** @throws ENDMARK_INVALID_ARGUMENT that shows both, unless the store that exists is the one that is wanted */
export function checkMatches(existing: StoreDefinition, wanted: StoreDefinition): void {
  if (existing.sql === wanted.sql || describeLayout(existing) === describeLayout(wanted)) return
  throw invalidArgument(
    `store ${JSON.stringify(existing.name)} exists with another definition: it is ${existing.sql}, asked for was ${wanted.sql}`,
  )
}

function describeLayout({ columns, treeKind, keyColumns, unreadableReason }: StoreDefinition): string {
  const texts = columns.map(({ name, declaredType }) => [foldName(name), declaredType.toUpperCase()])
  return JSON.stringify([treeKind, texts, keyColumns, unreadableReason])
}

/** The definition that a store will have once it is created. */
export function definitionOfNew({ name, sql }: Pick<NewStore, 'name' | 'sql'>): StoreDefinition {
  const ddl = parseCreateTable(sql)
  return new StoreDefinition({
    name,
    sql,
    root: NO_PAGE,
    ddl,
    indexes: [],
    hasTriggers: false,
    ignoresDescending: false,
  })
}

/** FNV-1a over the UTF-16 units. */
function digestOf(text: string): number {
  let digest = 0x811c9dc5
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x01000193)
  return digest >>> 0
}

/** @returns the layout, or why this one cannot be read */
function layoutOf(ddl: TableDdl, parts: DefinitionParts): Layout | string {
  const stored = ddl.columns.filter((column) => column.generated !== 'virtual')
  if (new Set(ddl.columns.map(({ name }) => foldName(name))).size < ddl.columns.length) return 'a column name twice'
  if (ddl.isWithoutRowid) return keyedLayout(ddl, stored, parts)
  const rowidColumn = rowidColumnOf(ddl, stored)
  if (ddl.isAutoincrement && rowidColumn < 0) return 'AUTOINCREMENT on a key that is not the rowid'
  const isOwn = rowidColumn >= 0 && formatRowidTable(ddl.name, stored, stored[rowidColumn]!.name) === parts.sql
  return {
    columns: stored.map((column) => columnOf(column, { isOwn, isKey: false })),
    treeKind: 'table',
    kind: 'table',
    rowidColumn,
    keyColumns: rowidColumn < 0 ? [] : [rowidColumn],
    keyOrder: [],
    storedColumns: stored.map((_, index) => index),
  }
}

/** A primary key of one column declared exactly INTEGER is the rowid, unless DESC stands right after it. */
function rowidColumnOf(ddl: TableDdl, stored: readonly ColumnDdl[]): number {
  if (ddl.primaryKey.length !== 1 || ddl.isColumnKeyDescending) return -1
  const index = indexOfColumn(stored, ddl.primaryKey[0]!.name)
  return index >= 0 && stored[index]!.type.toUpperCase() === 'INTEGER' ? index : -1
}

function indexOfColumn(columns: readonly ColumnDdl[], name: string | null): number {
  return name === null ? -1 : columns.findIndex((column) => foldName(column.name) === foldName(name))
}

function keyedLayout(ddl: TableDdl, stored: readonly ColumnDdl[], parts: DefinitionParts): Layout | string {
  if (ddl.primaryKey.length === 0) return 'WITHOUT ROWID and no primary key'
  const keyColumns: number[] = []
  const keyOrder: KeyColumn[] = []
  for (const part of ddl.primaryKey) {
    const index = indexOfColumn(stored, part.name)
    if (index < 0) return 'a primary key over something that is not a stored column'
    // SQLite drops a repetition from the key; one in another collation would be kept, which nobody writes.
    if (keyColumns.includes(index)) return 'a column twice in the primary key'
    const keyColumn = keyColumnOf(part, stored[index]!, parts.ignoresDescending)
    if (typeof keyColumn === 'string') return keyColumn
    keyColumns.push(index)
    keyOrder.push(keyColumn)
  }
  const kind = kindOf(ddl, stored, parts.sql)
  const isOwn = kind === 'map' || isOwnTable(ddl, stored, keyColumns, parts.sql)
  const others = stored.map((_, index) => index).filter((index) => !keyColumns.includes(index))
  return {
    columns: stored.map((column, index) => columnOf(column, { isOwn, isKey: keyColumns.includes(index) })),
    treeKind: 'index',
    kind,
    rowidColumn: -1,
    keyColumns,
    keyOrder,
    storedColumns: [...keyColumns, ...others],
  }
}

const COLLATIONS: Readonly<Record<string, Collation>> = { BINARY: 'binary', NOCASE: 'nocase', RTRIM: 'rtrim' }

function keyColumnOf(part: KeyPartDdl, column: ColumnDdl, ignoresDescending: boolean): KeyColumn | string {
  const name = (part.collation ?? column.collation ?? 'BINARY').toUpperCase()
  const collation = Object.hasOwn(COLLATIONS, name) ? COLLATIONS[name] : undefined
  if (collation === undefined) return `a key in collation ${name}`
  return { collation, descending: part.descending && !ignoresDescending }
}

function kindOf(ddl: TableDdl, stored: readonly ColumnDdl[], sql: string): 'map' | 'table' {
  const [key, value] = stored
  if (stored.length !== 2 || key === undefined || value === undefined) return 'table'
  return formatMap(ddl.name, key.type, value.type) === sql ? 'map' : 'table'
}

function isOwnTable(ddl: TableDdl, stored: readonly ColumnDdl[], keyColumns: readonly number[], sql: string): boolean {
  const key = keyColumns.map((index) => stored[index]!.name)
  return formatKeyTable(ddl.name, stored, key) === sql
}

function columnOf(column: ColumnDdl, { isOwn, isKey }: { isOwn: boolean; isKey: boolean }): Column {
  const type = columnTypeOf(column.type)
  const affinity = affinityOf(column.type)
  return {
    name: column.name,
    declaredType: column.type,
    affinity,
    check: type !== undefined && (isOwn || type === 'json') ? type : 'affinity',
    notNull: column.notNull || isKey,
    defaultValue: defaultValueOf(column, affinity),
    collation: (column.collation ?? 'BINARY').toUpperCase(),
  }
}

function defaultValueOf(column: ColumnDdl, affinity: Column['affinity']): SqlValue | undefined {
  if (column.default === undefined) return null
  return column.default === null ? undefined : applyAffinity(column.default.value, affinity)
}
