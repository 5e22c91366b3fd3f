/**
 * The shape of trees and files after particular histories: how full pages get, what is reused, which page is never
 * used, what the schema's root on page 1 goes through. SQLite's integrity_check is asked wherever a file results.
 */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Database } from 'better-sqlite3'
import {
  clearTree,
  countEntries,
  createTree,
  deleteRecord,
  deleteRow,
  dropTree,
  findRecord,
  findRow,
  Payload,
  putRecord,
  putRow,
} from '../../src/btree/index.js'
import {
  BINARY_ORDER,
  decodeRecord,
  encodeRecord,
  FREELIST_COUNT_OFFSET,
  get32,
  type KeyOrder,
  lockBytePage,
  put32,
  SearchKey,
} from '../../src/format/index.js'
import { type PageNumber, pageNumber } from '../../src/units.js'
import { MemoryPages } from '../support/memory-pages.js'
import { Random } from '../support/random.js'
import { askSqlite, integrityCheck } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { treeFindings } from '../support/tree-findings.js'

const PAGE_ONE = pageNumber(1)
const key = new SearchKey(BINARY_ORDER)
const payload = new Payload()

function saved(t: ExecutionContext, pages: MemoryPages): string {
  const path = join(temporaryFolder(t), 'test.db')
  writeFileSync(path, pages.toFile())
  return path
}

function newTable(pages: MemoryPages, name = 'rows'): PageNumber {
  const root = createTree(pages, 'table')
  pages.addToSchema('table', name, name, root, `CREATE TABLE ${name}(value)`)
  return root
}

function newIndex(pages: MemoryPages, name = 'entries', columns = 'key, value, PRIMARY KEY(key)'): PageNumber {
  const root = createTree(pages, 'index')
  pages.addToSchema('table', name, name, root, `CREATE TABLE ${name}(${columns}) WITHOUT ROWID`)
  return root
}

function freeCount(pages: MemoryPages): number {
  return get32(pages.page(PAGE_ONE).bytes, FREELIST_COUNT_OFFSET)
}

/** How many pages SQLite takes for a table and an index of these keys, each with 40 bytes more. */
function pagesInSqlite(t: ExecutionContext, pageSize: number, numbers: readonly number[]): Promise<number[]> {
  const work = (db: Database, size: number, list: readonly number[]) => {
    db.exec(`PRAGMA page_size = ${size}; CREATE TABLE a(v); CREATE TABLE b(k PRIMARY KEY, v) WITHOUT ROWID; BEGIN`)
    const pageCount = () => db.pragma('page_count', { simple: true }) as number
    const counts = [pageCount()]
    const putRow = db.prepare('INSERT INTO a(rowid, v) VALUES (?, ?)')
    for (const number of list) putRow.run(number, 'x'.repeat(40))
    counts.push(pageCount())
    const putEntry = db.prepare('INSERT INTO b VALUES (?, ?)')
    for (const number of list) putEntry.run(String(number).padStart(10, '0'), 'x'.repeat(40))
    counts.push(pageCount())
    db.exec('COMMIT')
    return [counts[1]! - counts[0]!, counts[2]! - counts[1]!]
  }
  return askSqlite(t, join(temporaryFolder(t), 'sqlite.db'), work, pageSize, numbers)
}

const histories: Record<string, (i: number) => number> = {
  rising: (i) => i,
  falling: (i) => 10_000 - i,
  random: (i) => (i * 7919) % 10_007,
  'from both ends': (i) => (i % 2 === 0 ? i : 20_000 - i),
}

for (const [name, numberOf] of Object.entries(histories)) {
  test(`${name} keys take no more pages than under SQLite`, async (t) => {
    const pageSize = 1024
    const numbers = Array.from({ length: 6000 }, (_, i) => numberOf(i))
    const pages = new MemoryPages({ pageSize })
    const table = newTable(pages)
    const index = newIndex(pages)
    const before = pages.pageCount
    for (const number of numbers) putRow(pages, table, number, encodeRecord(['x'.repeat(40)]), 'insert')
    const between = pages.pageCount
    for (const number of numbers) {
      const text = String(number).padStart(10, '0')
      putRecord(pages, index, key.set([text]), encodeRecord([text, 'x'.repeat(40)]), 'insert')
    }
    const [forTable, forIndex] = await pagesInSqlite(t, pageSize, numbers)
    t.true(between - before <= forTable! * 1.01, `table: ${between - before} pages, SQLite ${forTable}`)
    t.true(pages.pageCount - between <= forIndex! * 1.01, `index: ${pages.pageCount - between}, SQLite ${forIndex}`)
    t.deepEqual(treeFindings(pages, { tables: [table], indexes: [index] }), [])
    t.is(await integrityCheck(t, saved(t, pages)), 'ok')
  })
}

test('appending touches no sibling: a new leaf costs that leaf, its parent and its neighbour at most', (t) => {
  const pages = new MemoryPages({ pageSize: 1024 })
  const table = createTree(pages, 'table')
  for (let rowid = 1; rowid <= 1000; rowid++) {
    putRow(pages, table, rowid, encodeRecord(['x'.repeat(60)]), 'insert')
    // Page 1 is not among them: the freelist is empty and the page count is kept elsewhere.
    t.true(pages.dirtyNumbers.length <= 5, `row ${rowid}`)
    pages.commit()
  }
})

test('a value of 64 MB is written, read, replaced in place and freed again', async (t) => {
  const pages = new MemoryPages({ pageSize: 4096 })
  const table = newTable(pages)
  const index = newIndex(pages)
  const size = 64 * 1024 * 1024
  const blob = new Uint8Array(size)
  for (let i = 0; i < size; i += 4093) blob[i] = i
  const record = encodeRecord([blob])
  putRow(pages, table, 7, record, 'insert')
  const used = pages.pageCount
  t.true(findRow(pages, table, 7, payload))
  t.is(Buffer.compare(payload.bytes.subarray(payload.start, payload.start + payload.length), record), 0)
  blob.fill(9)
  t.true(putRow(pages, table, 7, encodeRecord([blob]), 'upsert'))
  t.is(pages.pageCount, used)
  t.is(freeCount(pages), 0)
  t.deepEqual(treeFindings(pages, { tables: [table], indexes: [index] }), [])
  const sum = await askSqlite(t, saved(t, pages), (db) => [
    db.pragma('integrity_check', { simple: true }),
    db.prepare('SELECT length(value), hex(substr(value, 60000000, 3)) AS part FROM rows').raw().get(),
  ])
  t.deepEqual(sum, ['ok', [size, '090909']])
  t.true(deleteRow(pages, table, 7))
  t.true(freeCount(pages) > 16_000)
  putRecord(pages, index, key.set(['big']), encodeRecord(['big', blob]), 'insert')
  t.is(pages.pageCount, used)
  t.true(findRecord(pages, index, key, payload))
  t.is(payload.length, encodeRecord(['big', blob]).length)
  t.deepEqual(treeFindings(pages, { tables: [table], indexes: [index] }), [])
})

test('keys that are equal far into their overflow chains are told apart', async (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const index = newIndex(pages)
  const common = 'k'.repeat(3000)
  const texts: string[] = []
  for (let i = 0; i < 60; i++) texts.push(`${common}${String((i * 37) % 60).padStart(3, '0')}${'t'.repeat(i)}`)
  for (const text of texts)
    t.false(putRecord(pages, index, key.set([text]), encodeRecord([text, text.length]), 'insert'))
  for (const text of texts) {
    t.true(findRecord(pages, index, key.set([text]), payload))
    t.is(decodeRecord(payload.bytes, payload.start, payload.length)[1], text.length)
    t.false(findRecord(pages, index, key.set([`${text}x`]), payload))
  }
  t.deepEqual(treeFindings(pages, { indexes: [index] }), [])
  t.is(await integrityCheck(t, saved(t, pages)), 'ok')
  for (const text of texts) t.true(deleteRecord(pages, index, key.set([text])))
  t.is(pages.pageCount - freeCount(pages), 2)
})

test('index entries of three bytes, which take four on a leaf, go up and down between levels', async (t) => {
  // Records of one small integer: two bytes, or three for those that are neither 0 nor 1.
  const order: KeyOrder = [{ collation: 'binary', descending: false }]
  const pages = new MemoryPages({ pageSize: 512 })
  const index = createTree(pages, 'index')
  pages.addToSchema('table', 'small', 'small', index, 'CREATE TABLE small(a INTEGER, b, PRIMARY KEY(a)) WITHOUT ROWID')
  const number = new SearchKey(order)
  const random = new Random(20250104)
  const model = new Set<number>()
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 800; i++) {
      const value = random.between(-100, 100) * (random.below(3) + 1)
      const isPut = random.below(100) < (round % 2 === 0 ? 80 : 20)
      if (isPut) putRecord(pages, index, number.set([value]), encodeRecord([value, null]), 'upsert')
      else deleteRecord(pages, index, number.set([value]))
      if (isPut) model.add(value)
      else model.delete(value)
    }
    t.deepEqual(treeFindings(pages, { indexes: [index] }), [])
    t.is(countEntries(pages, index, 'index'), model.size)
    t.is(await integrityCheck(t, saved(t, pages)), 'ok')
  }
})

test('records of two bytes are the smallest cells there are', async (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const index = createTree(pages, 'index')
  pages.addToSchema('table', 'small', 'small', index, 'CREATE TABLE small(a INTEGER, PRIMARY KEY(a)) WITHOUT ROWID')
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 400; i++) putRecord(pages, index, key.set([i]), encodeRecord([i]), 'insert')
    for (let i = 0; i < 400; i += 3) deleteRecord(pages, index, key.set([i]))
    for (let i = 0; i < 400; i += 3) putRecord(pages, index, key.set([i]), encodeRecord([i]), 'insert')
    t.deepEqual(treeFindings(pages, { indexes: [index] }), [])
    t.is(await integrityCheck(t, saved(t, pages)), 'ok')
    for (let i = 0; i < 400; i++) t.true(deleteRecord(pages, index, key.set([i])))
    t.is(countEntries(pages, index, 'index'), 0)
  }
})

test('the schema on page 1 deepens and collapses around its file header', async (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const rows = 200
  for (let round = 0; round < 2; round++) {
    for (let rowid = 1; rowid <= rows; rowid++) {
      const sql = `CREATE VIEW v${rowid} AS SELECT 1${'1'.repeat(rowid % 90)}`
      putRow(pages, PAGE_ONE, rowid, encodeRecord(['view', `v${rowid}`, `v${rowid}`, 0, sql]), 'insert')
      if (rowid % 5 === 0) t.deepEqual(treeFindings(pages, {}), [], `row ${rowid}`)
    }
    const answer = await askSqlite(t, saved(t, pages), (db) => [
      db.pragma('integrity_check', { simple: true }),
      db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get(),
    ])
    t.deepEqual(answer, ['ok', rows])
    for (let rowid = 1; rowid <= rows; rowid++) {
      t.true(deleteRow(pages, PAGE_ONE, rowid))
      if (rowid > rows - 20 || rowid % 5 === 0) t.deepEqual(treeFindings(pages, {}), [], `row ${rowid}`)
    }
    t.is(countEntries(pages, PAGE_ONE, 'table'), 0)
    t.is(await integrityCheck(t, saved(t, pages)), 'ok')
  }
})

test('freed pages fill trunk after trunk and are all used again before the file grows', async (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const table = newTable(pages)
  const other = newTable(pages, 'other')
  const put = (root: PageNumber) => {
    for (let rowid = 1; rowid <= 3000; rowid++) putRow(pages, root, rowid, encodeRecord(['x'.repeat(200)]), 'insert')
  }
  put(table)
  const grown = pages.pageCount
  clearTree(pages, table, 'table')
  t.is(countEntries(pages, table, 'table'), 0)
  // A trunk of this page size lists 120 leaves.
  t.true(freeCount(pages) > 1000)
  t.deepEqual(treeFindings(pages, { tables: [table, other] }), [])
  t.is(await integrityCheck(t, saved(t, pages)), 'ok')
  put(other)
  t.is(pages.pageCount, grown)
  t.is(freeCount(pages), 0)
  t.deepEqual(treeFindings(pages, { tables: [table, other] }), [])
  t.is(await integrityCheck(t, saved(t, pages)), 'ok')
})

test('a dropped tree gives back every page, overflow chains and root included', (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const random = new Random(20250105)
  const index = createTree(pages, 'index')
  const table = createTree(pages, 'table')
  for (let i = 0; i < 500; i++) {
    const text = `${i}${'x'.repeat(random.below(20) === 0 ? 2000 : 30)}`
    putRecord(pages, index, key.set([text]), encodeRecord([text]), 'insert')
    putRow(pages, table, i, encodeRecord([text]), 'insert')
  }
  dropTree(pages, index, 'index')
  dropTree(pages, table, 'table')
  t.is(freeCount(pages), pages.pageCount - 1)
  t.deepEqual(treeFindings(pages, {}), [])
})

test('the lock-byte page is skipped when the file grows past 1 GiB', async (t) => {
  const pageSize = 65536
  const pages = new MemoryPages({ pageSize })
  const table = newTable(pages)
  // A database of 16,380 pages of which nearly all are free: two trunks of this page size could list them all.
  const target = lockBytePage(pageSize) - 5
  const first = pages.pageCount + 1
  pages.pageCount = target
  const trunks = [pageNumber(first), pageNumber(first + 1)]
  let leaf = first + 2
  for (const [i, trunk] of trunks.entries()) {
    const { bytes } = pages.writable(trunk)
    put32(bytes, 0, trunks[i + 1] ?? 0)
    let count = 0
    for (; count < 16_000 && leaf <= target; count++) put32(bytes, 8 + 4 * count, leaf++)
    put32(bytes, 4, count)
  }
  const { bytes } = pages.writable(PAGE_ONE)
  put32(bytes, 32, first)
  put32(bytes, FREELIST_COUNT_OFFSET, target - first + 1)
  t.deepEqual(treeFindings(pages, { tables: [table] }), [])
  // Use no free page: the file must grow over the lock-byte page.
  const free = freeCount(pages)
  put32(pages.writable(PAGE_ONE).bytes, FREELIST_COUNT_OFFSET, 0)
  for (let rowid = 1; rowid <= 20; rowid++) putRow(pages, table, rowid, encodeRecord(['x'.repeat(60_000)]), 'insert')
  put32(pages.writable(PAGE_ONE).bytes, FREELIST_COUNT_OFFSET, free)
  t.true(pages.pageCount > lockBytePage(pageSize))
  t.deepEqual(treeFindings(pages, { tables: [table] }), [])
  const path = join(temporaryFolder(t), 'test.db')
  const file = openSync(path, 'w')
  for (const page of pages.filePages()) writeSync(file, page.bytes, 0, pageSize, page.fileOffset)
  ftruncateSync(file, pages.pageCount * pageSize)
  closeSync(file)
  const answer = await askSqlite(t, path, (db) => [
    db.pragma('integrity_check', { simple: true }),
    db.prepare('SELECT sum(length(value)) FROM rows').pluck().get(),
  ])
  t.deepEqual(answer, ['ok', 20 * 60_000])
})

test('trees in NOCASE, RTRIM and descending order agree with SQLite', async (t) => {
  const order: KeyOrder = [
    { collation: 'nocase', descending: false },
    { collation: 'rtrim', descending: true },
    { collation: 'binary', descending: true },
  ]
  const pages = new MemoryPages({ pageSize: 512 })
  const columns = 'a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM, c, v, PRIMARY KEY(a, b DESC, c DESC)'
  const index = newIndex(pages, 'mixed', columns)
  const random = new Random(20250106)
  const words = ['a', 'A', 'b', 'B ', 'b  ', 'Ab', 'aB', 'é', 'z'.repeat(200)]
  const mixed = new SearchKey(order)
  let count = 0
  for (let i = 0; i < 1500; i++) {
    const c = random.pick([null, random.between(-20, 20), random.below(100) / 7, 'text', new Uint8Array([i & 3])])
    const values = [random.pick(words), random.pick(words), c]
    if (!putRecord(pages, index, mixed.set(values), encodeRecord([...values, i]), 'insert')) count++
    if (i % 3 === 0 && deleteRecord(pages, index, mixed)) count--
  }
  const path = saved(t, pages)
  const answer = await askSqlite(t, path, (db) => [
    // NULL in a primary key of such a table is an integrity finding of its own; the order is what matters here.
    (db.pragma('integrity_check') as { integrity_check: string }[])
      .map((row) => row.integrity_check)
      .filter((text) => !text.startsWith('NULL value in')),
    db.prepare('SELECT count(*) FROM mixed').pluck().get(),
  ])
  t.deepEqual(answer[1], count)
  t.true(
    (answer[0] as string[]).every((text) => text === 'ok'),
    String(answer[0]),
  )
})

test('putting with mode insert changes nothing where the key exists', (t) => {
  const pages = new MemoryPages()
  const table = createTree(pages, 'table')
  const index = createTree(pages, 'index')
  putRow(pages, table, 1, encodeRecord(['old']), 'insert')
  putRecord(pages, index, key.set(['k']), encodeRecord(['k', 'old']), 'insert')
  pages.commit()
  const edits = pages.editCount
  t.true(putRow(pages, table, 1, encodeRecord(['new']), 'insert'))
  t.true(putRecord(pages, index, key.set(['k']), encodeRecord(['k', 'new']), 'insert'))
  t.is(pages.editCount, edits)
  t.deepEqual(pages.dirtyNumbers, [])
})
