/**
 * The schema of the newest state, for those who encode a write. Two loads as long as the newest header is one whose schema is
 * known, as between commits of our own, and a look at the numbers of the pages that were committed since then: acquiring a
 * state just to encode a write would cost as much as the locks of its commit, and its read mark would keep a busy log from
 * being started over.
 */
import type { TurnPages } from '../pager/index.js'
import type { Schema, SchemaCache } from '../store/index.js'
import { pageNumber } from '../units.js'
import { IndexHeader, type Wal } from '../wal/index.js'

const PAGE_ONE = pageNumber(1)

export class KnownSchema {
  readonly #wal: Wal
  readonly #turn: TurnPages
  readonly #schemas: SchemaCache
  /** The schema that is known of the state with this header. */
  #schema: Schema | null = null
  readonly #header = new IndexHeader()
  readonly #newest = new IndexHeader()

  constructor(wal: Wal, turn: TurnPages, schemas: SchemaCache) {
    this.#wal = wal
    this.#turn = turn
    this.#schemas = schemas
  }

  /** @throws ENDMARK_CORRUPT if the schema has to be read and is damaged */
  newest(): Schema {
    if (this.#schema !== null && this.#isUnchanged()) return this.#schema
    return this.know(this.#schemas.of(this.#turn.current()))
  }

  /** Remembers the schema of the state that `wal.header` names. */
  know(schema: Schema): Schema {
    this.#header.copyFrom(this.#wal.header)
    this.#schema = schema
    return schema
  }

  /** Whether page 1, which names the schema, is the same in the newest state as in that of `#header`. */
  #isUnchanged(): boolean {
    const { index } = this.#wal
    const known = this.#header
    if (index.isCurrent(known)) return true
    const newest = this.#newest
    if (!index.readHeader(newest) || !newest.hasSaltsOf(known) || newest.endMark < known.endMark) return false
    if (!index.covers(newest.endMark) || !index.isUntouched(PAGE_ONE, known.endMark, newest)) return false
    // Whoever starts the log over publishes that before the first frame is overwritten.
    if (!index.isCurrent(newest)) return false
    known.copyFrom(newest)
    return true
  }
}
