/**
 * One index: its tree, its entries, and then whether each row of the table has its own. Entries are all different and as
 * many as rows, so if every row has one, there is none without a row.
 */
import { checkTree, type EntryPlace, findRecord, Payload } from '../btree/index.js'
import { type KeyOrder, RecordShape, SERIAL_NULL, SearchKey } from '../format/index.js'
import type { Column, IndexLayout, Rowid } from '../store/index.js'
import { EntryBuilder } from './entry-builder.js'
import type { CheckParts } from './parts.js'

export class IndexCheck {
  entryCount = 0
  readonly layout: IndexLayout
  /** Rows can be looked up: the tree is sound, and what is in it is known. */
  isUsable = false
  readonly #parts: CheckParts
  readonly #builder: EntryBuilder
  readonly #shape = new RecordShape()
  readonly #unique: SearchKey | null
  #hasPrevious = false
  readonly #key: SearchKey | null
  /** The same columns byte for byte, where the order of the index does not see every difference. */
  readonly #exactKey: SearchKey | null
  readonly #found = new Payload()

  constructor(parts: CheckParts, layout: IndexLayout, columns: readonly Column[]) {
    const { order, uniqueCount, sources } = layout
    this.#parts = parts
    this.layout = layout
    this.#builder = new EntryBuilder(sources, columns)
    this.#unique = order === null || uniqueCount === 0 ? null : new SearchKey(order.slice(0, uniqueCount))
    this.#key = order === null ? null : new SearchKey(order)
    this.#exactKey = order?.some(({ collation }) => collation !== 'binary') ? new SearchKey(binary(order)) : null
  }

  *checkTree(): Generator<void, void, void> {
    const { pages, use, findings } = this.#parts
    const { root, order, sources, isPartial } = this.layout
    const before = findings.count
    const entry = (payload: Payload, _: Rowid, place: EntryPlace) => this.#checkEntry(payload, place)
    this.entryCount = yield* checkTree(pages, use, { root, kind: 'index', order, entry })
    const isComputable = !isPartial && sources.every((source) => source !== null)
    this.isUsable = order !== null && isComputable && findings.count === before
  }

  #checkEntry(payload: Payload, place: EntryPlace): void {
    const { bytes, start, length } = payload
    const shape = this.#shape.read(bytes, start, length)
    const { sources } = this.layout
    if (shape.count !== sources.length) {
      this.#parts.use.report({ ...place, what: `entry of ${shape.count} columns, not ${sources.length}` })
    } else if (this.#unique !== null) this.#checkUnique(this.#unique, payload, place)
  }

  #checkUnique(unique: SearchKey, { bytes, start, length }: Payload, place: EntryPlace): void {
    if (this.#hasPrevious && unique.compareRecord(bytes, start, length) === 0 && !this.#hasNull()) {
      this.#parts.use.report({ ...place, what: `entry is not unique in index ${this.#name}` })
    }
    unique.setFromRecord(bytes, start, length)
    this.#hasPrevious = true
  }

  #hasNull(): boolean {
    return this.#shape.types.slice(0, this.layout.uniqueCount).includes(SERIAL_NULL)
  }

  /** Looks for the entry of a row that was just read. */
  checkRow(shape: RecordShape, payload: Payload, rowid: Rowid, place: EntryPlace): void {
    const key = this.#key
    const length = this.isUsable ? this.#builder.build(shape, payload, rowid) : -1
    if (key === null || length < 0) return
    const { bytes } = this.#builder
    const found = this.#found
    if (!findRecord(this.#parts.pages, this.layout.root, key.setFromRecord(bytes, 0, length), found)) {
      this.#parts.use.report({ ...place, what: `row has no entry in index ${this.#name}` })
      return
    }
    const order = this.#exactKey?.setFromRecord(bytes, 0, length).compareRecord(found.bytes, found.start, found.length)
    if (order === undefined || order === 0) return
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

function binary(order: KeyOrder): KeyOrder {
  return order.map(({ descending }) => ({ collation: 'binary', descending }))
}
