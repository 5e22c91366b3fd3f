/**
 * Keys and values of an ordered map as records: a WITHOUT ROWID table of two columns, whose record is the key followed
 * by the value.
 */

import { preview } from '../arguments.js'
import { assert } from '../assert.js'
import { type Payload, type RecordRun, type Rowid, RUN_RECORD_SIZE_MAX } from '../btree/index.js'
import { invalidArgument, unsupported } from '../errors.js'
import {
  encodeRecord,
  measureRecord,
  pairSize,
  putMeasuredRecord,
  putPair,
  RecordReader,
  type SearchKey,
  type SqlValue,
} from '../format/index.js'
import type { StoreCodec } from './codec.js'
import { type Column, decodeValue, encodeValue } from './columns.js'
import type { StoreDefinition } from './definition.js'
import { checkRecordSize } from './record-size.js'

export class MapCodec<K, V> implements StoreCodec<K, V, [K, V]> {
  readonly definition: StoreDefinition
  readonly #store: string
  readonly #key: Column
  readonly #value: Column
  readonly #reader = new RecordReader()

  /** @throws ENDMARK_UNSUPPORTED if the store is no table of a key and a value */
  constructor(definition: StoreDefinition) {
    const { name, columns, keyColumns, storedColumns, treeKind } = definition
    if (treeKind !== 'index' || columns.length !== 2 || keyColumns.length !== 1) {
      throw unsupported(`store ${JSON.stringify(name)} is not a map: it is ${definition.sql}`)
    }
    this.definition = definition
    this.#store = name
    this.#key = columns[storedColumns[0]!]!
    this.#value = columns[storedColumns[1]!]!
  }

  encode(key: K, value: V): Uint8Array {
    this.assertThere(value)
    return this.recordOf(this.storedKey(key), this.storedValue(value))
  }

  /** @throws ENDMARK_INVALID_ARGUMENT if there is no value */
  assertThere(value: V): void {
    if (value === undefined) throw invalidArgument(`store ${JSON.stringify(this.#store)}: a value is missing`)
  }

  storedKey(key: K): SqlValue {
    return this.#encodeKey(key)
  }

  storedValue(value: V): SqlValue {
    return encodeValue(this.#store, this.#value, value)
  }

  recordOf(key: SqlValue, value: SqlValue): Uint8Array {
    return checkRecordSize(this.#store, encodeRecord([key, value]))
  }

  /**
   * Writes the record of a stored key and value straight into a run.
   * @returns false, with nothing put in, if the run does not take it
   */
  putInto(run: RecordRun, key: SqlValue, value: SqlValue): boolean {
    if (typeof key === 'string' && value instanceof Uint8Array && putTextAndBlob(run, key, value)) return true
    const pair = [key, value]
    const length = measureRecord(pair)
    if (length > RUN_RECORD_SIZE_MAX) return false
    run.begin(length)
    putMeasuredRecord(run.bytes, run.recordStart, pair)
    return run.end()
  }

  rowidOf(): Rowid {
    assert(false, 'a map has no rowids')
  }

  keyValues(key: K): SqlValue[] {
    return [this.#encodeKey(key)]
  }

  keyOfRecord(record: Uint8Array): K {
    return decodeValue(this.#store, this.#key, this.#reader.reset(record, 0, record.length).next() ?? null) as K
  }

  setKey(into: SearchKey, key: K): void {
    into.setValue(this.#encodeKey(key))
  }

  boundValues(bound: unknown): SqlValue[] {
    return [this.#encodeKey(bound)]
  }

  setBound(into: SearchKey, bound: unknown): void {
    into.setValue(this.#encodeKey(bound))
  }

  decodeKey({ bytes, start, length, isOwned }: Payload): K {
    return this.#keyOf(this.#reader.columnOf(bytes, start, length, 0, isOwned))
  }

  decodeValue({ bytes, start, length, isOwned }: Payload): V {
    return this.#valueOf(this.#reader.columnOf(bytes, start, length, 1, isOwned))
  }

  decodeEntry({ bytes, start, length, isOwned }: Payload): [K, V] {
    const reader = this.#reader.reset(bytes, start, length, isOwned)
    return [this.#keyOf(reader.next()), this.#valueOf(reader.next())]
  }

  #keyOf(stored: SqlValue | undefined): K {
    return decodeValue(this.#store, this.#key, stored ?? null) as K
  }

  #valueOf(stored: SqlValue | undefined): V {
    return decodeValue(this.#store, this.#value, stored ?? this.#value.defaultValue ?? null) as V
  }

  #encodeKey(key: unknown): SqlValue {
    if (key === null || key === undefined) {
      throw invalidArgument(`store ${JSON.stringify(this.#store)}: ${preview(key)} cannot be a key`)
    }
    return encodeValue(this.#store, this.#key, key)
  }
}

/** Lowest bit of the serial types of texts. */
const TEXT_PARITY = 1

/** The most common pair, in one pass. @returns false, with nothing put in, if this one takes the longer way */
function putTextAndBlob(run: RecordRun, key: string, value: Uint8Array): boolean {
  const length = pairSize(key, value)
  if (length > RUN_RECORD_SIZE_MAX) return false
  run.begin(length)
  const keyStart = putPair(run.bytes, run.recordStart, key, value)
  return keyStart >= 0 && run.endAt(keyStart, key.length, TEXT_PARITY)
}
