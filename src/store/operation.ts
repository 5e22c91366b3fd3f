/**
 * Operations: what a write transaction does to stores, as plain data. Values are encoded and checked when the
 * operation is made, so that it can wait in a queue or travel to another process, and applying it is only tree work.
 *
 * An operation carries the digest of the layout that it was encoded for. If the table has been altered in between,
 * it is refused rather than applied to columns it does not fit.
 */
import {
  deleteRecord,
  deleteRow,
  findRecord,
  findRow,
  lastRowid,
  Payload,
  putRecord,
  putRow,
  type Rowid,
} from '../btree/index.js'
import { EndmarkError, invalidArgument, unsupported } from '../errors.js'
import { BINARY_ORDER, decodeRecord, encodeRecord, INT64_MAX, SearchKey, type SqlValue } from '../format/index.js'
import type { PageReader, PageWriter } from '../pager/index.js'
import { assertWritable } from './constraints.js'
import { locateDamage } from './damage.js'
import type { NewStore } from './ddl-write.js'
import type { StoreDefinition } from './definition.js'
import type { Schema } from './schema.js'
import { createStore, dropStore } from './schema-change.js'

/** Stores a record: `put` replaces one with the same key, `insert` refuses it. */
export interface PutOperation {
  readonly type: 'put' | 'insert'
  readonly store: string
  readonly layout: number
  /** Of a rowid table: the rowid, or null to have one assigned. Otherwise null: the key is in the record. */
  readonly rowid: Rowid | null
  readonly record: Uint8Array
}

/** Changes some columns of one row. */
export interface UpdateOperation {
  readonly type: 'update'
  readonly store: string
  readonly layout: number
  readonly rowid: Rowid | null
  /** A record of the key's columns, or null for a rowid table. */
  readonly key: Uint8Array | null
  /** Places in the stored record, and a record of the values to put there. */
  readonly places: readonly number[]
  readonly record: Uint8Array
}

export interface DeleteOperation {
  readonly type: 'delete'
  readonly store: string
  readonly layout: number
  readonly rowid: Rowid | null
  readonly key: Uint8Array | null
}

/** Creates a store, unless one of the same definition is there. */
export interface CreateOperation {
  readonly type: 'create'
  readonly store: string
  readonly sql: string
}

export interface DropOperation {
  readonly type: 'drop'
  readonly store: string
}

export type Operation = PutOperation | UpdateOperation | DeleteOperation | CreateOperation | DropOperation

export interface OperationResult {
  /** Whether the row, or the store, was there before. */
  readonly existed: boolean
  /** The rowid of the row written, in a rowid table. */
  readonly rowid: Rowid | null
}

const EXISTED: OperationResult = { existed: true, rowid: null }
const DID_NOT_EXIST: OperationResult = { existed: false, rowid: null }

/** The operation that creates this store. */
export function createOperation({ name, sql }: NewStore): CreateOperation {
  return { type: 'create', store: name, sql }
}

/**
 * Applies one operation to the pages of a write transaction.
 * @param schema the schema of exactly these pages: after `create` and `drop` it is another one
 * @throws ENDMARK_CONSTRAINT, ENDMARK_NOT_FOUND, ENDMARK_UNSUPPORTED, ENDMARK_INVALID_ARGUMENT. All of these
 *   are found out before anything is changed; after ENDMARK_CORRUPT the caller must roll back the pages
 */
export function applyOperation(pages: PageWriter, schema: Schema, operation: Operation): OperationResult {
  switch (operation.type) {
    case 'put':
    case 'insert':
      return applyPut(pages, writableStore(schema, operation), operation)
    case 'update':
      return applyUpdate(pages, writableStore(schema, operation), operation)
    case 'delete':
      return applyDelete(pages, writableStore(schema, operation), operation)
    case 'create':
      return createStore(pages, schema, operation.store, operation.sql) ? DID_NOT_EXIST : EXISTED
    case 'drop':
      dropStore(pages, schema, operation.store)
      return EXISTED
  }
}

/** The store of an operation. @throws ENDMARK_NOT_FOUND, ENDMARK_INVALID_ARGUMENT, ENDMARK_UNSUPPORTED if it may not be applied */
export function writableStore(
  schema: Schema,
  operation: PutOperation | UpdateOperation | DeleteOperation,
): StoreDefinition {
  const definition = schema.require(operation.store)
  if (definition.layoutDigest !== operation.layout) {
    throw invalidArgument(`store ${JSON.stringify(operation.store)} was altered while a write to it was under way`)
  }
  assertWritable(definition)
  return definition
}

/** The key of the entry being written: one for all, as each use ends before the next begins. */
const scratchKeys = new WeakMap<StoreDefinition, SearchKey>()
const scratchPayload = new Payload()

function keyOf(definition: StoreDefinition, record: Uint8Array): SearchKey {
  let key = scratchKeys.get(definition)
  if (key === undefined) {
    key = new SearchKey(definition.keyOrder)
    scratchKeys.set(definition, key)
  }
  return key.setFromRecord(record, 0, record.length)
}

function applyPut(pages: PageWriter, definition: StoreDefinition, operation: PutOperation): OperationResult {
  const mode = operation.type === 'put' ? 'upsert' : 'insert'
  const { record } = operation
  if (definition.treeKind === 'table') return applyPutRow(pages, definition, operation, mode)
  const existed = putRecord(pages, definition.root, keyOf(definition, record), record, mode)
  if (existed && mode === 'insert') throw exists(definition)
  return existed ? EXISTED : DID_NOT_EXIST
}

function applyPutRow(
  pages: PageWriter,
  definition: StoreDefinition,
  operation: PutOperation,
  mode: 'upsert' | 'insert',
): OperationResult {
  const rowid = operation.rowid ?? nextRowid(pages, definition)
  const existed = putRow(pages, definition.root, rowid, operation.record, mode)
  if (existed && mode === 'insert') throw exists(definition)
  return { existed, rowid }
}

/** One more than the largest there is, as SQLite numbers rows. */
function nextRowid(pages: PageReader, definition: StoreDefinition): Rowid {
  const last = lastRowid(pages, definition.root)
  if (last === undefined) return 1
  if (typeof last === 'number' && last < Number.MAX_SAFE_INTEGER) return last + 1
  if (last === INT64_MAX) {
    throw new EndmarkError('ENDMARK_CONSTRAINT', `store ${JSON.stringify(definition.name)}: no rowid is left to assign`)
  }
  return BigInt(last) + 1n
}

function exists(definition: StoreDefinition): EndmarkError {
  return new EndmarkError(
    'ENDMARK_CONSTRAINT',
    `store ${JSON.stringify(definition.name)} already has a row with this key`,
  )
}

function applyUpdate(pages: PageWriter, definition: StoreDefinition, operation: UpdateOperation): OperationResult {
  const key = operation.key === null ? null : keyOf(definition, operation.key)
  if (!findEntry(pages, definition, operation.rowid, key, scratchPayload)) return DID_NOT_EXIST
  const record = changedRecord(pages, definition, operation, scratchPayload)
  if (key === null) putRow(pages, definition.root, operation.rowid!, record, 'upsert')
  else putRecord(pages, definition.root, key, record, 'upsert')
  return { existed: true, rowid: operation.rowid }
}

function findEntry(
  pages: PageReader,
  { root }: StoreDefinition,
  rowid: Rowid | null,
  key: SearchKey | null,
  into: Payload,
): boolean {
  return key === null ? findRow(pages, root, rowid!, into) : findRecord(pages, root, key, into)
}

function changedRecord(
  pages: PageReader,
  definition: StoreDefinition,
  { places, record }: UpdateOperation,
  payload: Payload,
): Uint8Array {
  try {
    const values = decodeRecord(payload.bytes, payload.start, payload.length)
    assertLossless(definition, values, payload)
    // A row from before an ALTER TABLE ADD COLUMN has fewer columns than the table.
    for (let place = values.length; place < definition.storedColumns.length; place++) {
      values.push(definition.columns[definition.storedColumns[place]!]!.defaultValue ?? null)
    }
    const changes = decodeRecord(record, 0, record.length)
    for (let i = 0; i < places.length; i++) values[places[i]!] = changes[i]!
    return encodeRecord(values)
  } catch (error) {
    throw locateDamage(pages, definition, error)
  }
}

/**
 * Columns that an update does not name must stay as they are, to the byte. Only text that is not UTF-8 would not: it
 * decodes to U+FFFD, which would be written back in its place.
 */
function assertLossless(definition: StoreDefinition, values: readonly SqlValue[], payload: Payload): void {
  if (!values.some((value) => typeof value === 'string' && value.includes('\ufffd'))) return
  const order = values.map(() => BINARY_ORDER[0]!)
  if (SearchKey.of(values, order).compareRecord(payload.bytes, payload.start, payload.length) === 0) return
  throw unsupported(`store ${JSON.stringify(definition.name)}: an update of a row with text that is not UTF-8`)
}

function applyDelete(pages: PageWriter, definition: StoreDefinition, operation: DeleteOperation): OperationResult {
  const existed =
    operation.key === null
      ? deleteRow(pages, definition.root, operation.rowid!)
      : deleteRecord(pages, definition.root, keyOf(definition, operation.key))
  return existed ? EXISTED : DID_NOT_EXIST
}
