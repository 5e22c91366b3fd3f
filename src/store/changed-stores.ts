/**
 * Which stores a commit has touched, and under which keys, from the pages that it wrote: the state after it is compared with the one
 * before. Who made the commit does not matter.
 *
 * Each page written must be accounted for, or the stores are unknown: by the tree in which it is found, as part of an overflow chain
 * of such a page, as a free page, or as a pointer map (WATCH-4). The state before may be gone: then there are no keys.
 * Times are bounded: past `TRIALS_MAX` and the limits of a watch, less is told, never something wrong.
 */
import {
  asTreePage,
  differingEntries,
  isInTree,
  type Payload,
  type Rowid,
  strikeOutChains,
  strikeOutFreePages,
  type TreeRoot,
} from '../btree/index.js'
import {
  encodeRecord,
  FILE_HEADER_OFFSETS,
  get32,
  pointerMapOf,
  RecordReader,
  type SqlValue,
  TABLE_INTERIOR,
  TABLE_LEAF,
} from '../format/index.js'
import { WATCH_KEYS_MAX, WATCH_PAGES_MAX } from '../limits.js'
import { PageOverwritten, type PageReader } from '../pager/index.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import { locateDamage } from './damage.js'
import type { StoreDefinition } from './definition.js'
import { indexLayoutOf } from './index-layout.js'
import { RowCodec } from './row-codec.js'
import { ignoresDescending, isUsersTable, SCHEMA_ROOT, type Schema, SchemaCache, type SchemaRow } from './schema.js'
import type { TableKey } from './table.js'

/** What a commit did to one store. */
export interface StoreChange {
  /**
   * Keys of the entries that were added, changed or deleted, as the store takes them, in no particular order. Undefined: not
   * known, it may be any.
   */
  readonly keys: readonly TableKey[] | undefined
}

/** One of the two states. */
export interface ComparedState {
  readonly pages: PageReader
  readonly schema: Schema
  readonly trees: readonly StoreTree[]
}

/** Makes states to compare, of which one after the other mostly has the same schema. */
export class ComparedStates {
  readonly #schemas = new SchemaCache()
  #schema: Schema | null = null
  #trees: readonly StoreTree[] = []

  /** @throws PageOverwritten, ENDMARK_CORRUPT */
  of(pages: PageReader): ComparedState {
    const schema = this.#schemas.of(pages)
    if (schema !== this.#schema) this.#trees = treesOf(pages, schema)
    this.#schema = schema
    return { pages, schema, trees: this.#trees }
  }
}

export interface WrittenPages {
  /** Null if it is not to be had any more. */
  readonly before: ComparedState | null
  readonly after: ComparedState
  /** Each once. */
  readonly written: readonly PageNumber[]
  /** Whether anyone asks for this store. */
  readonly isWanted: (name: string) => boolean
}

/** Looks into trees that one commit may take: some ten milliseconds. */
const TRIALS_MAX = 10_000

interface StoreTree extends TreeRoot {
  /** The table that the tree is, or is an index of; null: sqlite_schema. */
  readonly table: string | null
}

/**
 * @returns by the name of the store; undefined if not known
 * @throws PageOverwritten if the state after the commit is no longer to be had
 */
export function changedStores(commit: WrittenPages): ReadonlyMap<string, StoreChange> | undefined {
  const { after, written, isWanted } = commit
  if (written.length > WATCH_PAGES_MAX) return undefined
  const owned = ownedPages(after, written)
  if (owned === null || !isAllAccountedFor(after.pages, owned)) return undefined
  // What was dropped or renamed cannot be told then.
  if (commit.before === null && owned.byRoot.has(SCHEMA_ROOT)) return undefined
  const changes = new Map<string, StoreChange>()
  for (const name of redefinedTables(commit)) if (isWanted(name)) changes.set(name, { keys: undefined })
  const users = new Set(namesOf(after.schema))
  const names = [...owned.tables].filter((name) => users.has(name) && !changes.has(name) && isWanted(name))
  if (names.length === 0) return changes
  const before = commit.before === null ? null : whereToBeHad(() => ownedPages(commit.before!, written))
  for (const name of names) {
    const keys = before === null ? null : whereToBeHad(() => changedKeys(name, commit, before, owned))
    if (keys === null) changes.set(name, { keys: undefined })
    else if (keys.length > 0) changes.set(name, { keys })
  }
  return changes
}

/** Null if a page of the earlier state has been overwritten. */
function whereToBeHad<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof PageOverwritten) return null
    throw error
  }
}

function namesOf(schema: Schema): string[] {
  return schema.rows.filter(isUsersTable).map(({ name }) => name)
}

/** Pages of one state by the tree they are in. */
interface OwnedPages {
  readonly byRoot: Map<PageNumber, PageNumber[]>
  readonly tables: Set<string>
  /** In no tree. */
  readonly others: Set<PageNumber>
}

/** Null if it takes too long. */
function ownedPages(state: ComparedState, written: readonly PageNumber[]): OwnedPages | null {
  const { pages } = state
  const owned: OwnedPages = { byRoot: new Map(), tables: new Set(), others: new Set() }
  // The tree of the page before is tried first: a commit touches few trees.
  const trees = [...state.trees]
  let trials = 0
  for (const number of written) {
    if (number > pages.pageCount) continue
    const page = asTreePage(pages, number)
    let place = page === null ? trees.length : 0
    while (place < trees.length && !isInTree(pages, trees[place]!, page!)) place++
    trials += place
    if (trials > TRIALS_MAX) return null
    const tree = trees[place]
    if (tree === undefined) owned.others.add(number)
    else {
      trees.splice(place, 1)
      trees.unshift(tree)
      addTo(owned, tree, number)
    }
  }
  return owned
}

function addTo({ byRoot, tables }: OwnedPages, { root, table }: StoreTree, number: PageNumber): void {
  const numbers = byRoot.get(root)
  if (numbers === undefined) byRoot.set(root, [number])
  else numbers.push(number)
  if (table !== null) tables.add(table)
}

function treesOf(pages: PageReader, schema: Schema): StoreTree[] {
  const trees: StoreTree[] = [{ root: SCHEMA_ROOT, kind: 'table', order: null, table: null }]
  for (const row of schema.rows) {
    if (row.root === NO_PAGE || (row.type !== 'table' && row.type !== 'index')) continue
    const definition = schema.store(row.table)
    if (definition !== undefined)
      trees.push(row.type === 'table' ? tableTree(pages, definition) : indexTree(pages, row, definition))
  }
  return trees
}

function tableTree(pages: PageReader, definition: StoreDefinition): StoreTree {
  const { name: table, root, treeKind: kind, keyOrder, unreadableReason } = definition
  if (unreadableReason === null) return { root, kind, order: kind === 'index' ? keyOrder : null, table }
  // Its SQL does not say of which kind it is, its root does.
  const kindOfRoot = asTreePage(pages, root)?.decoded?.kind
  return {
    root,
    kind: kindOfRoot === TABLE_LEAF || kindOfRoot === TABLE_INTERIOR ? 'table' : 'index',
    order: null,
    table,
  }
}

function indexTree(pages: PageReader, row: SchemaRow, definition: StoreDefinition): StoreTree {
  const layout = indexLayoutOf(row, definition, { ignoresDescending: ignoresDescending(pages) })
  const order = 'problem' in layout ? null : layout.order
  return { root: row.root, kind: 'index', order, table: definition.name }
}

function isAllAccountedFor(pages: PageReader, { byRoot, others }: OwnedPages): boolean {
  const left = new Set(others)
  if (left.size > 0 && get32(pages.page(SCHEMA_ROOT).bytes, FILE_HEADER_OFFSETS.largestRoot) !== 0) {
    for (const number of left)
      if (pointerMapOf(number, pages.pageSize, pages.usableSize) === number) left.delete(number)
  }
  const treePages = [...byRoot.values()].flat().map((number) => asTreePage(pages, number)!)
  strikeOutChains(pages, treePages, left)
  if (left.size > 0) strikeOutFreePages(pages, left)
  return left.size === 0
}

/** Created, dropped, renamed or altered. */
function redefinedTables({ before, after }: WrittenPages): string[] {
  if (before === null) return []
  if (before.schema.cookie === after.schema.cookie) return []
  const names = new Set([...namesOf(before.schema), ...namesOf(after.schema)])
  return [...names].filter((name) => before.schema.store(name)?.sql !== after.schema.store(name)?.sql)
}

/** Null if there are too many, or if keys of this table are not understood. */
function changedKeys(
  name: string,
  { before, after }: WrittenPages,
  ownedBefore: OwnedPages,
  ownedAfter: OwnedPages,
): TableKey[] | null {
  const old = before!.schema.store(name)
  const young = after.schema.store(name)
  if (old === undefined || young === undefined || young.unreadableReason !== null) return null
  const keys = new KeyCollector(young)
  const differs = (payload: Payload, rowid: Rowid) => {
    try {
      keys.add(payload, rowid)
    } catch (error) {
      throw locateDamage(after.pages, young, error)
    }
  }
  const isWhole = differingEntries(
    { pages: before!.pages, written: ownedBefore.byRoot.get(old.root) ?? [] },
    { pages: after.pages, written: ownedAfter.byRoot.get(young.root) ?? [] },
    {
      kind: young.treeKind,
      pagesMax: 2 * WATCH_PAGES_MAX,
      entriesMax: 4 * WATCH_KEYS_MAX,
      rewritten: ownedAfter.others,
      differs,
    },
  )
  return isWhole && !keys.isTooMany ? keys.all() : null
}

/** Keys, each once. */
class KeyCollector {
  readonly #keys = new Map<Rowid | string, TableKey>()
  readonly #definition: StoreDefinition
  readonly #codec: RowCodec<unknown, TableKey>
  readonly #reader = new RecordReader()

  constructor(definition: StoreDefinition) {
    this.#definition = definition
    this.#codec = new RowCodec(definition)
  }

  get isTooMany(): boolean {
    return this.#keys.size > WATCH_KEYS_MAX
  }

  add(payload: Payload, rowid: Rowid): void {
    if (this.isTooMany) return
    if (this.#definition.treeKind === 'table') {
      this.#keys.set(rowid, rowid)
      return
    }
    const { bytes, start, length } = payload
    const id = Buffer.from(encodeRecord(this.#keyValues(payload))).toString('latin1')
    if (!this.#keys.has(id)) this.#keys.set(id, this.#codec.keyOfRecord(bytes.subarray(start, start + length)))
  }

  all(): TableKey[] {
    return [...this.#keys.values()]
  }

  #keyValues({ bytes, start, length }: Payload): SqlValue[] {
    const reader = this.#reader.reset(bytes, start, length)
    return this.#definition.keyColumns.map(() => reader.next() ?? null)
  }
}
