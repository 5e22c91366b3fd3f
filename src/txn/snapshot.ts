/**
 * A snapshot as users hold it: one committed state, unchanged until it is closed. It costs others nothing but log
 * space: while it is open, the log cannot be started over (SNAP-2), and checkpoints stop at its end mark (SNAP-1).
 */
import { EndmarkError, invalidArgument } from '../errors.js'
import type { PageReader } from '../pager/index.js'
import { OrderedMap, type Schema, type StoreHost, type StoreInfo, Table, type TableKey } from '../store/index.js'
import type { HandedState } from '../wal/index.js'
import { SnapshotHost } from './snapshot-host.js'
import { StateReader } from './state-reader.js'

/** What a snapshot is made of; `release` gives the state back. */
export interface SnapshotState {
  readonly host: StoreHost
  readonly pages: PageReader
  readonly endMark: number
  readonly schema: (pages: PageReader) => Schema
  /** @throws ENDMARK_CLOSED once somebody else, the closing Database, has given the state back */
  readonly assertOpen: () => void
  /** @throws ENDMARK_SNAPSHOT_EXPIRED if others cannot be given the state any more */
  readonly token: () => string
  readonly handOver: () => HandedSnapshot
  readonly release: () => void
}

/** A snapshot for other threads, held on its own until `release`. */
export interface HandedSnapshot {
  readonly state: HandedState
  /** The state here, for preparing what the threads are to do. */
  readonly pages: PageReader
  readonly schema: Schema
  release(): void
}

let handedFrom: (snapshot: Snapshot, host: StoreHost) => HandedSnapshot

/**
 * For the pool of reader threads: the same state, for them, whatever becomes of the snapshot.
 * @throws ENDMARK_INVALID_ARGUMENT unless it is a snapshot of the Database with this host; ENDMARK_CLOSED
 */
export function handOver(snapshot: Snapshot, host: StoreHost): HandedSnapshot {
  return handedFrom(snapshot, host)
}

export class Snapshot extends StateReader {
  /** The last frame of the log that this snapshot sees (SQLite's mxFrame). */
  readonly endMark: number
  #state: SnapshotState | null
  #schema: Schema | null = null

  static {
    handedFrom = (snapshot, host) => {
      // Of another file, its header would be taken for one of ours.
      if (snapshot.host !== host) throw invalidArgument('snapshot is one of another Database')
      return snapshot.#open().handOver()
    }
  }

  constructor(state: SnapshotState) {
    super(state.host)
    this.endMark = state.endMark
    this.#state = state
  }

  /**
   * The name of this state, for `db.snapshot({ token })` in another process or thread. It is found there for as long as this
   * snapshot is open, and longer where the log allows it. Ask for it soon: a snapshot that needs no log does not keep it, and
   * once it has been started over there is no token.
   * @throws ENDMARK_SNAPSHOT_EXPIRED if it is too late for that; ENDMARK_CLOSED
   */
  get token(): string {
    return this.#open().token()
  }

  /**
   * The map of this name as it is in this state: reads of the handle see this state, writes are refused with ENDMARK_READONLY.
   * @throws ENDMARK_NOT_FOUND if this state has no such store; ENDMARK_UNSUPPORTED if it is no map; ENDMARK_CLOSED
   */
  map<K = string, V = unknown>(name: string): OrderedMap<K, V> {
    const map = new OrderedMap<K, V>(new SnapshotHost(this, this.#open()), name)
    map.assertUsable(this.schema())
    return map
  }

  /** The table of this name as it is in this state; otherwise as `map`. */
  table<Row extends object = Record<string, unknown>, Key = TableKey>(name: string): Table<Row, Key> {
    const table = new Table<Row, Key>(new SnapshotHost(this, this.#open()), name)
    table.assertUsable(this.schema())
    return table
  }

  /** What is in this state: see `Database.stores`. */
  stores(): StoreInfo[] {
    return this.schema().stores()
  }

  /** Lets the state go; reads through this snapshot and iterators of it throw ENDMARK_CLOSED from then on. Idempotent. */
  close(): void {
    const state = this.#state
    this.#state = null
    state?.release()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  protected override pages(): PageReader {
    return this.#open().pages
  }

  protected override schema(): Schema {
    const state = this.#open()
    this.#schema ??= state.schema(state.pages)
    return this.#schema
  }

  #open(): SnapshotState {
    if (this.#state === null) throw new EndmarkError('ENDMARK_CLOSED', 'this snapshot has been closed')
    this.#state.assertOpen()
    return this.#state
  }
}
