/**
 * Rows of a table as JavaScript objects and as records. A row has one property per column; a property that is missing
 * or undefined means the column's default. What comes out has all columns, in declared order, whatever the record's.
 */

import { preview } from '../arguments.js'
import type { Payload, Rowid } from '../btree/index.js'
import { type EndmarkError, invalidArgument } from '../errors.js'
import {
  encodeRecord,
  INT64_MAX,
  INT64_MIN,
  normalizeInteger,
  RecordReader,
  type SearchKey,
  type SqlValue,
} from '../format/index.js'
import type { StoreCodec } from './codec.js'
import { type Column, decodeValue, defaultOf, encodeValue } from './columns.js'
import type { StoreDefinition } from './definition.js'
import { checkRecordSize } from './record-size.js'

type AnyRow = Record<string, unknown>

/** An encoded row: what an operation stores. */
export interface EncodedRow {
  readonly rowid: Rowid | null
  readonly record: Uint8Array
}

/** Encoded changes of some columns. */
export interface EncodedChanges {
  readonly places: number[]
  readonly record: Uint8Array
}

export class RowCodec<Row, Key> implements StoreCodec<Key, Row, Row> {
  readonly definition: StoreDefinition
  readonly #store: string
  readonly #columns: readonly Column[]
  /** Columns whose stored value is what callers get. */
  readonly #isPlain: readonly boolean[]
  /** Names that every object inherits something under: only an own property counts. */
  readonly #isInherited: readonly boolean[]
  /** Assigning to `__proto__` would replace the prototype instead of making a property. */
  readonly #hasProtoColumn: boolean
  readonly #isDeclaredOrder: boolean
  readonly #reader = new RecordReader()

  constructor(definition: StoreDefinition) {
    this.definition = definition
    this.#store = definition.name
    this.#columns = definition.columns
    this.#isPlain = definition.columns.map(({ check, affinity }) => check !== 'json' && affinity !== 'real')
    this.#isInherited = definition.columns.map(({ name }) => name in Object.prototype)
    this.#hasProtoColumn = definition.columns.some(({ name }) => name === '__proto__')
    this.#isDeclaredOrder = definition.storedColumns.every((column, place) => column === place)
  }

  encodeRow(row: Row): EncodedRow {
    const given = this.#asObject(row)
    const { storedColumns, rowidColumn } = this.definition
    const values: SqlValue[] = []
    let rowid: Rowid | null = null
    let givenCount = 0
    for (let place = 0; place < storedColumns.length; place++) {
      const index = storedColumns[place]!
      const value = this.#property(given, index)
      if (value !== undefined) givenCount++
      if (index !== rowidColumn) {
        values.push(value === undefined ? this.#default(index) : encodeValue(this.#store, this.#columns[index]!, value))
        continue
      }
      // The record of a rowid table has NULL in the place of the rowid's alias.
      if (value !== undefined && value !== null) rowid = this.#encodeRowid(value)
      values.push(null)
    }
    this.#checkNames(given, givenCount)
    return { rowid, record: checkRecordSize(this.#store, encodeRecord(values)) }
  }

  /** @throws ENDMARK_INVALID_ARGUMENT also for a change of the key, which would be another row */
  encodeChanges(changes: Partial<Row>): EncodedChanges {
    const given = this.#asObject(changes)
    const { storedColumns, keyColumns } = this.definition
    const places: number[] = []
    const values: SqlValue[] = []
    for (let place = 0; place < storedColumns.length; place++) {
      const index = storedColumns[place]!
      const value = this.#property(given, index)
      if (value === undefined) continue
      if (keyColumns.includes(index)) {
        throw invalidArgument(`${this.#describe(index)} is part of the key: delete the row and put it again`)
      }
      places.push(place)
      values.push(encodeValue(this.#store, this.#columns[index]!, value))
    }
    this.#checkNames(given, places.length)
    return { places, record: checkRecordSize(this.#store, encodeRecord(values)) }
  }

  /** The key in an encoded row of a WITHOUT ROWID table. */
  keyOfRecord(record: Uint8Array): Key {
    const { keyColumns } = this.definition
    const reader = this.#reader.reset(record, 0, record.length)
    const values = keyColumns.map((index) => decodeValue(this.#store, this.#columns[index]!, reader.next() ?? null))
    return (values.length === 1 ? values[0] : values) as Key
  }

  rowidOf(key: Key): Rowid {
    return this.#encodeRowid(key)
  }

  keyValues(key: Key): SqlValue[] {
    const { keyColumns } = this.definition
    if (keyColumns.length === 1) return [this.#encodeKeyPart(0, key)]
    const parts = this.#asArray(key)
    if (parts.length !== keyColumns.length) throw this.#wrongKey(`an array of ${keyColumns.length}`, key)
    return parts.map((part, i) => this.#encodeKeyPart(i, part))
  }

  setKey(into: SearchKey, key: Key): void {
    if (this.definition.keyColumns.length === 1) into.setValue(this.#encodeKeyPart(0, key))
    else into.set(this.keyValues(key))
  }

  boundValues(bound: unknown): SqlValue[] {
    const { keyColumns } = this.definition
    if (keyColumns.length === 1) return [this.#encodeKeyPart(0, bound)]
    const parts = this.#asArray(bound)
    if (parts.length > keyColumns.length) throw this.#wrongKey(`an array of up to ${keyColumns.length}`, bound)
    return parts.map((part, i) => this.#encodeKeyPart(i, part))
  }

  setBound(into: SearchKey, bound: unknown): void {
    into.set(this.boundValues(bound))
  }

  decodeValue({ bytes, start, length, isOwned }: Payload, rowid: Rowid): Row {
    const reader = this.#reader.reset(bytes, start, length, isOwned)
    if (this.#hasProtoColumn || !this.#isDeclaredOrder) return this.#decodeReordered(reader, rowid)
    const columns = this.#columns
    const { rowidColumn } = this.definition
    const row: AnyRow = {}
    for (let i = 0; i < columns.length; i++) {
      const stored = reader.next()
      row[columns[i]!.name] = i === rowidColumn ? rowid : this.#decodeColumn(i, stored)
    }
    return row as Row
  }

  decodeEntry(payload: Payload, rowid: Rowid): Row {
    return this.decodeValue(payload, rowid)
  }

  #decodeReordered(reader: RecordReader, rowid: Rowid): Row {
    const { storedColumns, rowidColumn } = this.definition
    const values: unknown[] = []
    for (let i = 0; i < storedColumns.length; i++) values.push(null)
    for (let place = 0; place < storedColumns.length; place++) {
      const index = storedColumns[place]!
      const stored = reader.next()
      values[index] = index === rowidColumn ? rowid : this.#decodeColumn(index, stored)
    }
    const row: AnyRow = {}
    const attributes = { enumerable: true, configurable: true, writable: true }
    for (let i = 0; i < values.length; i++) {
      Object.defineProperty(row, this.#columns[i]!.name, { value: values[i], ...attributes })
    }
    return row as Row
  }

  /** Rows from before an ALTER TABLE ADD COLUMN lack the columns added: they read as the default. */
  #decodeColumn(index: number, stored: SqlValue | undefined): unknown {
    if (stored !== undefined && this.#isPlain[index]!) return stored
    const column = this.#columns[index]!
    return decodeValue(this.#store, column, stored === undefined ? missingValue(column) : stored)
  }

  #property(row: AnyRow, index: number): unknown {
    const { name } = this.#columns[index]!
    return this.#isInherited[index]! && !Object.hasOwn(row, name) ? undefined : row[name]
  }

  #default(index: number): SqlValue {
    return defaultOf(this.#store, this.#columns[index]!)
  }

  #asObject(row: unknown): AnyRow {
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as AnyRow
    throw invalidArgument(`store ${JSON.stringify(this.#store)}: expected a row, got ${preview(row)}`)
  }

  /** A property that is no column is a mistake; found out only if there are more properties than columns were given. */
  #checkNames(row: AnyRow, givenCount: number): void {
    const names = Object.keys(row)
    if (names.length === givenCount) return
    for (const name of names) {
      if (row[name] === undefined || this.#columns.some((column) => column.name === name)) continue
      throw invalidArgument(`store ${JSON.stringify(this.#store)} has no column ${JSON.stringify(name)}`)
    }
  }

  #encodeRowid(value: unknown): Rowid {
    if (Number.isSafeInteger(value)) return (value as number) + 0
    if (typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX) return normalizeInteger(value)
    throw this.#wrongKey('an integer', value)
  }

  #encodeKeyPart(part: number, value: unknown): SqlValue {
    const column = this.#columns[this.definition.keyColumns[part]!]!
    if (value === null || value === undefined) throw this.#wrongKey(`a value for ${JSON.stringify(column.name)}`, value)
    return encodeValue(this.#store, column, value)
  }

  #asArray(key: unknown): readonly unknown[] {
    if (Array.isArray(key)) return key
    throw this.#wrongKey('an array', key)
  }

  #wrongKey(expected: string, given: unknown): EndmarkError {
    return invalidArgument(`key of store ${JSON.stringify(this.#store)}: expected ${expected}, got ${preview(given)}`)
  }

  #describe(index: number): string {
    return `store ${JSON.stringify(this.#store)}, column ${JSON.stringify(this.#columns[index]!.name)}`
  }
}

function missingValue({ defaultValue }: Column): SqlValue {
  return defaultValue instanceof Uint8Array ? defaultValue.slice() : (defaultValue ?? null)
}
