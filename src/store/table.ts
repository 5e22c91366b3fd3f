/**
 * `db.table`: typed rows under a primary key. A table with one integer key column is a rowid table; with any other key,
 * also a composite one, it is WITHOUT ROWID. Tables that other programs created are opened the same way.
 */
import { unsupported } from '../errors.js'
import type { StoreDefinition } from './definition.js'
import type { CommitOptions } from './host.js'
import type { PutOperation, UpdateOperation } from './operation.js'
import type { RangeOptions } from './range.js'
import { RowCodec } from './row-codec.js'
import type { Schema } from './schema.js'
import { Store } from './store.js'

/** A bound of a range: a key, or the first parts of a composite one. */
export type KeyBound<Key> = Key extends readonly unknown[] ? Key | readonly Key[number][] : Key

/** Keys a row of a table can have: one value, or an array for a composite key. */
export type TableKey = number | bigint | string | Uint8Array | readonly (number | bigint | string | Uint8Array)[]

/**
 * A table of rows. Reads are synchronous and see the newest committed state, of whatever process; writes resolve when
 * they are committed.
 *
 * A row is an object with one property per column. SQL NULL is null. Integers beyond 2^53 - 1 are `bigint`, in both
 * directions; blobs come out as fresh `Uint8Array` copies, `json` columns as fresh objects. A property that is missing
 * or undefined means the column's default. A string with half a surrogate pair is stored with U+FFFD in its place.
 *
 * The key of a composite primary key is an array of its values. A rowid table whose rowid no column shows is keyed by
 * the rowid: `put` then always adds a row.
 */
export class Table<Row extends object = Record<string, unknown>, Key = TableKey> extends Store<
  Key,
  Row,
  Row,
  KeyBound<Key>,
  RowCodec<Row, Key>
> {
  protected override createCodec(definition: StoreDefinition): RowCodec<Row, Key> {
    return new RowCodec<Row, Key>(definition)
  }

  /**
   * The rows of a range of keys, in key order. The state is that of the moment of the call and stays pinned until the
   * iteration ends: by itself, by leaving the loop, or by an error. A pinned state holds back the truncation of the log.
   * @throws ENDMARK_INVALID_ARGUMENT for unknown options or bounds of the wrong type
   */
  range(options: RangeOptions<KeyBound<Key>> = {}): IterableIterator<Row> {
    return this.pinnedRange(options, (codec) => (payload, rowid) => codec.decodeValue(payload, rowid))
  }

  /**
   * Stores the row, in place of one with the same key. An integer primary key may be left out: the row then gets the
   * number after the largest. The row is encoded before the call returns.
   * @returns the key of the row, once the commit is as durable as `options.synchronous` asks
   * @throws (rejects) ENDMARK_INVALID_ARGUMENT for a value of the wrong type or a property that is no column;
   *   ENDMARK_CONSTRAINT for null in a NOT NULL column; ENDMARK_UNSUPPORTED if the table must not be written;
   *   ENDMARK_READONLY; ENDMARK_BUSY; ENDMARK_WAL_FULL; ENDMARK_IO
   */
  put(row: Row, options?: CommitOptions): Promise<Key> {
    return this.#submit('put', row, options)
  }

  /**
   * Stores a row whose key must be new; otherwise as `put`.
   * @throws (rejects) ENDMARK_CONSTRAINT if there is a row with this key
   */
  insert(row: Row, options?: CommitOptions): Promise<Key> {
    return this.#submit('insert', row, options)
  }

  /**
   * Changes some columns of the row with this key; columns not named stay as they are at the moment of the commit.
   * @returns false if there is no such row
   * @throws (rejects) ENDMARK_INVALID_ARGUMENT for a change of a key column, and as `put`
   */
  async update(key: Key, changes: Partial<Row>, options?: CommitOptions): Promise<boolean> {
    const [result] = await this.host.submit([this.updateOperation(this.currentSchema(), key, changes)], options)
    return result!.existed
  }

  /** @throws ENDMARK_UNSUPPORTED: access by secondary indexes is not built yet */
  index(name: string): never {
    throw unsupported(`store ${JSON.stringify(this.name)}: access by the index ${JSON.stringify(name)}`)
  }

  putOperation(schema: Schema, row: Row): PutOperation {
    return this.#writeOperation('put', schema, row)
  }

  insertOperation(schema: Schema, row: Row): PutOperation {
    return this.#writeOperation('insert', schema, row)
  }

  updateOperation(schema: Schema, key: Key, changes: Partial<Row>): UpdateOperation {
    const codec = this.writableCodecIn(schema)
    const { places, record } = codec.encodeChanges(changes)
    const place = this.entryPlace(codec, key)
    const layout = codec.definition.layoutDigest
    return { type: 'update', store: this.name, layout, rowid: place.rowid, key: place.key, places, record }
  }

  /** The key of the row that a put or insert has written, by the rowid in its result. */
  keyOfResult(schema: Schema, operation: PutOperation, rowid: number | bigint | null): Key {
    const codec = this.codecIn(schema)
    return codec.definition.treeKind === 'table' ? (rowid as Key) : codec.keyOfRecord(operation.record)
  }

  /** Whether the key of the row is known only once the operation is applied. */
  #isKeyAssigned(schema: Schema, operation: PutOperation): boolean {
    return operation.rowid === null && this.codecIn(schema).definition.treeKind === 'table'
  }

  async #submit(type: 'put' | 'insert', row: Row, options: CommitOptions | undefined): Promise<Key> {
    const schema = this.currentSchema()
    const operation = this.#writeOperation(type, schema, row)
    if (!this.#isKeyAssigned(schema, operation)) {
      await this.host.write([operation], options)
      return this.keyOfResult(schema, operation, operation.rowid)
    }
    const [result] = await this.host.submit([operation], options)
    return this.keyOfResult(schema, operation, result!.rowid)
  }

  #writeOperation(type: 'put' | 'insert', schema: Schema, row: Row): PutOperation {
    const codec = this.writableCodecIn(schema)
    const { rowid, record } = codec.encodeRow(row)
    return { type, store: this.name, layout: codec.definition.layoutDigest, rowid, record }
  }
}
