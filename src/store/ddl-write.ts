/**
 * The SQL of the stores that Endmark creates, and the options it is made from. The text is what `sqlite_schema`
 * keeps, so SQLite must read the same layout out of it that we use: the tests let it.
 *
 * A table with one integer column as primary key is a rowid table; any other key makes it WITHOUT ROWID, so that
 * the row lies in the tree of its key and no second tree is needed.
 */
import { preview } from '../arguments.js'
import { invalidArgument, unsupported } from '../errors.js'
import { COLUMN_TYPES, type ColumnType, declaredTypeOf } from './columns.js'

/** Types that a key can have: all with an order of their own. */
export type KeyType = Exclude<ColumnType, 'json'>

/** How `db.map(name, options)` creates a map, or what it expects to find. */
export interface MapOptions {
  /** Type of the keys; `any` orders null < numbers < text < blobs, without null. */
  readonly key: KeyType
  /** Type of the values; `json` takes whatever `JSON.stringify` does. */
  readonly value: ColumnType
}

/** How `db.table(name, options)` creates a table, or what it expects to find. */
export interface TableOptions {
  /** Columns by name, in this order. Each may hold null, except those of the key. */
  readonly columns: Readonly<Record<string, ColumnType>>
  /** One column, or several in order of weight. One `integer` column may be left out of a row: it is then numbered. */
  readonly primaryKey: string | readonly string[]
  /** Secondary indexes by name. Not built yet: ENDMARK_UNSUPPORTED. */
  readonly indexes?: Readonly<Record<string, IndexOptions>>
}

export interface IndexOptions {
  readonly on: readonly string[]
  readonly unique?: boolean
}

/** A store to create, checked and worded. */
export interface NewStore {
  readonly name: string
  readonly kind: 'map' | 'table'
  readonly sql: string
}

export const MAP_KEY_COLUMN = 'key'
export const MAP_VALUE_COLUMN = 'value'
/** SQLite's default limit; a table with more could not be opened by it. */
const COLUMN_COUNT_MAX = 2000

/** @throws ENDMARK_INVALID_ARGUMENT quoting what is wrong */
export function mapDefinition(name: string, options: MapOptions): NewStore {
  checkStoreName(name)
  checkOptionNames('map', name, options, ['key', 'value'])
  checkColumnType(name, MAP_KEY_COLUMN, options.key)
  checkColumnType(name, MAP_VALUE_COLUMN, options.value)
  checkKeyType(name, MAP_KEY_COLUMN, options.key)
  return { name, kind: 'map', sql: formatMap(name, declaredTypeOf(options.key), declaredTypeOf(options.value)) }
}

/** @throws ENDMARK_INVALID_ARGUMENT quoting what is wrong; ENDMARK_UNSUPPORTED for secondary indexes */
export function tableDefinition(name: string, options: TableOptions): NewStore {
  checkStoreName(name)
  checkOptionNames('table', name, options, ['columns', 'primaryKey', 'indexes'])
  checkColumns(name, options.columns)
  const key = typeof options.primaryKey === 'string' ? [options.primaryKey] : options.primaryKey
  checkPrimaryKey(name, options.columns, key)
  const { indexes = {} } = options
  if (typeof indexes !== 'object' || indexes === null)
    throw invalidArgument(`store ${JSON.stringify(name)}: expected indexes by name, got ${preview(indexes)}`)
  if (Object.keys(indexes).length > 0) {
    throw unsupported(`store ${JSON.stringify(name)}: secondary indexes`)
  }
  const columns = Object.entries(options.columns).map(([column, type]) => ({
    name: column,
    type: declaredTypeOf(type),
  }))
  const isRowidTable = key.length === 1 && options.columns[key[0]!] === 'integer'
  return {
    name,
    kind: 'table',
    sql: isRowidTable ? formatRowidTable(name, columns, key[0]!) : formatKeyTable(name, columns, key),
  }
}

interface ColumnText {
  readonly name: string
  readonly type: string
}

export function formatMap(name: string, keyType: string, valueType: string): string {
  const key = formatColumn({ name: MAP_KEY_COLUMN, type: keyType })
  const value = formatColumn({ name: MAP_VALUE_COLUMN, type: valueType })
  return `CREATE TABLE ${quoteName(name)}(${key} NOT NULL PRIMARY KEY, ${value}) WITHOUT ROWID`
}

export function formatRowidTable(name: string, columns: readonly ColumnText[], key: string): string {
  const texts = columns.map((column) => formatColumn(column) + (column.name === key ? ' PRIMARY KEY' : ''))
  return `CREATE TABLE ${quoteName(name)}(${texts.join(', ')})`
}

export function formatKeyTable(name: string, columns: readonly ColumnText[], key: readonly string[]): string {
  const texts = columns.map((column) => formatColumn(column) + (key.includes(column.name) ? ' NOT NULL' : ''))
  texts.push(`PRIMARY KEY(${key.map(quoteName).join(', ')})`)
  return `CREATE TABLE ${quoteName(name)}(${texts.join(', ')}) WITHOUT ROWID`
}

function formatColumn({ name, type }: ColumnText): string {
  return type === '' ? quoteName(name) : `${quoteName(name)} ${type}`
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Names as SQLite compares them: only the 26 ASCII letters have case. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** The table in which client commits are numbered: not a store for users. */
export const CLIENTS_STORE = 'endmark_clients'

/** Whether the name is that of a table of Endmark's own. */
export function isReservedName(name: unknown): boolean {
  return typeof name === 'string' && foldName(name) === CLIENTS_STORE
}

/** @throws ENDMARK_INVALID_ARGUMENT for the name of a table of Endmark's own */
export function refuseReservedName(name: unknown): void {
  if (isReservedName(name)) throw invalidArgument(`store ${JSON.stringify(name)}: the name is reserved`)
}

/** @throws ENDMARK_INVALID_ARGUMENT unless a store may be created under this name */
export function checkStoreName(name: unknown): asserts name is string {
  checkName('the name of a store', name)
  refuseReservedName(name)
  if (foldName(name).startsWith('sqlite_')) {
    throw invalidArgument(`store ${JSON.stringify(name)}: names that begin with sqlite_ are SQLite's own`)
  }
}

/** What stands in the SQL must come out of it again. */
function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name !== 'string' || name === '') throw invalidArgument(`${what}: expected a string, got ${preview(name)}`)
  if (name.includes('\0') || Buffer.from(name).toString() !== name) {
    throw invalidArgument(`${what}: ${JSON.stringify(name)} holds a NUL or half a surrogate pair`)
  }
}

function checkOptionNames(kind: string, store: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`${kind} ${JSON.stringify(store)}: expected options, got ${preview(options)}`)
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw invalidArgument(
      `${kind} ${JSON.stringify(store)}: unknown option ${JSON.stringify(unknown)}, known are ${known.join(', ')}`,
    )
  }
}

function checkColumns(store: string, columns: unknown): void {
  if (typeof columns !== 'object' || columns === null) {
    throw invalidArgument(`store ${JSON.stringify(store)}: expected columns, got ${preview(columns)}`)
  }
  const entries = Object.entries(columns)
  if (entries.length === 0 || entries.length > COLUMN_COUNT_MAX) {
    throw invalidArgument(
      `store ${JSON.stringify(store)}: ${entries.length} columns, possible are 1 to ${COLUMN_COUNT_MAX}`,
    )
  }
  const seen = new Set<string>()
  for (const [name, type] of entries) {
    checkName(`store ${JSON.stringify(store)}, the name of a column`, name)
    checkColumnType(store, name, type)
    if (seen.has(foldName(name))) {
      throw invalidArgument(
        `store ${JSON.stringify(store)}: column ${JSON.stringify(name)} twice (case does not count)`,
      )
    }
    seen.add(foldName(name))
  }
}

function checkColumnType(store: string, column: string, type: unknown): void {
  if (COLUMN_TYPES.some((known) => known === type)) return
  throw invalidArgument(
    `store ${JSON.stringify(store)}, column ${JSON.stringify(column)}: type ${preview(type)}, possible are ${COLUMN_TYPES.join(', ')}`,
  )
}

function checkPrimaryKey(store: string, columns: TableOptions['columns'], key: unknown): void {
  if (!Array.isArray(key) || key.length === 0) {
    throw invalidArgument(`store ${JSON.stringify(store)}: expected primaryKey to name columns, got ${preview(key)}`)
  }
  for (const [index, name] of key.entries()) {
    if (typeof name !== 'string' || !Object.hasOwn(columns, name)) {
      throw invalidArgument(`store ${JSON.stringify(store)}: primaryKey names ${preview(name)}, which is not a column`)
    }
    if (key.indexOf(name) !== index) {
      throw invalidArgument(`store ${JSON.stringify(store)}: primaryKey names ${JSON.stringify(name)} twice`)
    }
    checkKeyType(store, name, columns[name])
  }
}

function checkKeyType(store: string, column: string, type: unknown): void {
  if (type !== 'json') return
  throw invalidArgument(
    `store ${JSON.stringify(store)}, column ${JSON.stringify(column)}: json has no order and cannot be a key`,
  )
}
