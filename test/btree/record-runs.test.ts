/**
 * Runs of records, put into a tree in one go: on all page sizes the tree is sound and holds what a plain map holds, whatever it
 * held before, in whatever order the records came, and SQLite says so too.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  ChunkPool,
  countEntries,
  createTree,
  deleteRecord,
  IndexCursor,
  Payload,
  putRecord,
  putRun,
  RecordRun,
  RUN_RECORD_SIZE_MAX,
} from '../../src/btree/index.js'
import { BINARY_ORDER, decodeRecord, encodeRecord, SearchKey } from '../../src/format/index.js'
import type { PageNumber } from '../../src/units.js'
import { MemoryPages } from '../support/memory-pages.js'
import { type Random, seededRandom } from '../support/random.js'
import { askSqlite } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { treeFindings } from '../support/tree-findings.js'

const PAGE_SIZES = [512, 1024, 4096, 65536]
const key = new SearchKey(BINARY_ORDER)

type Entries = readonly (readonly [key: string | Uint8Array, value: string])[]

/** @returns false if the key is of another kind than the others */
function add(run: RecordRun, entry: string | Uint8Array, value: string): boolean {
  const record = encodeRecord([entry, value])
  run.begin(record.length)
  run.bytes.set(record, run.recordStart)
  return run.end()
}

function putAll(pages: MemoryPages, root: PageNumber, entries: Entries, run = new RecordRun(new ChunkPool())): number {
  for (const [entry, value] of entries) add(run, entry, value)
  run.sort()
  let stretches = 0
  for (let put = 0; put < run.count; stretches++) {
    const before = put
    put = putRun(pages, root, key, run, put)
    if (put <= before) throw new Error(`record ${before} was not put`)
  }
  run.clear()
  return stretches
}

function newTree(options: { pageSize: number; reserved?: number }): { pages: MemoryPages; root: PageNumber } {
  const pages = new MemoryPages(options)
  const root = createTree(pages, 'index')
  pages.addToSchema('table', 'entries', 'entries', root, 'CREATE TABLE entries(key PRIMARY KEY, value) WITHOUT ROWID')
  return { pages, root }
}

const byKey = ([a]: readonly [string, string], [b]: readonly [string, string]): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b))

function compare(t: ExecutionContext, pages: MemoryPages, root: PageNumber, model: ReadonlyMap<string, string>): void {
  t.deepEqual(treeFindings(pages, { indexes: [root] }), [])
  const expected = [...model].sort(byKey)
  const cursor = new IndexCursor(pages, root)
  const payload = new Payload()
  let position = 0
  for (let found = cursor.first(); found; found = cursor.next()) {
    cursor.payload(payload)
    const [entry, value] = decodeRecord(payload.bytes, payload.start, payload.length)
    const wanted = expected[position++]
    if (entry !== wanted?.[0] || value !== wanted?.[1]) t.fail(`entry ${position}: ${String(entry).slice(0, 40)}`)
  }
  t.is(position, expected.length)
}

async function compareWithSqlite(
  t: ExecutionContext,
  pages: MemoryPages,
  model: ReadonlyMap<string, string>,
): Promise<void> {
  const path = join(temporaryFolder(t), 'test.db')
  writeFileSync(path, pages.toFile())
  const { integrity, rows } = await askSqlite(t, path, (db) => ({
    integrity: db.pragma('integrity_check', { simple: true }) as string,
    rows: db.prepare('SELECT key, value FROM entries ORDER BY key').raw().all() as [string, string][],
  }))
  t.is(integrity, 'ok')
  t.true(
    rows.length === model.size && rows.every(([entry, value]) => model.get(entry) === value),
    'SQLite reads something else',
  )
}

/** Short and long ones, with beginnings in common, now and then over several pages. */
function randomKey(random: Random, usableSize: number): string {
  const kind = random.below(40)
  const tail = kind === 0 ? 'k'.repeat(random.below(usableSize)) : kind < 4 ? '-'.repeat(random.below(60)) : ''
  return `${random.pick(['', 'key ', 'key of a longer kind '])}${random.below(3000)}${tail}`
}

function randomValue(random: Random, usableSize: number): string {
  const kind = random.below(60)
  const length =
    kind === 0 ? random.below(usableSize * 3) : kind < 5 ? random.below(usableSize) : random.below(kind * 3)
  return String.fromCharCode(97 + random.below(26)).repeat(Math.min(length, RUN_RECORD_SIZE_MAX >>> 1))
}

/** A run of some kind: anywhere, in one place, behind all others, over entries that are there. */
function randomRun(random: Random, usableSize: number, model: ReadonlyMap<string, string>): [string, string][] {
  const count = random.pick([1, 2, 5, 30, 200, 800])
  const kind = random.below(6)
  const place = randomKey(random, usableSize).slice(0, 60)
  const known = [...model.keys()]
  const keyOf = (index: number): string => {
    if (kind === 0) return `zz${String(model.size).padStart(6, '0')}${String(index).padStart(4, '0')}`
    if (kind === 1) return `${place}${random.below(5000)}`
    if (kind === 2 && known.length > 0) return random.pick(known)
    return randomKey(random, usableSize)
  }
  const length = kind === 5 ? random.below(60) : -1
  return Array.from({ length: count }, (_, index) => {
    const value = length < 0 ? randomValue(random, usableSize) : 'v'.repeat(length)
    return [keyOf(index), value] as [string, string]
  }).filter(([entry]) => entry.length < RUN_RECORD_SIZE_MAX >>> 2)
}

for (const pageSize of PAGE_SIZES) {
  for (const reserved of [0, 32]) {
    test(`random runs on pages of ${pageSize} bytes, ${reserved} reserved, end in what the model holds`, async (t) => {
      const random = seededRandom(t)
      const { pages, root } = newTree({ pageSize, reserved })
      const model = new Map<string, string>()
      const run = new RecordRun(new ChunkPool())
      for (let round = 0; round < 40; round++) {
        const entries = randomRun(random, pages.usableSize, model)
        putAll(pages, root, entries, run)
        for (const [entry, value] of entries) model.set(entry, value)
        const deleted = [...model.keys()].filter(() => random.below(round % 10 === 9 ? 2 : 12) === 0)
        for (const entry of deleted) {
          model.delete(entry)
          t.true(deleteRecord(pages, root, key.set([entry])))
        }
        if (random.below(3) === 0) pages.commit()
        if (round % 8 === 7) compare(t, pages, root, model)
      }
      compare(t, pages, root, model)
      await compareWithSqlite(t, pages, model)
    })
  }
}

/** How much of the leaves of a tree is used, from 0 to 1. */
function fillOf(pages: MemoryPages, root: PageNumber, entryBytes: number): number {
  return (countEntries(pages, root, 'index') * entryBytes) / (pages.pageCount * pages.usableSize)
}

const row = (number: number): [string, string] => [String(number).padStart(16, '0'), 'v'.repeat(100)]
/** Cell and pointer of such a row. */
const ROW_BYTES = 124

test('rows in order fill the pages of an empty tree whole, in a search for each stretch and not for each row', (t) => {
  const { pages, root } = newTree({ pageSize: 4096 })
  const stretches = putAll(
    pages,
    root,
    Array.from({ length: 50_000 }, (_, number) => row(number)),
  )
  t.true(fillOf(pages, root, ROW_BYTES) > 0.96, `${fillOf(pages, root, ROW_BYTES)} is used`)
  t.true(stretches < 100, `${stretches} stretches`)
  t.deepEqual(treeFindings(pages, { indexes: [root] }), [])
})

test('rows that come in any order, in several runs, leave pages nearly full', (t) => {
  const random = seededRandom(t)
  const { pages, root } = newTree({ pageSize: 4096 })
  const numbers = Array.from({ length: 30_000 }, (_, number) => number)
  for (let i = numbers.length; i-- > 1; ) {
    const j = random.below(i + 1)
    const other = numbers[j]!
    numbers[j] = numbers[i]!
    numbers[i] = other
  }
  for (let part = 0; part < 3; part++) putAll(pages, root, numbers.slice(part * 10_000, (part + 1) * 10_000).map(row))
  t.is(countEntries(pages, root, 'index'), 30_000)
  t.true(fillOf(pages, root, ROW_BYTES) > 0.9, `${fillOf(pages, root, ROW_BYTES)} is used`)
  t.deepEqual(treeFindings(pages, { indexes: [root] }), [])
})

test('a run over entries that are all there changes them where they stand', (t) => {
  const { pages, root } = newTree({ pageSize: 512 })
  const rows = Array.from({ length: 2000 }, (_, number) => row(number))
  putAll(pages, root, rows)
  const { pageCount } = pages
  putAll(
    pages,
    root,
    rows.map(([entry, value], number) => [entry, number % 3 === 0 ? 'w'.repeat(value.length) : value]),
  )
  t.is(pages.pageCount, pageCount)
  compare(t, pages, root, new Map(rows.map(([entry, value], n) => [entry, n % 3 === 0 ? 'w'.repeat(100) : value])))
})

test('among entries of other kinds, runs of texts and runs of blobs find their places', async (t) => {
  const { pages, root } = newTree({ pageSize: 512 })
  const values = [-5, 7, 2 ** 40, 0.5, 'a', 'm', 'z', new Uint8Array([1]), new Uint8Array([9, 9])]
  for (const value of values) {
    const record = encodeRecord([value, 'other'])
    putRecord(pages, root, key.setFromRecord(record, 0, record.length), record, 'upsert')
  }
  putAll(
    pages,
    root,
    Array.from({ length: 300 }, (_, n) => [`${n}`, 'text']),
  )
  putAll(
    pages,
    root,
    Array.from({ length: 300 }, (_, n) => [new Uint8Array([n & 7, n >>> 3]), 'blob']),
  )
  t.is(countEntries(pages, root, 'index'), values.length + 600)
  t.deepEqual(treeFindings(pages, { indexes: [root] }), [])
  const path = join(temporaryFolder(t), 'test.db')
  writeFileSync(path, pages.toFile())
  const { integrity, counts } = await askSqlite(t, path, (db) => ({
    integrity: db.pragma('integrity_check', { simple: true }),
    counts: db.prepare('SELECT value, count(*) FROM entries GROUP BY value ORDER BY value').raw().all(),
  }))
  t.is(integrity, 'ok')
  t.deepEqual(counts, [
    ['blob', 300],
    ['other', values.length],
    ['text', 300],
  ])
})

test('a run takes keys of one kind, and of equal ones the last', (t) => {
  const run = new RecordRun(new ChunkPool())
  t.true(add(run, 'b', '1'))
  t.false(add(run, new Uint8Array([1]), '2'))
  t.true(add(run, 'a', '3'))
  t.true(add(run, 'b', '4'))
  t.false(run.isRising)
  run.sort()
  const left: unknown[] = []
  for (let index = 0; index < run.count; index++) {
    run.turnTo(index)
    left.push(decodeRecord(run.record(), 0, run.recordLength))
  }
  t.deepEqual(left, [
    ['a', '3'],
    ['b', '4'],
  ])
  run.clear()
  t.true(add(run, new Uint8Array([1]), '5'))
  t.true(run.isRising)
})

test('runs that take their memory from one pool hold what was put into each, again and again', (t) => {
  const random = seededRandom(t)
  const pool = new ChunkPool()
  const runs = [new RecordRun(pool), new RecordRun(pool)]
  for (let round = 0; round < 12; round++) {
    const models = runs.map(() => new Map<string, string>())
    const sizeMax = random.pick([20, 3000, RUN_RECORD_SIZE_MAX - 20])
    for (let i = random.below(600); i >= 0; i--) {
      const at = random.below(2)
      const entry = String(random.below(1000))
      const value = 'v'.repeat(random.below(sizeMax))
      t.true(add(runs[at]!, entry, value))
      models[at]!.set(entry, value)
    }
    for (const [at, run] of runs.entries()) {
      run.sort()
      const left: [string, string][] = []
      for (let index = 0; index < run.count; index++) {
        run.turnTo(index)
        left.push(decodeRecord(run.record(), 0, run.recordLength) as [string, string])
      }
      t.deepEqual(left, [...models[at]!].sort(byKey))
    }
    for (const run of runs) run.clear()
    if (random.below(3) === 0) {
      pool.drop()
      t.is(pool.sizeBytes, 0)
    }
  }
})
