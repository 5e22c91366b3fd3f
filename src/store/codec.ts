/**
 * What a store handle needs to know of how its entries are stored. Two kinds exist: rows of tables and pairs of maps.
 * A codec is made for one definition and thrown away when the store is altered.
 */
import type { Payload, Rowid } from '../btree/index.js'
import type { SearchKey, SqlValue } from '../format/index.js'
import type { StoreDefinition } from './definition.js'

export interface StoreCodec<Key, Value, Entry> {
  readonly definition: StoreDefinition
  /** The rowid that a key of a rowid table stands for. */
  rowidOf(key: Key): Rowid
  /** The key's values, one for each key column. */
  keyValues(key: Key): SqlValue[]
  /** Turns `into` to this key, which must be complete. */
  setKey(into: SearchKey, key: Key): void
  /** The key that a record of an index b-tree begins with. */
  keyOfRecord(record: Uint8Array): Key
  /** The values of a bound, which may be a prefix of a key. */
  boundValues(bound: unknown): SqlValue[]
  /** Turns `into` to this bound, which may be a prefix of a key. */
  setBound(into: SearchKey, bound: unknown): void
  decodeValue(payload: Payload, rowid: Rowid): Value
  decodeEntry(payload: Payload, rowid: Rowid): Entry
}
