/**
 * A snapshot as users hold it: one committed state, unchanged until it is closed. It costs others nothing but log
 * space: while it is open, the log cannot be started over (SNAP-2), and checkpoints stop at its end mark (SNAP-1).
 */
import { EndmarkError } from '../errors.js'
import type { PageReader } from '../pager/index.js'
import type { Schema, StoreHost } from '../store/index.js'
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
  readonly release: () => void
}

export class Snapshot extends StateReader {
  /** The last frame of the log that this snapshot sees (SQLite's mxFrame). */
  readonly endMark: number
  #state: SnapshotState | null
  #schema: Schema | null = null

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
