/**
 * Random edits against a model, on all page sizes, with the two integrity checks as referees: our own after each
 * batch, SQLite's own at the end, where it also reads back every entry.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  countEntries,
  createTree,
  deleteRecord,
  deleteRow,
  findRecord,
  findRow,
  IndexCursor,
  lastRowid,
  Payload,
  putRecord,
  putRow,
  TableCursor,
} from '../../src/btree/index.js'
import { BINARY_ORDER, decodeRecord, encodeRecord, SearchKey } from '../../src/format/index.js'
import type { PageNumber } from '../../src/units.js'
import { MemoryPages } from '../support/memory-pages.js'
import { Random } from '../support/random.js'
import { askSqlite } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { treeFindings } from '../support/tree-findings.js'

const SEED = Number(process.env.ENDMARK_TEST_SEED ?? 20250101)
const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]

function readRow(pages: MemoryPages, root: PageNumber, rowid: number): string | undefined {
  const payload = new Payload()
  if (!findRow(pages, root, rowid, payload)) return undefined
  return decodeRecord(payload.bytes, payload.start, payload.length)[0] as string
}

function text(random: Random, length: number): string {
  return String.fromCharCode(97 + random.below(26)).repeat(length)
}

/** Lengths from none to several overflow pages; most are short. */
function randomLength(random: Random, usableSize: number): number {
  const kind = random.below(20)
  if (kind === 0) return random.below(usableSize * 5)
  if (kind < 4) return random.below(usableSize)
  return random.below(kind * 8)
}

const key = new SearchKey(BINARY_ORDER)

interface Model {
  readonly rows: Map<number, string>
  readonly entries: Map<string, string>
}

/** One random edit of a table and one of an index, in the trees and in the model. */
function edit(random: Random, pages: MemoryPages, table: PageNumber, index: PageNumber, model: Model, growth: number) {
  const rowid = random.below(4) === 0 ? random.pick([...model.rows.keys(), 1]) : random.between(-50, 100_000)
  const value = text(random, randomLength(random, pages.usableSize))
  const isPut = random.below(100) < growth
  const existed = model.rows.has(rowid)
  if (isPut) {
    const mode = random.below(3) === 0 ? 'insert' : 'upsert'
    const result = putRow(pages, table, rowid, encodeRecord([value]), mode)
    if (result !== existed) throw new Error(`putRow said ${result} of rowid ${rowid}`)
    if (mode === 'upsert' || !existed) model.rows.set(rowid, value)
  } else {
    if (deleteRow(pages, table, rowid) !== existed) throw new Error(`deleteRow was wrong about ${rowid}`)
    model.rows.delete(rowid)
  }
  const entryKey =
    random.below(4) === 0
      ? random.pick([...model.entries.keys(), ''])
      : `${random.below(100_000)}${text(random, randomLength(random, pages.usableSize) >>> 1)}`
  key.set([entryKey])
  const entryExisted = model.entries.has(entryKey)
  if (isPut) {
    const mode = random.below(3) === 0 ? 'insert' : 'upsert'
    const result = putRecord(pages, index, key, encodeRecord([entryKey, value]), mode)
    if (result !== entryExisted) throw new Error(`putRecord said ${result} of ${entryKey.slice(0, 20)}`)
    if (mode === 'upsert' || !entryExisted) model.entries.set(entryKey, value)
  } else {
    if (deleteRecord(pages, index, key) !== entryExisted) throw new Error('deleteRecord was wrong')
    model.entries.delete(entryKey)
  }
}

/** Point reads, scans both ways and counts must all tell what the model says. */
function compare(t: ExecutionContext, pages: MemoryPages, table: PageNumber, index: PageNumber, model: Model): void {
  const rowids = [...model.rows.keys()].sort((a, b) => a - b)
  t.is(lastRowid(pages, table), rowids.at(-1))
  t.is(countEntries(pages, table, 'table'), rowids.length)
  t.is(countEntries(pages, index, 'index'), model.entries.size)
  const payload = new Payload()
  const cursor = new TableCursor(pages, table)
  let position = 0
  for (let found = cursor.first(); found; found = cursor.next()) {
    const rowid = rowids[position++]!
    if (cursor.rowid !== rowid) t.is(cursor.rowid, rowid)
    if (readRow(pages, table, rowid) !== model.rows.get(rowid)) t.fail(`row ${rowid} differs`)
  }
  t.is(position, rowids.length)
  for (let found = cursor.last(); found; found = cursor.previous()) {
    if (cursor.rowid !== rowids[--position]) t.fail(`rowid ${cursor.rowid} going back`)
  }
  t.is(position, 0)
  const keys = [...model.entries.keys()].sort()
  const entries = new IndexCursor(pages, index)
  for (let found = entries.first(); found; found = entries.next()) {
    entries.payload(payload)
    const values = decodeRecord(payload.bytes, payload.start, payload.length)
    if (values[0] !== keys[position] || values[1] !== model.entries.get(keys[position]!)) t.fail(`entry ${position}`)
    if (!findRecord(pages, index, key.set([keys[position]!]), payload)) t.fail(`entry ${position} is not found`)
    position++
  }
  t.is(position, keys.length)
  for (let found = entries.last(); found; found = entries.previous()) {
    entries.payload(payload)
    if (decodeRecord(payload.bytes, payload.start, payload.length)[0] !== keys[--position]) t.fail(`entry ${position}`)
  }
  t.is(position, 0)
}

function newTrees(options: { pageSize: number; reserved: number }) {
  const pages = new MemoryPages(options)
  const table = createTree(pages, 'table')
  const index = createTree(pages, 'index')
  pages.addToSchema('table', 'rows', 'rows', table, 'CREATE TABLE rows(value)')
  const sql = 'CREATE TABLE entries(key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID'
  pages.addToSchema('table', 'entries', 'entries', index, sql)
  return { pages, table, index }
}

/** The first key on which two maps differ, null if there is none. Values may be too long to print. */
function difference<Key>(a: ReadonlyMap<Key, string>, b: ReadonlyMap<Key, string>): Key | null {
  for (const key of new Set([...a.keys(), ...b.keys()])) if (a.get(key) !== b.get(key)) return key
  return null
}

interface SqliteView {
  readonly integrity: string
  readonly rows: [number, string][]
  readonly entries: [string, string][]
}

function askAbout(t: ExecutionContext, pages: MemoryPages): Promise<SqliteView> {
  const path = join(temporaryFolder(t), 'test.db')
  writeFileSync(path, pages.toFile())
  return askSqlite(t, path, (db) => ({
    integrity: db.pragma('integrity_check', { simple: true }) as string,
    rows: db.prepare('SELECT rowid, value FROM rows ORDER BY rowid').raw().all() as [number, string][],
    entries: db.prepare('SELECT key, value FROM entries ORDER BY key').raw().all() as [string, string][],
  }))
}

for (const pageSize of PAGE_SIZES) {
  for (const reserved of [0, 32]) {
    test(`random edits on pages of ${pageSize} bytes, ${reserved} reserved, end in what the model holds`, async (t) => {
      t.log(`ENDMARK_TEST_SEED=${SEED}`)
      const random = new Random(SEED + pageSize + reserved)
      const { pages, table, index } = newTrees({ pageSize, reserved })
      const model: Model = { rows: new Map(), entries: new Map() }
      const batches = pageSize > 8192 ? 12 : 30
      for (let batch = 0; batch < batches; batch++) {
        // Grow, shrink, grow: deletes reach emptiness on the small pages.
        const growth = batch % 10 < 6 ? 80 : 10
        for (let i = 0; i < 100; i++) edit(random, pages, table, index, model, growth)
        const found = treeFindings(pages, { tables: [table], indexes: [index] })
        t.deepEqual(found, [], `batch ${batch}`)
        if (random.below(3) === 0) pages.commit()
      }
      compare(t, pages, table, index, model)
      const sqlite = await askAbout(t, pages)
      t.is(sqlite.integrity, 'ok')
      t.is(difference(new Map(sqlite.rows), model.rows), null)
      t.is(difference(new Map(sqlite.entries), model.entries), null)
      for (const rowid of [...model.rows.keys()]) t.true(deleteRow(pages, table, rowid))
      for (const entry of [...model.entries.keys()]) deleteRecord(pages, index, key.set([entry]))
      t.deepEqual(treeFindings(pages, { tables: [table], indexes: [index] }), [])
      t.is(countEntries(pages, table, 'table') + countEntries(pages, index, 'index'), 0)
      t.is((await askAbout(t, pages)).integrity, 'ok')
    })
  }
}
