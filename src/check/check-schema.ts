/**
 * The schema: the tree at page 1, its rows, and whether they fit together: names, root pages, SQL that is SQL, an index for
 * each constraint, a table for each index. Views and triggers are not understood; that they are SQL at all is looked at.
 */
import { checkTree, type EntryPlace } from '../btree/index.js'
import { decodeRecord, RecordShape } from '../format/index.js'
import {
  constraintIndexNames,
  foldName,
  type IndexLayout,
  ignoresDescending,
  indexLayoutOf,
  type Payload,
  parseCreateTable,
  type Rowid,
  SCHEMA_ROOT,
  Schema,
  type SchemaRow,
  type StoreDefinition,
  schemaRowOf,
  syntaxProblem,
} from '../store/index.js'
import type { PageNumber } from '../units.js'
import type { CheckParts } from './parts.js'

/** The trees that the schema names. */
export interface SchemaTrees {
  readonly tables: readonly { readonly definition: StoreDefinition; readonly indexes: readonly IndexLayout[] }[]
  /** Roots of indexes of which nothing is known but that they are trees. */
  readonly others: readonly PageNumber[]
}

interface PlacedRow {
  readonly row: SchemaRow
  readonly place: EntryPlace
}

export function* checkSchema(parts: CheckParts): Generator<void, SchemaTrees, void> {
  const rows: PlacedRow[] = yield* readRows(parts)
  const isOldFormat = ignoresDescending(parts.pages)
  const schema = new Schema(
    parts.pages.schemaCookie,
    rows.map(({ row }) => row),
    isOldFormat,
  )
  return new SchemaCheck(parts, rows, schema, isOldFormat).run()
}

function* readRows({ pages, use }: CheckParts): Generator<void, PlacedRow[], void> {
  const rows: PlacedRow[] = []
  const shape = new RecordShape()
  const entry = ({ bytes, start, length }: Payload, rowid: Rowid, place: EntryPlace) => {
    shape.read(bytes, start, length)
    const row = schemaRowOf(decodeRecord(bytes, start, length), pages.pageCount)
    if (typeof row === 'string') use.report({ ...place, what: `sqlite_schema row ${rowid}: ${row}` })
    else rows.push({ row, place })
  }
  yield* checkTree(pages, use, { root: SCHEMA_ROOT, kind: 'table', order: null, entry })
  return rows
}

class SchemaCheck {
  readonly #parts: CheckParts
  readonly #rows: readonly PlacedRow[]
  readonly #schema: Schema
  readonly #isOldFormat: boolean
  readonly #others: PageNumber[] = []

  constructor(parts: CheckParts, rows: readonly PlacedRow[], schema: Schema, isOldFormat: boolean) {
    this.#parts = parts
    this.#rows = rows
    this.#schema = schema
    this.#isOldFormat = isOldFormat
  }

  run(): SchemaTrees {
    this.#checkNames()
    const tables = this.#rows.filter(({ row }) => row.type === 'table').flatMap((placed) => this.#table(placed))
    for (const placed of this.#rows) this.#checkOther(placed)
    return { tables, others: this.#others }
  }

  /** Tables, indexes and views share one space of names. */
  #checkNames(): void {
    const names = new Set<string>()
    for (const { row, place } of this.#rows) {
      if (row.type === 'trigger') continue
      const name = foldName(row.name)
      if (names.has(name)) this.#report(place, row, 'there are two of this name')
      names.add(name)
    }
  }

  #table({ row, place }: PlacedRow): SchemaTrees['tables'] {
    const problem = /^create\s+virtual\s/i.test(row.sql) ? null : syntaxProblem('table', row.sql)
    if (problem !== null) this.#report(place, row, problem)
    this.#checkTableName(row, place)
    if (row.root === 0) {
      if (!/^create\s+virtual\s/i.test(row.sql)) this.#report(place, row, 'no root page')
      return []
    }
    const definition = this.#schema.store(row.name)!
    const indexes = this.#rows.filter(({ row: { type, table } }) => {
      return type === 'index' && foldName(table) === foldName(row.name)
    })
    this.#checkConstraintIndexes(definition, indexes, place, row)
    return [{ definition, indexes: indexes.flatMap((index) => this.#index(index, definition)) }]
  }

  #checkTableName(row: SchemaRow, place: EntryPlace): void {
    const ddl = parseCreateTable(row.sql)
    const name = typeof ddl === 'string' ? row.name : ddl.name
    if (foldName(name) !== foldName(row.name)) this.#report(place, row, `its SQL is that of table ${name}`)
    if (foldName(row.table) !== foldName(row.name)) this.#report(place, row, `it belongs to table ${row.table}`)
  }

  #checkConstraintIndexes(
    definition: StoreDefinition,
    indexes: readonly PlacedRow[],
    place: EntryPlace,
    table: SchemaRow,
  ): void {
    const names = new Set(indexes.map(({ row }) => foldName(row.name)))
    for (const name of constraintIndexNames(definition)) {
      if (!names.has(foldName(name))) this.#report(place, table, `there is no index ${name} for its constraint`)
    }
  }

  #index({ row, place }: PlacedRow, definition: StoreDefinition): IndexLayout[] {
    if (row.root === 0) {
      this.#report(place, row, 'no root page')
      return []
    }
    const layout = indexLayoutOf(row, definition, { ignoresDescending: this.#isOldFormat })
    if (!('problem' in layout)) return [layout]
    if (layout.isDamage) this.#report(place, row, layout.problem)
    this.#others.push(row.root)
    return []
  }

  /** Views, triggers, and indexes without a table. */
  #checkOther({ row, place }: PlacedRow): void {
    if (row.type === 'table') return
    if (row.type !== 'index') {
      if (!/^create\s/i.test(row.sql)) this.#report(place, row, 'its SQL does not begin with CREATE')
      return
    }
    if (this.#schema.store(row.table) !== undefined) return
    this.#report(place, row, `there is no table ${JSON.stringify(row.table)}`)
    if (row.root !== 0) this.#others.push(row.root)
  }

  #report(place: EntryPlace, { type, name }: SchemaRow, what: string): void {
    this.#parts.use.report({ ...place, what: `${type} ${JSON.stringify(name)}: ${what}` })
  }
}
