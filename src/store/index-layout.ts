/**
 * What the entries of an index are made of: where each of their columns comes from in a record of the table, and how they
 * are ordered. An entry is the indexed columns, then what names the row: its rowid, or the columns of the primary key
 * that are not among the indexed ones. Source: SQLite "Database File Format", sections 2.5 and 2.6.
 *
 * SQLite makes indexes by itself for UNIQUE and PRIMARY KEY constraints, numbered in the order of the constraints; one that
 * repeats an earlier one gets none. Expressions, and columns that are computed and not stored, are known by their place only.
 */
import type { Collation, KeyColumn, KeyOrder } from '../format/index.js'
import type { PageNumber } from '../units.js'
import {
  type IndexDdl,
  type KeyPartDdl,
  parseCreateIndex,
  parseCreateTable,
  syntaxProblem,
  type TableDdl,
} from './ddl-parse.js'
import { foldName } from './ddl-write.js'
import type { StoreDefinition } from './definition.js'
import type { SchemaRow } from './schema.js'

/** The place of a column in the table's record; `rowid`; null: not to be had from the record. */
export type EntrySource = number | 'rowid' | null

export interface IndexLayout {
  readonly name: string
  readonly root: PageNumber
  /** One for each column of an entry. */
  readonly sources: readonly EntrySource[]
  /** Null if the order of a column is not known. */
  readonly order: KeyOrder | null
  /** How many leading columns are unique together, unless one is NULL; 0: none. */
  readonly uniqueCount: number
  /** Rows that fail its condition have no entry. */
  readonly isPartial: boolean
}

/** Why there is no layout: the schema contradicts itself, or Endmark does not understand it. */
export interface NoIndexLayout {
  readonly problem: string
  readonly isDamage: boolean
}

export function indexLayoutOf(
  row: SchemaRow,
  definition: StoreDefinition,
  { ignoresDescending }: { readonly ignoresDescending: boolean },
): IndexLayout | NoIndexLayout {
  const table = parseCreateTable(definition.sql)
  if (typeof table === 'string') return { problem: `its table cannot be read: ${table}`, isDamage: false }
  const ddl = row.sql === '' ? ddlOfConstraint(row, table, definition) : parseCreateIndex(row.sql)
  if (typeof ddl === 'string') {
    return { problem: ddl, isDamage: row.sql === '' || syntaxProblem('index', row.sql) !== null }
  }
  if (foldName(ddl.name) !== foldName(row.name) || foldName(ddl.table) !== foldName(row.table)) {
    return { problem: `its SQL is that of index ${ddl.name} on ${ddl.table}`, isDamage: true }
  }
  const unknown = ddl.columns.find(({ name }) => name !== null && !isColumnOf(table, name, row.sql))
  if (unknown !== undefined) {
    return { problem: `it names column ${JSON.stringify(unknown.name)}, which its table does not have`, isDamage: true }
  }
  const columns = [
    ...ddl.columns.map((part) => entryColumn(part, table, definition)),
    ...rowColumns(ddl, definition, row.sql === ''),
  ]
  const orders = columns.map(({ order }) => order)
  const isKnown = (order: KeyColumn | null): order is KeyColumn => order !== null
  const descending = (order: KeyColumn) => ({ ...order, descending: order.descending && !ignoresDescending })
  return {
    name: row.name,
    root: row.root,
    sources: columns.map(({ source }) => source),
    order: orders.every(isKnown) ? orders.map(descending) : null,
    uniqueCount: ddl.isUnique ? ddl.columns.length : 0,
    isPartial: ddl.isPartial,
  }
}

/** Names of the indexes that SQLite makes for the constraints of this table. */
export function constraintIndexNames(definition: StoreDefinition): string[] {
  const table = parseCreateTable(definition.sql)
  if (typeof table === 'string') return []
  return constraintKeys(table, definition).flatMap((parts, i) => (parts === null ? [] : [autoIndexName(table, i)]))
}

function autoIndexName(table: TableDdl, index: number): string {
  return `sqlite_autoindex_${table.name}_${index + 1}`
}

/** In the order of their numbers; null for the key that orders a WITHOUT ROWID table, which is the table itself. */
function constraintKeys(table: TableDdl, definition: StoreDefinition): (readonly KeyPartDdl[] | null)[] {
  const kept: { readonly isPrimary: boolean; readonly parts: readonly KeyPartDdl[] }[] = []
  for (const key of table.constraintKeys) {
    if (key.isPrimary && definition.treeKind === 'table' && definition.rowidColumn >= 0) continue
    const text = keyText(key.parts, table)
    if (!kept.some(({ parts }) => keyText(parts, table) === text)) kept.push(key)
  }
  return kept.map(({ isPrimary, parts }) => (isPrimary && definition.treeKind === 'index' ? null : parts))
}

/** What two keys must share to be the same: columns and collations, not directions. */
function keyText(parts: readonly KeyPartDdl[], table: TableDdl): string {
  return JSON.stringify(parts.map((part) => [foldName(part.name ?? ''), collationName(part, table)]))
}

function ddlOfConstraint(row: SchemaRow, table: TableDdl, definition: StoreDefinition): IndexDdl | string {
  const keys = constraintKeys(table, definition)
  const index = keys.findIndex((_, i) => foldName(autoIndexName(table, i)) === foldName(row.name))
  const columns = keys[index]
  if (columns === undefined || columns === null) return 'it has no SQL, and no constraint of its table stands for it'
  return { name: row.name, table: definition.name, isUnique: true, isPartial: false, columns }
}

function isColumnOf(table: TableDdl, name: string, sql: string): boolean {
  const folded = foldName(name)
  if (table.columns.some((column) => foldName(column.name) === folded)) return true
  if (!table.isWithoutRowid && ROWID_NAMES.includes(folded)) return true
  // SQLite takes a name in double quotes that is no column for a string.
  return sql.includes(`"${name}"`)
}

const ROWID_NAMES: readonly string[] = ['rowid', 'oid', '_rowid_']

interface EntryColumn {
  readonly source: EntrySource
  /** Null: an expression, whose collation is not known. */
  readonly order: KeyColumn | null
}

function entryColumn(part: KeyPartDdl, table: TableDdl, definition: StoreDefinition): EntryColumn {
  const { name, descending } = part
  const collation = collationOf(collationName(part, table))
  const isColumn = name !== null && table.columns.some((column) => foldName(column.name) === foldName(name))
  if (!isColumn) return { source: null, order: null }
  const order = collation === null ? null : { collation, descending }
  const column = definition.columns.findIndex((stored) => foldName(stored.name) === foldName(name))
  return { source: sourceOf(column, definition), order }
}

function sourceOf(column: number, definition: StoreDefinition): EntrySource {
  if (column < 0) return null
  return column === definition.rowidColumn ? 'rowid' : definition.storedColumns.indexOf(column)
}

function collationName({ name, collation }: KeyPartDdl, table: TableDdl): string {
  const declared = table.columns.find((column) => foldName(column.name) === foldName(name ?? ''))?.collation
  return (collation ?? declared ?? 'BINARY').toLowerCase()
}

function collationOf(name: string): Collation | null {
  return name === 'binary' || name === 'nocase' || name === 'rtrim' ? name : null
}

/**
 * The columns that name the row. Those of a primary key keep their direction, except in the indexes that SQLite makes for
 * constraints, where they ascend.
 */
function rowColumns(ddl: IndexDdl, definition: StoreDefinition, isOfConstraint: boolean): EntryColumn[] {
  if (definition.treeKind === 'table') {
    return [{ source: 'rowid', order: { collation: 'binary', descending: false } }]
  }
  const isIndexed = (column: number, collation: Collation) =>
    ddl.columns.some((part) => {
      const { name, collation: declared } = definition.columns[column]!
      return foldName(part.name ?? '') === foldName(name) && (part.collation ?? declared).toLowerCase() === collation
    })
  return definition.keyColumns.flatMap((column, i) => {
    const { collation, descending } = definition.keyOrder[i]!
    if (isIndexed(column, collation)) return []
    const order = { collation, descending: descending && !isOfConstraint }
    return [{ source: sourceOf(column, definition), order }]
  })
}
