/**
 * Operations from another process are only as good as their sender. Here they are held to what encoding them in this process
 * would have made sure of: the columns that the store has, of types that they can hold, no NULL where none may be, and
 * new stores of our own kinds only. So nothing is stored that SQLite's integrity check would object to.
 *
 * Records must be known to be well formed (`isWellFormedRecord`) before `checkOperation` looks into them.
 */
import type { Rowid } from '../btree/index.js'
import { type EndmarkError, invalidArgument } from '../errors.js'
import {
  canonicalColumnCount,
  getVarint,
  INT64_MAX,
  INT64_MIN,
  normalizeInteger,
  RecordReader,
  SERIAL_BLOB,
  SERIAL_NULL,
  SERIAL_REAL,
  varintSize,
} from '../format/index.js'
import { applyAffinity, type Column, type ColumnType, columnTypeOf } from './columns.js'
import { parseCreateTable, type TableDdl } from './ddl-parse.js'
import { type KeyType, mapDefinition, type NewStore, tableDefinition } from './ddl-write.js'
import type { StoreDefinition } from './definition.js'
import type { CreateOperation, DeleteOperation, Operation, PutOperation, UpdateOperation } from './operation.js'
import { checkPlace } from './repeat-read.js'
import type { Schema } from './schema.js'

/** Whether the value is a record just as this process would have encoded it. */
export function isWellFormedRecord(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && canonicalColumnCount(value) >= 0
}

/** Whether the value is a 64-bit integer in the one form that each has. */
export function isRowid(value: unknown): value is Rowid {
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0)
  return typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX && normalizeInteger(value) === value
}

/**
 * @throws ENDMARK_INVALID_ARGUMENT for what could not have been encoded here; what is refused in other ways, a store that
 *   is not there or was altered, is left to `applyOperation`
 */
export function checkOperation(schema: Schema, operation: Operation): void {
  if (operation.type === 'create') {
    checkCreate(operation)
    return
  }
  if (operation.type === 'drop') return
  const definition = schema.store(operation.store)
  if (definition === undefined || definition.layoutDigest !== operation.layout) return
  if (definition.readOnlyReason === null) checkEntry(definition, operation)
}

function checkEntry(definition: StoreDefinition, operation: PutOperation | UpdateOperation | DeleteOperation): void {
  switch (operation.type) {
    case 'put':
    case 'insert':
      if (definition.treeKind === 'index' && operation.rowid !== null) throw wrong(definition, 'it has no rowids')
      checkRow(definition, operation.record)
      break
    case 'update':
      checkPlace(definition, operation)
      checkChanges(definition, operation)
      break
    case 'delete':
      checkPlace(definition, operation)
  }
}

/** Walks over the serial types of a record. */
class SerialTypes {
  #record: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0

  reset(record: Uint8Array): this {
    this.#record = record
    this.#at = varintSize(record, 0)
    this.#end = getVarint(record, 0)
    return this
  }

  /** -1 at the end. */
  next(): number {
    const at = this.#at
    if (at >= this.#end) return -1
    this.#at = at + varintSize(this.#record, at)
    return getVarint(this.#record, at)
  }
}

const serialTypes = new SerialTypes()
const reader = new RecordReader()

function checkRow(definition: StoreDefinition, record: Uint8Array): void {
  const { storedColumns, columns, rowidColumn } = definition
  const types = serialTypes.reset(record)
  for (let place = 0; place < storedColumns.length; place++) {
    const index = storedColumns[place]!
    const serialType = types.next()
    const fits =
      index === rowidColumn ? serialType === SERIAL_NULL : canHold(columns[index]!, record, place, serialType)
    if (!fits) throw wrong(definition, `a record that its column ${JSON.stringify(columns[index]!.name)} cannot hold`)
  }
  if (types.next() >= 0) throw wrong(definition, `a record of more than its ${storedColumns.length} columns`)
}

function checkChanges(definition: StoreDefinition, { places, record }: UpdateOperation): void {
  const { storedColumns, keyColumns, columns } = definition
  const types = serialTypes.reset(record)
  let last = -1
  for (let i = 0; i < places.length; i++) {
    const place = places[i]!
    const index = storedColumns[place]
    if (place <= last || index === undefined || keyColumns.includes(index)) throw wrong(definition, 'places to change')
    last = place
    if (!canHold(columns[index]!, record, i, types.next())) {
      throw wrong(definition, `a value that its column ${JSON.stringify(columns[index]!.name)} cannot hold`)
    }
  }
  if (types.next() >= 0) throw wrong(definition, 'more values than places to put them')
}

/** @param serialType -1 where the record has ended */
function canHold(column: Column, record: Uint8Array, place: number, serialType: number): boolean {
  if (serialType < 0) return false
  if (serialType === SERIAL_NULL) return !column.notNull
  const isText = serialType >= SERIAL_BLOB && (serialType & 1) === 1
  const isNumber = serialType < SERIAL_BLOB
  switch (column.check) {
    case 'text':
    case 'json':
      return isText
    case 'blob':
      return !isText && !isNumber
    case 'integer':
      return isNumber && serialType !== SERIAL_REAL
    case 'real':
      return isNumber
    case 'any':
      return true
    case 'affinity':
      return isAsConverted(column, record, place, { isText, isNumber })
  }
}

/** SQLite converts what is stored into a column of some affinity: what it would have converted must not be there. */
function isAsConverted(
  { affinity }: Column,
  record: Uint8Array,
  place: number,
  { isText, isNumber }: { readonly isText: boolean; readonly isNumber: boolean },
): boolean {
  if (affinity === 'blob' || (!isText && !isNumber)) return true
  if (affinity === 'text') return isText
  const value = reader.reset(record, 0, record.length).column(place)!
  return Object.is(applyAffinity(value, affinity), value)
}

function wrong(definition: StoreDefinition, what: string): EndmarkError {
  return invalidArgument(`store ${JSON.stringify(definition.name)}: ${what}`)
}

function checkCreate({ store, sql }: CreateOperation): void {
  const ddl = parseCreateTable(sql)
  if (typeof ddl !== 'string' && ddl.name === store && isOwnSql(ddl, sql)) return
  throw invalidArgument(`store ${JSON.stringify(store)}: not the definition of a map or table: ${sql.slice(0, 200)}`)
}

/** Whether `map` or `table` would word a definition like this. */
function isOwnSql({ name, columns, primaryKey }: TableDdl, sql: string): boolean {
  const types: [string, ColumnType][] = []
  for (const column of columns) {
    const type = columnTypeOf(column.type)
    if (type === undefined) return false
    types.push([column.name, type])
  }
  const [key, value] = types
  const keyNames = primaryKey.map((part) => part.name ?? '')
  const asMap = () => mapDefinition(name, { key: key![1] as KeyType, value: value![1] })
  const asTable = () => tableDefinition(name, { columns: Object.fromEntries(types), primaryKey: keyNames })
  return (types.length === 2 && sqlOf(asMap) === sql) || sqlOf(asTable) === sql
}

/** Empty where the options make no store. */
function sqlOf(define: () => NewStore): string {
  try {
    return define().sql
  } catch {
    return ''
  }
}
