/**
 * One index: its tree, its entries, and then whether each row of the table has its own. Entries are all different and as
 * many as rows, so if every row has one, there is none without a row.
 *
 * Of an index with a condition or an expression it is not known which entries there should be. There it is the other way round:
 * each entry that is there belongs to a row, and agrees with it in what is known. Such an index is checked after its table.
 */
import { checkTree, type EntryPlace, findRecord, findRow, Payload } from '../btree/index.js'
import {
  decodeNumber,
  isNullColumn,
  RecordShape,
  SERIAL_BLOB,
  SERIAL_NULL,
  SERIAL_REAL,
  SearchKey,
} from '../format/index.js'
import type { Column, IndexLayout, Rowid } from '../store/index.js'
import type { PageNumber } from '../units.js'
import { EntryBuilder } from './entry-builder.js'
import type { CheckParts } from './parts.js'

export class IndexCheck {
  entryCount = 0
  readonly layout: IndexLayout
  /** What its entries are follows from the rows. */
  readonly isComputable: boolean
  /** Rows can be looked up: the tree is sound, and what is in it is known. */
  #isUsable = false
  readonly #parts: CheckParts
  readonly #builder: EntryBuilder
  readonly #shape = new RecordShape()
  readonly #unique: SearchKey | null
  #hasPrevious = false
  readonly #key: SearchKey | null
  /** The order of the index sees every difference. */
  readonly #isExact: boolean
  /** All columns, byte for byte. */
  readonly #exactKey: SearchKey
  readonly #found = new Payload()
  readonly #rowShape = new RecordShape()
  /** The root of the table where entries are looked up there; else null. */
  #tableRoot: PageNumber | null = null

  constructor(parts: CheckParts, layout: IndexLayout, columns: readonly Column[]) {
    const { order, uniqueCount, sources } = layout
    this.#parts = parts
    this.layout = layout
    this.isComputable = !layout.isPartial && sources.every((source) => source !== null)
    this.#builder = new EntryBuilder(sources, columns)
    this.#unique = order === null || uniqueCount === 0 ? null : new SearchKey(order.slice(0, uniqueCount))
    this.#key = order === null ? null : new SearchKey(order)
    this.#isExact = order?.every(({ collation }) => collation === 'binary') ?? false
    this.#exactKey = new SearchKey(sources.map(() => ({ collation: 'binary', descending: false })))
  }

  *checkTree(): Generator<void, void, void> {
    const { pages, use, findings } = this.#parts
    const { root, order } = this.layout
    const before = findings.count
    const entry = (payload: Payload, _: Rowid, place: EntryPlace) => this.#checkEntry(payload, place)
    this.entryCount = yield* checkTree(pages, use, { root, kind: 'index', order, entry })
    this.#isUsable = order !== null && this.isComputable && findings.count === before
  }

  /** The same, with each entry looked up in its table, which must be sound and have rowids. */
  *checkTreeAgainst(tableRoot: PageNumber): Generator<void, void, void> {
    this.#tableRoot = tableRoot
    yield* this.checkTree()
  }

  #checkEntry(payload: Payload, place: EntryPlace): void {
    const { bytes, start, length } = payload
    const shape = this.#shape.read(bytes, start, length)
    const { sources } = this.layout
    if (shape.count !== sources.length) {
      this.#parts.use.report({ ...place, what: `entry of ${shape.count} columns, not ${sources.length}` })
      return
    }
    if (this.#unique !== null) this.#checkUnique(this.#unique, payload, place)
    if (this.#tableRoot !== null) this.#checkEntryRow(this.#tableRoot, payload, place)
  }

  #checkEntryRow(tableRoot: PageNumber, payload: Payload, place: EntryPlace): void {
    const { types, offsets, count } = this.#shape
    const type = types[count - 1]!
    const isInteger = type !== SERIAL_NULL && type !== SERIAL_REAL && type < SERIAL_BLOB
    const rowid = isInteger ? decodeNumber(payload.bytes, offsets[count - 1]!, type) : null
    const row = this.#found
    if (rowid === null || !findRow(this.#parts.pages, tableRoot, rowid, row)) {
      const what = `entry in index ${this.#name} of row ${rowid ?? 'without rowid'}, which is not there`
      this.#parts.use.report({ ...place, what })
      return
    }
    const rowShape = this.#rowShape.read(row.bytes, row.start, row.length)
    const length = this.#builder.build(rowShape, row, rowid, { payload, shape: this.#shape })
    if (length < 0) return
    const key = this.#exactKey.setFromRecord(this.#builder.bytes, 0, length)
    if (key.compareRecord(payload.bytes, payload.start, payload.length) === 0) return
    this.#parts.use.report({ ...place, what: `entry in index ${this.#name} has other values than row ${rowid}` })
  }

  #checkUnique(unique: SearchKey, { bytes, start, length }: Payload, place: EntryPlace): void {
    if (this.#hasPrevious && unique.compareRecord(bytes, start, length) === 0 && !this.#hasNull(bytes)) {
      this.#parts.use.report({ ...place, what: `entry is not unique in index ${this.#name}` })
    }
    unique.setFromRecord(bytes, start, length)
    this.#hasPrevious = true
  }

  #hasNull(bytes: Uint8Array): boolean {
    const { types, offsets } = this.#shape
    for (let i = 0; i < this.layout.uniqueCount; i++) if (isNullColumn(bytes, offsets[i]!, types[i]!)) return true
    return false
  }

  /** Looks for the entry of a row that was just read. */
  checkRow(shape: RecordShape, payload: Payload, rowid: Rowid, place: EntryPlace): void {
    const key = this.#key
    const length = this.#isUsable ? this.#builder.build(shape, payload, rowid) : -1
    if (key === null || length < 0) return
    const { bytes } = this.#builder
    const found = this.#found
    if (!findRecord(this.#parts.pages, this.layout.root, key.setFromRecord(bytes, 0, length), found)) {
      this.#parts.use.report({ ...place, what: `row has no entry in index ${this.#name}` })
      return
    }
    const isSame = () =>
      this.#exactKey.setFromRecord(bytes, 0, length).compareRecord(found.bytes, found.start, found.length) === 0
    if (this.#isExact || isSame()) return
    this.#parts.use.report({ ...place, what: `row has other values than its entry in index ${this.#name}` })
  }

  /** @param rowCount rows of the table */
  checkCount(rowCount: number): void {
    const { root, isPartial } = this.layout
    const isRight = isPartial ? this.entryCount <= rowCount : this.entryCount === rowCount
    if (isRight) return
    const what = `${this.entryCount} entries in index ${this.#name} of ${rowCount} rows`
    this.#parts.use.report({ page: root, offset: 0, what })
  }

  get #name(): string {
    return JSON.stringify(this.layout.name)
  }
}
