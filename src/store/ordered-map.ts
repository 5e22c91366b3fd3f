/**
 * `db.map`: one value under each key, in the order of the keys. In the file it is a WITHOUT ROWID table of two columns,
 * which SQL can read and write like every other.
 */

import { preview } from '../arguments.js'
import type { RecordRun } from '../btree/index.js'
import { invalidArgument } from '../errors.js'
import type { SqlValue } from '../format/index.js'
import type { StoreDefinition } from './definition.js'
import type { CommitOptions } from './host.js'
import { sortByKey } from './key-sort.js'
import { MapCodec } from './map-codec.js'
import type { DeleteOperation, PutOperation } from './operation.js'
import { promised } from './promised.js'
import type { RangeOptions } from './range.js'
import type { Schema } from './schema.js'
import { Store } from './store.js'

/** One change of `OrderedMap.batch`. */
export type MapChange<K, V> =
  | { readonly type: 'put'; readonly key: K; readonly value: V }
  | { readonly type: 'delete'; readonly key: K }

/** Where puts that wait are kept. */
export interface RunSource {
  /** The run for puts with this key; null if none takes them. */
  runOf<K, V>(map: OrderedMap<K, V>, schema: Schema, key: SqlValue): RecordRun | null
  /** A record has been put into this run. */
  added(run: RecordRun): void
}

/**
 * An ordered map from keys to values. Reads are synchronous and see the newest committed state, of whatever process;
 * writes resolve when they are committed.
 *
 * Keys are ordered as SQLite orders them: numbers by value, then text by its UTF-8 bytes, then blobs by their bytes.
 * Integers beyond 2^53 - 1 are `bigint`, in both directions. Blobs come out as fresh `Uint8Array` copies, JSON as
 * fresh objects. A string with half a surrogate pair is stored with U+FFFD in its place.
 */
export class OrderedMap<K, V> extends Store<K, V, [K, V], K, MapCodec<K, V>> {
  protected override createCodec(definition: StoreDefinition): MapCodec<K, V> {
    return new MapCodec<K, V>(definition)
  }

  /**
   * The pairs of a range, in order. The state is that of the moment of the call and stays pinned until the iteration
   * ends: by itself, by leaving the loop, or by an error. A pinned state holds back the truncation of the log.
   * @throws ENDMARK_INVALID_ARGUMENT for unknown options or bounds of the wrong type
   */
  entries(range: RangeOptions<K> = {}): IterableIterator<[K, V]> {
    return this.pinnedRange(range, (codec) => (payload) => codec.decodeEntry(payload))
  }

  /** The keys of a range, in order; values are not decoded. See `entries`. */
  keys(range: RangeOptions<K> = {}): IterableIterator<K> {
    return this.pinnedRange(range, (codec) => (payload) => codec.decodeKey(payload))
  }

  /** The values of a range, in the order of their keys. See `entries`. */
  values(range: RangeOptions<K> = {}): IterableIterator<V> {
    return this.pinnedRange(range, (codec) => (payload) => codec.decodeValue(payload))
  }

  /**
   * Stores the value under the key, in place of one that is there. Both are encoded before the call returns: changing
   * them later changes nothing.
   * @returns a promise that resolves once the commit is as durable as `options.synchronous` asks
   * @throws (rejects) ENDMARK_INVALID_ARGUMENT for a key or value of the wrong type; ENDMARK_UNSUPPORTED if the store
   *   must not be written; ENDMARK_READONLY; ENDMARK_BUSY; ENDMARK_WAL_FULL; ENDMARK_IO
   */
  put(key: K, value: V, options?: CommitOptions): Promise<void> {
    return promised(() => this.host.write([this.putOperation(this.currentSchema(), key, value)], options))
  }

  /**
   * Commits all changes at once, or none of them. Changes of one key take effect in order.
   * @throws (rejects) as `put` does; a change that is neither put nor delete is an ENDMARK_INVALID_ARGUMENT
   */
  async batch(changes: readonly MapChange<K, V>[], options?: CommitOptions): Promise<void> {
    if (!Array.isArray(changes)) throw invalidArgument(`batch: expected an array of changes, got ${preview(changes)}`)
    const schema = this.currentSchema()
    const operations = changes.map((change) => this.#operationOf(schema, change))
    if (operations.length === 0) return
    const { keyOrder } = this.writableCodecIn(schema).definition
    const isSortable = keyOrder[0]!.collation === 'binary' && !keyOrder[0]!.descending
    await this.host.write(isSortable ? sortByKey(operations) : operations, options)
  }

  putOperation(schema: Schema, key: K, value: V): PutOperation {
    const codec = this.writableCodecIn(schema)
    const { layoutDigest } = codec.definition
    return { type: 'put', store: this.name, layout: layoutDigest, rowid: null, record: codec.encode(key, value) }
  }

  /**
   * The same, put into a run of records.
   * @returns null, or the operation if no run takes it
   */
  putInto(runs: RunSource, schema: Schema, key: K, value: V): PutOperation | null {
    const codec = this.writableCodecIn(schema)
    const { layoutDigest } = codec.definition
    codec.assertThere(value)
    const stored = codec.storedKey(key)
    const content = codec.storedValue(value)
    // Not before: encoding may call code of the value, and that may do anything with these runs.
    const run = runs.runOf(this, schema, stored)
    if (run !== null && codec.putInto(run, stored, content)) {
      runs.added(run)
      return null
    }
    const record = codec.recordOf(stored, content)
    return { type: 'put', store: this.name, layout: layoutDigest, rowid: null, record }
  }

  /** @throws ENDMARK_NOT_FOUND, ENDMARK_UNSUPPORTED if there is no such map, or if it must not be written */
  writableDefinition(schema: Schema): StoreDefinition {
    return this.writableCodecIn(schema).definition
  }

  #operationOf(schema: Schema, change: MapChange<K, V>): PutOperation | DeleteOperation {
    const type = change?.type
    if (type === 'put') return this.putOperation(schema, change.key, change.value)
    if (type === 'delete') return this.deleteOperation(schema, change.key)
    throw invalidArgument(
      `store ${JSON.stringify(this.name)}: a change of type ${preview(type)}, possible are put and delete`,
    )
  }
}
