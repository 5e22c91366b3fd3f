/**
 * Reading several stores in one state: what a snapshot and a write transaction have in common. The state itself (its
 * pages, and the schema of those pages) is the subclass's.
 */
import type { PageReader } from '../pager/index.js'
import {
  assertStore,
  type RangeOptions,
  type ReadLog,
  type Schema,
  type Store,
  type StoreHost,
} from '../store/index.js'

export abstract class StateReader {
  /** The Database whose state this is: handles of another one mean another file. */
  protected readonly host: StoreHost

  /** Told of every read, where a transaction is recorded. */
  protected readonly readLog: ReadLog | null

  constructor(host: StoreHost, readLog: ReadLog | null = null) {
    this.host = host
    this.readLog = readLog
  }

  /** @throws ENDMARK_CLOSED once the state is no longer held */
  protected abstract pages(): PageReader
  protected abstract schema(): Schema

  /** @throws ENDMARK_CLOSED once the state is no longer held; iterators ask before each step */
  assertOpen(): void {
    this.pages()
  }

  /**
   * The value (of a map) or row (of a table) under this key, or undefined.
   * @throws ENDMARK_INVALID_ARGUMENT for a key of the wrong type; ENDMARK_NOT_FOUND if this state has no such store;
   *   ENDMARK_CORRUPT; ENDMARK_CLOSED
   */
  get<Key, Value, Entry, Bound>(store: Store<Key, Value, Entry, Bound>, key: Key): Value | undefined {
    assertStore(store, this.host)
    return store.getFrom(this.pages(), this.schema(), key, this.readLog)
  }

  /** The values under these keys, in the order of the keys; undefined where there is none. Errors as `get`. */
  getMany<Key, Value, Entry, Bound>(
    store: Store<Key, Value, Entry, Bound>,
    keys: readonly Key[],
  ): (Value | undefined)[] {
    assertStore(store, this.host)
    return store.getManyFrom(this.pages(), this.schema(), keys, this.readLog)
  }

  /** Whether there is an entry with this key. Errors as `get`. */
  has<Key, Value, Entry, Bound>(store: Store<Key, Value, Entry, Bound>, key: Key): boolean {
    assertStore(store, this.host)
    return store.hasFrom(this.pages(), this.schema(), key, this.readLog)
  }

  /**
   * The entries of a range in key order: rows of a table, [key, value] pairs of a map. Valid as long as this state is.
   * @throws ENDMARK_INVALID_ARGUMENT for unknown options or bounds of the wrong type; otherwise as `get`
   */
  range<Key, Value, Entry, Bound>(
    store: Store<Key, Value, Entry, Bound>,
    options?: RangeOptions<Bound>,
  ): IterableIterator<Entry> {
    assertStore(store, this.host)
    return store.rangeFrom(this.pages(), this.schema(), options, { holder: this, log: this.readLog })
  }

  /** How many entries there are, in all or in a range. Errors as `range`. */
  count<Key, Value, Entry, Bound>(store: Store<Key, Value, Entry, Bound>, options?: RangeOptions<Bound>): number {
    assertStore(store, this.host)
    return store.countFrom(this.pages(), this.schema(), options, this.readLog)
  }
}
