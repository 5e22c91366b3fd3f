/**
 * What maps and tables have in common: reading by key and by range, deleting by key.
 *
 * Every read exists twice. The public method works on the newest committed state, which the host gives; the method
 * that ends in `From` takes the pages of a snapshot or a write transaction, and the schema of those pages.
 *
 * A handle is bound to a name, not to a tree: with each schema it looks its store up again, so that it goes on after
 * SQLite has moved the table (VACUUM) or added a column, and says ENDMARK_NOT_FOUND after it was dropped.
 */

import { preview } from '../arguments.js'
import {
  countEntries,
  cutIndex,
  cutTable,
  findRecord,
  findRow,
  keepReadAhead,
  Payload,
  type Rowid,
  readAheadByHint,
} from '../btree/index.js'
import { EndmarkError, invalidArgument } from '../errors.js'
import { encodeRecord, SearchKey } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import type { StoreCodec } from './codec.js'
import { assertReadable, assertWritable } from './constraints.js'
import { cutRange } from './cut-range.js'
import { locateDamage } from './damage.js'
import type { StoreDefinition } from './definition.js'
import type { CommitOptions, StoreHost } from './host.js'
import type { DeleteOperation } from './operation.js'
import {
  type Bounds,
  type DecodeEntry,
  type EntryRange,
  type RangeOptions,
  type RangeSource,
  RecordRange,
  RowRange,
  resolveBounds,
} from './range.js'
import type { EntryPlace, PlainBounds, ReadLog } from './read-log.js'
import type { Schema } from './schema.js'

/** Keys of `getMany` that are read ahead together; a core waits for no more lines at once. */
const READ_AHEAD_MAX = 32

export abstract class Store<
  Key,
  Value,
  Entry,
  Bound = Key,
  Codec extends StoreCodec<Key, Value, Entry> = StoreCodec<Key, Value, Entry>,
> {
  /** Name of the table in the file. */
  readonly name: string
  protected readonly host: StoreHost
  readonly #payload = new Payload()
  #schema: Schema | null = null
  /** A state whose schema is `#schema`. */
  #pages: PageReader | null = null
  #codec: Codec | null = null
  #searchKey = new SearchKey([])
  /** Of the keys of `getMany`. */
  #searchKeys: SearchKey[] = []

  constructor(host: StoreHost, name: string) {
    this.host = host
    this.name = name
  }

  protected abstract createCodec(definition: StoreDefinition): Codec

  /**
   * The value stored under the key in the newest committed state, or undefined.
   * @throws ENDMARK_INVALID_ARGUMENT for a key of the wrong type; ENDMARK_NOT_FOUND if the store has been dropped;
   *   ENDMARK_UNSUPPORTED if it has been made anew as one that cannot be read; ENDMARK_CORRUPT; ENDMARK_CLOSED; ENDMARK_IO;
   *   ENDMARK_BUSY if no state could be read within `timeout`, for which this blocks
   */
  get(key: Key): Value | undefined {
    const pages = this.host.pages()
    return this.#getWith(pages, pages === this.#pages ? this.#codec! : this.#turnTo(pages), key)
  }

  /**
   * The values stored under these keys, all from one state, in the order of the keys; undefined where there is none.
   * @throws as `get`
   */
  getMany(keys: readonly Key[]): (Value | undefined)[] {
    const pages = this.host.pages()
    return this.getManyFrom(pages, this.host.schema(pages), keys)
  }

  /**
   * Whether there is an entry with this key in the newest committed state.
   * @throws as `get`
   */
  has(key: Key): boolean {
    const pages = this.host.pages()
    return this.hasFrom(pages, this.host.schema(pages), key)
  }

  /**
   * How many entries there are in the newest committed state, or in a range of it. Without a range, counted from the
   * pages of the tree, without reading entries; with one, by walking over it.
   * @throws ENDMARK_INVALID_ARGUMENT for unknown options or bounds of the wrong type; otherwise as `get`
   */
  count(range?: RangeOptions<Bound>): number {
    const pages = this.host.pages()
    return this.countFrom(pages, this.host.schema(pages), range)
  }

  /**
   * Deletes the entry with this key.
   * @returns whether there was one, once the commit is durable as `options.synchronous` asks
   * @throws (rejects) ENDMARK_UNSUPPORTED if the store must not be written; ENDMARK_READONLY; ENDMARK_BUSY if no lock came free
   *   within `timeout`; ENDMARK_WAL_FULL; an AbortError; otherwise as `get`
   */
  async delete(key: Key, options?: CommitOptions): Promise<boolean> {
    const [result] = await this.host.submit([this.deleteOperation(this.currentSchema(), key)], options)
    return result!.existed
  }

  /** @throws ENDMARK_INVALID_ARGUMENT unless this handle belongs to the Database with this host; see `assertStore` */
  assertOf(host: StoreHost): void {
    if ((this.host.snapshotOf ?? this.host) !== host)
      throw invalidArgument(`store ${JSON.stringify(this.name)} is a handle of another Database`)
  }

  /** Looks the store up in this schema now, so that one that does not fit is refused when the handle is made. */
  assertUsable(schema: Schema): void {
    this.codecIn(schema)
  }

  /** @param log is told of the read */
  getFrom(pages: PageReader, schema: Schema, key: Key, log: ReadLog | null = null): Value | undefined {
    const codec = this.codecIn(schema)
    return log === null ? this.#getWith(pages, codec, key) : this.#getLogged(pages, codec, key, log)
  }

  #getWith(pages: PageReader, codec: Codec, key: Key): Value | undefined {
    const payload = this.#payload
    if (codec.definition.treeKind === 'table') {
      const rowid = codec.rowidOf(key)
      if (!findRow(pages, codec.definition.root, rowid, payload)) return undefined
      return this.#decode(pages, codec, rowid)
    }
    codec.setKey(this.#searchKey, key)
    if (!findRecord(pages, codec.definition.root, this.#searchKey, payload)) return undefined
    return this.#decode(pages, codec, 0)
  }

  hasFrom(pages: PageReader, schema: Schema, key: Key, log: ReadLog | null = null): boolean {
    const codec = this.codecIn(schema)
    const found = this.#find(pages, codec, key)
    if (log !== null) log.asked(this.name, codec.definition.layoutDigest, this.entryPlace(codec, key), found)
    return found
  }

  getManyFrom(
    pages: PageReader,
    schema: Schema,
    keys: readonly Key[],
    log: ReadLog | null = null,
  ): (Value | undefined)[] {
    if (!Array.isArray(keys)) throw invalidArgument(`getMany: expected an array of keys, got ${preview(keys)}`)
    const values: (Value | undefined)[] = []
    const codec = this.codecIn(schema)
    if (log !== null || codec.definition.treeKind === 'table') {
      for (let i = 0; i < keys.length; i++) values.push(this.getFrom(pages, schema, keys[i]!, log))
      return values
    }
    for (let from = 0; from < keys.length; from += READ_AHEAD_MAX) this.#getChunk(pages, codec, keys, from, values)
    return values
  }

  /** @param observers `holder` decides how long the iteration may go on, `log` is told of it */
  rangeFrom(
    pages: PageReader,
    schema: Schema,
    options: RangeOptions<Bound> = {},
    { holder, log }: Pick<RangeSource, 'holder'> & { readonly log: ReadLog | null } = UNOBSERVED,
  ): EntryRange<Entry> {
    return this.rangeOf(
      pages,
      schema,
      options,
      { release: null, holder, log },
      (codec) => (payload, rowid) => codec.decodeEntry(payload, rowid),
    )
  }

  countFrom(pages: PageReader, schema: Schema, options?: RangeOptions<Bound>, log: ReadLog | null = null): number {
    if (options !== undefined) return this.rangeFrom(pages, schema, options, { holder: null, log }).count()
    const { root, treeKind, layoutDigest } = this.codecIn(schema).definition
    const count = countEntries(pages, root, treeKind)
    if (log !== null) log.counted(this.name, layoutDigest, count)
    return count
  }

  /**
   * The range in parts of about the same size, in its own order: all of them together are that range. Found by the interior
   * pages of the tree alone.
   * @param parts at most so many; fewer where the tree is small, and one for a range with a limit
   */
  cutFrom(pages: PageReader, schema: Schema, options: RangeOptions<Bound>, parts: number): RangeOptions<Bound>[] {
    const codec = this.codecIn(schema)
    const { definition } = codec
    try {
      if (definition.treeKind === 'index') {
        const range = keyBounds(codec, options)
        if (range.limit !== Infinity) return [options]
        const records = cutIndex(pages, definition.root, range, parts)
        return cutRange(
          options,
          records
            .map((record) => this.#keyAt(codec, record))
            .filter(isThere)
            .map(boundOfKey<Bound>),
        )
      }
      const range = resolveBounds(options, (bound) => codec.rowidOf(keyOfBound<Key>(bound)))
      if (range.limit !== Infinity) return [options]
      return cutRange(options, cutTable(pages, definition.root, range, parts).map(boundOfKey<Bound>))
    } catch (error) {
      throw locateDamage(pages, definition, error)
    }
  }

  /**
   * The key of a record if it means the same when it is given as a bound: text that is not UTF-8 or a value of another type than
   * the column's, as SQLite may have stored them, do not.
   */
  #keyAt(codec: Codec, record: Uint8Array): Key | undefined {
    try {
      const key = codec.keyOfRecord(record)
      codec.setKey(this.#searchKey, key)
      return this.#searchKey.compareRecord(record, 0, record.length) === 0 ? key : undefined
    } catch (error) {
      if (error instanceof EndmarkError && error.code === 'ENDMARK_INVALID_ARGUMENT') return undefined
      throw error
    }
  }

  deleteOperation(schema: Schema, key: Key): DeleteOperation {
    const codec = this.writableCodecIn(schema)
    const { layoutDigest } = codec.definition
    const place = this.entryPlace(codec, key)
    return { type: 'delete', store: this.name, layout: layoutDigest, rowid: place.rowid, key: place.key }
  }

  /** How an operation names an existing entry. */
  protected entryPlace(codec: Codec, key: Key): EntryPlace {
    if (codec.definition.treeKind === 'table') return { rowid: codec.rowidOf(key), key: null }
    return { rowid: null, key: encodeRecord(codec.keyValues(key)) }
  }

  /** The codec for another state, kept for as long as reads come to that. */
  #turnTo(pages: PageReader): Codec {
    const codec = this.codecIn(this.host.schema(pages))
    this.#pages = pages
    return codec
  }

  protected currentSchema(): Schema {
    return this.host.newestSchema()
  }

  protected codecIn(schema: Schema): Codec {
    return schema === this.#schema ? this.#codec! : this.#adopt(schema)
  }

  protected writableCodecIn(schema: Schema): Codec {
    const codec = this.codecIn(schema)
    assertWritable(codec.definition)
    return codec
  }

  /** Iterates over the newest committed state, which stays pinned until the iteration ends. */
  protected pinnedRange<Result>(
    options: RangeOptions<Bound>,
    decoder: (codec: Codec) => DecodeEntry<Result>,
  ): EntryRange<Result> {
    const pinned = this.host.pin()
    const release = (): void => pinned.release()
    let schema: Schema
    try {
      schema = this.host.schema(pinned.pages)
    } catch (error) {
      release()
      throw error
    }
    return this.rangeOf(pinned.pages, schema, options, { release, holder: pinned, log: null }, decoder)
  }

  protected rangeOf<Result>(
    pages: PageReader,
    schema: Schema,
    options: RangeOptions<Bound>,
    { release, holder, log }: Pick<RangeSource, 'release' | 'holder'> & { readonly log: ReadLog | null },
    decoder: (codec: Codec) => DecodeEntry<Result>,
  ): EntryRange<Result> {
    try {
      const codec = this.codecIn(schema)
      const { definition } = codec
      const bounds =
        definition.treeKind === 'index'
          ? keyBounds(codec, options)
          : resolveBounds(options, (bound) => codec.rowidOf(keyOfBound<Key>(bound)))
      const rangeLog = log?.rangeBegan(this.name, definition.layoutDigest, plainBounds(codec, options)) ?? null
      const source = { pages, definition, release, holder, log: rangeLog }
      if (definition.treeKind === 'index') return new RecordRange(source, bounds as Bounds<SearchKey>, decoder(codec))
      return new RowRange(source, bounds as Bounds<Rowid>, decoder(codec))
    } catch (error) {
      release?.()
      throw error
    }
  }

  /** Reads ahead for some keys, then looks them up. */
  #getChunk(pages: PageReader, codec: Codec, keys: readonly Key[], from: number, values: (Value | undefined)[]): void {
    const { root, keyOrder } = codec.definition
    const count = Math.min(keys.length - from, READ_AHEAD_MAX)
    const searchKeys = this.#searchKeys
    while (searchKeys.length < count) searchKeys.push(new SearchKey(keyOrder))
    // The keys themselves may be anywhere in memory, too.
    let sum = 0
    for (let i = 0; i < count; i++) {
      const key: unknown = keys[from + i]
      if (typeof key === 'string') sum ^= key.charCodeAt(0)
    }
    keepReadAhead(sum)
    for (let i = 0; i < count; i++) codec.setKey(searchKeys[i]!, keys[from + i]!)
    readAheadByHint(pages, root, searchKeys, count)
    for (let i = 0; i < count; i++) {
      const isThere = findRecord(pages, root, searchKeys[i]!, this.#payload)
      values.push(isThere ? this.#decode(pages, codec, 0) : undefined)
    }
  }

  #getLogged(pages: PageReader, codec: Codec, key: Key, log: ReadLog): Value | undefined {
    const found = this.#find(pages, codec, key)
    const place = this.entryPlace(codec, key)
    log.got(this.name, codec.definition.layoutDigest, place, found ? this.#payload : null)
    return found ? this.#decode(pages, codec, place.rowid ?? 0) : undefined
  }

  #find(pages: PageReader, codec: Codec, key: Key): boolean {
    const { root, treeKind } = codec.definition
    if (treeKind === 'table') return findRow(pages, root, codec.rowidOf(key), this.#payload)
    codec.setKey(this.#searchKey, key)
    return findRecord(pages, root, this.#searchKey, this.#payload)
  }

  #decode(pages: PageReader, codec: Codec, rowid: Rowid): Value {
    try {
      return codec.decodeValue(this.#payload, rowid)
    } catch (error) {
      throw locateDamage(pages, codec.definition, error)
    }
  }

  #adopt(schema: Schema): Codec {
    this.#pages = null
    const definition = schema.require(this.name)
    assertReadable(definition)
    const codec = this.createCodec(definition)
    this.#codec = codec
    this.#searchKey = new SearchKey(definition.keyOrder)
    this.#searchKeys = []
    // Last, so that a store that does not fit is looked at again with the next call.
    this.#schema = schema
    return codec
  }
}

/** @throws ENDMARK_INVALID_ARGUMENT unless it is a handle of the Database with this host */
export function assertStore(store: unknown, host: StoreHost): asserts store is Store<unknown, unknown, unknown> {
  if (!(store instanceof Store))
    throw invalidArgument(`expected a map or a table of this database, got ${preview(store)}`)
  store.assertOf(host)
}

const UNOBSERVED = { holder: null, log: null } as const

/**
 * A bound of a rowid table is a key. Unchecked by types: of which kind the store is shows only when it is opened, and `rowidOf` refuses
 * at run time what is no key.
 */
function keyOfBound<Key>(bound: unknown): Key {
  return bound as Key
}

/** A whole key is a bound in every kind of store, the longest prefix of itself: types do not say so. */
function boundOfKey<Bound>(key: unknown): Bound {
  return key as Bound
}

function isThere<Value>(value: Value | undefined): value is Value {
  return value !== undefined
}

/** The same bounds as data. */
function plainBounds<Key, Bound>(codec: StoreCodec<Key, unknown, unknown>, options: RangeOptions<Bound>): PlainBounds {
  const isIndex = codec.definition.treeKind === 'index'
  const { lower, isLowerOpen, upper, isUpperOpen, reverse } = resolveBounds(options, (bound) =>
    encodeRecord(isIndex ? codec.boundValues(bound) : [codec.rowidOf(keyOfBound<Key>(bound))]),
  )
  return { lower, isLowerOpen, upper, isUpperOpen, reverse }
}

/** Each bound has a search key of its own, since a range outlives this call. */
function keyBounds<Key, Bound>(
  codec: StoreCodec<Key, unknown, unknown>,
  options: RangeOptions<Bound>,
): Bounds<SearchKey> {
  return resolveBounds(options, (bound) => {
    const key = new SearchKey(codec.definition.keyOrder)
    codec.setBound(key, bound)
    return key
  })
}
