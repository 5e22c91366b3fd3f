/**
 * One table with its indexes: the trees, each row's record and values, each row's entries, and the counts.
 *
 * A table that Endmark does not understand is checked as a tree of records. The trees of most indexes come first: rows are
 * looked up only in an index that is sound in itself, since whatever a damaged one leads to says nothing more. Indexes whose
 * entries are looked up in the table come after it, for the same reason.
 */
import { checkTree, type EntryPlace } from '../btree/index.js'
import { INDEX_LEAF, LEAF_BIT, RecordShape, SERIAL_NULL } from '../format/index.js'
import {
  type Column,
  type IndexLayout,
  type Payload,
  parseCreateTable,
  type Rowid,
  type StoreDefinition,
} from '../store/index.js'
import type { PageNumber } from '../units.js'
import { IndexCheck } from './check-index.js'
import { columnProblem } from './column-rules.js'
import type { FreshPages } from './fresh-pages.js'
import type { CheckParts } from './parts.js'

export function* checkTable(
  parts: CheckParts,
  definition: StoreDefinition,
  layouts: readonly IndexLayout[],
): Generator<void, void, void> {
  const { pages, use, findings } = parts
  const { storedColumns, columns, root, treeKind, keyOrder, unreadableReason } = definition
  const recordColumns = storedColumns.map((column) => columns[column]!)
  const indexes = layouts.map((layout) => new IndexCheck(parts, layout, recordColumns))
  if (unreadableReason !== null) {
    for (const index of indexes) yield* index.checkTree()
    yield* checkRecords(parts, root)
    return
  }
  for (const index of indexes) if (index.isComputable) yield* index.checkTree()
  const before = findings.count
  const rows = new RowCheck(parts, definition, recordColumns, indexes)
  const entry = (payload: Payload, rowid: Rowid, place: EntryPlace) => rows.check(payload, rowid, place)
  const order = treeKind === 'index' ? keyOrder : null
  const columnCount = columnsLookedAt(recordColumns, layouts, treeKind === 'index' ? keyOrder.length : 0)
  const rowCount = yield* checkTree(pages, use, { root, kind: treeKind, order, columnCount, entry })
  const canFindRows = treeKind === 'table' && findings.count === before
  for (const index of indexes) {
    if (!index.isComputable) yield* canFindRows ? index.checkTreeAgainst(root) : index.checkTree()
    index.checkCount(rowCount)
  }
}

/** Leading columns of a record up to the last whose content matters: for the key, an index, or what it spells. */
function columnsLookedAt(columns: readonly Column[], layouts: readonly IndexLayout[], keyCount: number): number {
  const isNumeric = ({ affinity }: Column) => affinity !== 'text' && affinity !== 'blob'
  const places = layouts.flatMap(({ sources }) => sources).map((source) => (typeof source === 'number' ? source : -1))
  return Math.max(keyCount, columns.findLastIndex(isNumeric) + 1, ...places.map((place) => place + 1))
}

/** A tree of records of which nothing else is known. */
export function* checkRecords({ pages, use }: CheckParts, root: PageNumber): Generator<void, void, void> {
  const shape = new RecordShape()
  const entry = ({ bytes, start, length }: Payload) => void shape.read(bytes, start, length)
  yield* checkTree(pages, use, { root, kind: kindOf(pages, root), order: null, columnCount: 0, entry })
}

/** What the root page says of itself; whatever is wrong with it is found by the check of the tree. */
function kindOf(pages: FreshPages, root: PageNumber): 'table' | 'index' {
  try {
    return (pages.page(root).bytes[0]! | LEAF_BIT) === INDEX_LEAF ? 'index' : 'table'
  } catch {
    return 'table'
  }
}

class RowCheck {
  readonly #parts: CheckParts
  readonly #columns: readonly Column[]
  readonly #indexes: readonly IndexCheck[]
  readonly #rowidColumn: number
  readonly #isStrict: boolean
  readonly #shape = new RecordShape()

  /** @param columns by their place in the record */
  constructor(
    parts: CheckParts,
    definition: StoreDefinition,
    columns: readonly Column[],
    indexes: readonly IndexCheck[],
  ) {
    const ddl = parseCreateTable(definition.sql)
    this.#parts = parts
    this.#columns = columns
    this.#indexes = indexes
    this.#rowidColumn = definition.rowidColumn
    this.#isStrict = typeof ddl !== 'string' && ddl.isStrict
  }

  check(payload: Payload, rowid: Rowid, place: EntryPlace): void {
    const { bytes, start, length } = payload
    const shape = this.#shape.read(bytes, start, length)
    for (let i = 0; i < this.#columns.length; i++) {
      const problem = i === this.#rowidColumn ? null : this.#columnProblem(i, bytes)
      if (problem === null) continue
      this.#parts.use.report({ ...place, what: `column ${JSON.stringify(this.#columns[i]!.name)} ${problem}` })
    }
    for (const index of this.#indexes) index.checkRow(shape, payload, rowid, place)
  }

  /** A column that was added after the row was written has its default. */
  #columnProblem(index: number, bytes: Uint8Array): string | null {
    const { count, types, offsets } = this.#shape
    const column = this.#columns[index]!
    if (index < count) return columnProblem(column, this.#isStrict, types[index]!, bytes, offsets[index]!)
    return column.defaultValue === null ? columnProblem(column, this.#isStrict, SERIAL_NULL, bytes, 0) : null
  }
}
