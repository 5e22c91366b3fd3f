/** Opening and closing: what `open` accepts and refuses, who may share a file, what is left after `close`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { open } from '../../src/index.js'
import { startEndmark } from '../support/endmark-process.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { askSqlite, integrityCheck } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'
import type { ThreadTask } from './thread-main.js'

const THREAD_FILE = fileURLToPath(new URL('./thread-main.js', import.meta.url))

const WRONG_OPTIONS: readonly (readonly [Record<string, unknown>, RegExp])[] = [
  [{ create: 1 }, /create .*1/],
  [{ readOnly: 'yes' }, /readOnly .*"yes"/],
  [{ pageSize: 1000 }, /pageSize .*1000/],
  [{ pageSize: 256 }, /pageSize .*256/],
  [{ pageSize: 131072 }, /pageSize .*131072/],
  [{ pageSize: '4096' }, /pageSize .*"4096"/],
  [{ synchronous: 'fast' }, /synchronous .*"fast"/],
  [{ writer: 'other' }, /writer .*"other"/],
  [{ autoCheckpoint: -1 }, /autoCheckpoint .*-1/],
  [{ autoCheckpoint: Number.NaN }, /autoCheckpoint .*NaN/],
  [{ timeout: '5' }, /timeout .*"5"/],
  [{ timeout: -5 }, /timeout .*-5/],
  [{ walLimit: -1 }, /walLimit .*-1/],
  [{ cacheLimit: null }, /cacheLimit .*null/],
  [{ readonly: true }, /"readonly"/],
  [{ toString: 1 }, /"toString"/],
  [{ timeout: Object.create(null) }, /timeout/],
  [{ synchronous: Symbol('full') }, /synchronous .*Symbol/],
]

for (const [options, message] of WRONG_OPTIONS) {
  const shown = Object.entries(options).map(([name, value]) => `${name}: ${typeof value} ${show(value)}`)
  test(`the option ${shown} is refused and quoted, and no file appears`, async (t) => {
    const path = temporaryPath(t)
    await rejects(t, open(path, options), 'ENDMARK_INVALID_ARGUMENT', message)
    t.false(existsSync(path))
  })
}

function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'object' : String(value)
}

test('a path must be a string that is not empty, and options an object', async (t) => {
  for (const path of ['', undefined, 7, null]) await rejects(t, open(path as string), 'ENDMARK_INVALID_ARGUMENT')
  for (const options of [null, 7, 'x', []]) {
    await rejects(t, open(temporaryPath(t), options as unknown as object), 'ENDMARK_INVALID_ARGUMENT')
  }
  await rejects(t, open('a\0b.db'), 'ENDMARK_INVALID_ARGUMENT')
})

test('undefined options mean the defaults', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), { pageSize: undefined } as object)
  t.is(db.stats().pageSize, 4096)
})

test('a missing file is not created with create: false or readOnly', async (t) => {
  const path = temporaryPath(t)
  await rejects(t, open(path, { create: false }), 'ENDMARK_NOT_FOUND')
  await rejects(t, open(path, { readOnly: true }), 'ENDMARK_NOT_FOUND')
  t.false(existsSync(path))
})

test('a missing folder is ENDMARK_NOT_FOUND', async (t) => {
  await rejects(t, open(join(temporaryFolder(t), 'no', 'such', 'a.db')), 'ENDMARK_NOT_FOUND')
})

test('a folder instead of a file is a typed error', async (t) => {
  const path = temporaryPath(t)
  mkdirSync(path)
  for (const options of [{}, { readOnly: true }, { create: false }]) {
    const error = await t.throwsAsync(open(path, options))
    t.regex((error as unknown as { code: string }).code, /^ENDMARK_(IO|NOT_A_DATABASE)$/)
  }
  t.false(existsSync(`${path}-wal`))
})

test('a new database has the page size asked for, an existing one keeps its own', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { pageSize: 65536 })
  t.is(db.stats().pageSize, 65536)
  t.is(db.path, path)
  await db.close()
  const again = await openDatabase(t, path, { pageSize: 512 })
  t.is(again.stats().pageSize, 65536)
})

test('an empty file becomes a database, with create only', async (t) => {
  const path = temporaryPath(t)
  writeFileSync(path, '')
  await rejects(t, open(path, { create: false }), 'ENDMARK_NOT_A_DATABASE')
  t.is(statSync(path).size, 0)
  const db = await openDatabase(t, path)
  await (await db.map('m', { key: 'text', value: 'text' })).put('a', 'b')
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('readOnly reads, refuses every write, and sees what others commit', async (t) => {
  const path = temporaryPath(t)
  const writer = await openDatabase(t, path)
  const map = await writer.map<string, number>('m', { key: 'text', value: 'integer' })
  await map.put('a', 1)
  const reader = await openDatabase(t, path, { readOnly: true })
  const seen = await reader.map<string, number>('m')
  t.is(seen.get('a'), 1)
  await map.put('a', 2)
  t.is(seen.get('a'), 2)
  const writes: (() => Promise<unknown>)[] = [
    () => seen.put('a', 3),
    () => seen.delete('a'),
    () => seen.batch([{ type: 'put', key: 'a', value: 3 }]),
    () => reader.transaction(() => 1),
    async () => reader.transactionSync(() => 1),
    () => reader.dropStore('m'),
    () => reader.checkpoint(),
    () => reader.map('new', { key: 'text', value: 'text' }),
    () => reader.table('new', { columns: { a: 'integer' }, primaryKey: 'a' }),
  ]
  for (const write of writes) await rejects(t, write, 'ENDMARK_READONLY')
  t.is(map.get('a'), 2)
})

test('a readOnly Database that closes last leaves the log to the next opener', async (t) => {
  const path = temporaryPath(t)
  const writer = await openDatabase(t, path)
  await (await writer.map('m', { key: 'text', value: 'text' })).put('a', 'b')
  const reader = await openDatabase(t, path, { readOnly: true })
  await writer.close()
  const before = [readFileSync(path), readFileSync(`${path}-wal`)]
  t.is((await reader.map('m')).get('a'), 'b')
  await reader.close()
  t.deepEqual([readFileSync(path), readFileSync(`${path}-wal`)], before)
  const again = await openDatabase(t, path)
  t.is((await again.map('m')).get('a'), 'b')
})

test('a rollback-journal database is switched to WAL, and readOnly refuses it', async (t) => {
  const path = temporaryPath(t)
  await askSqlite(t, path, (db) =>
    db.exec("CREATE TABLE x(id INTEGER PRIMARY KEY, y TEXT); INSERT INTO x VALUES(1, 'a')"),
  )
  t.is(readFileSync(path)[18], 1)
  const before = readFileSync(path)
  await rejects(t, open(path, { readOnly: true }), 'ENDMARK_UNSUPPORTED', /rollback-journal/)
  t.deepEqual(readFileSync(path), before)
  const db = await openDatabase(t, path)
  t.deepEqual((await db.table('x')).get(1), { id: 1, y: 'a' })
  await (await db.table('x')).put({ id: 2, y: 'b' })
  await db.close()
  const mode = await askSqlite(t, path, (sqlite) => [
    sqlite.pragma('journal_mode', { simple: true }),
    sqlite.prepare('SELECT count(*) AS n FROM x').all(),
    sqlite.pragma('integrity_check', { simple: true }),
  ])
  t.deepEqual(mode, ['wal', [{ n: 2 }], 'ok'])
})

test('a symbolic link shares the log with the real path', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'real.db')
  const other = join(folder, 'other')
  mkdirSync(other)
  const link = join(other, 'link.db')
  const db = await openDatabase(t, path)
  const map = await db.map<string, number>('m', { key: 'text', value: 'integer' })
  symlinkSync(path, link)
  const linked = await openDatabase(t, link)
  t.is(linked.path, path)
  await (await linked.map<string, number>('m')).put('a', 1)
  t.is(map.get('a'), 1)
  t.false(existsSync(`${link}-wal`))
  const chain = join(other, 'chain.db')
  symlinkSync('link.db', chain)
  const chained = await openDatabase(t, chain)
  t.is((await chained.map('m')).get('a'), 1)
})

test('a relative path is taken from the working folder', async (t) => {
  const folder = temporaryFolder(t)
  const child = await startEndmark(t, join(folder, 'a.db'))
  const path = await child.call(async (db, wanted) => {
    process.chdir(wanted)
    const { path } = db
    return path
  }, folder)
  t.is(path, join(folder, 'a.db'))
})

test('-wal and -shm get the permissions of the main file', async (t) => {
  const path = temporaryPath(t)
  const first = await open(path)
  await first.close()
  chmodSync(path, 0o640)
  const db = await openDatabase(t, path)
  await (await db.map('m', { key: 'text', value: 'text' })).put('a', 'b')
  const modes = ['', '-wal', '-shm'].map((suffix) => statSync(path + suffix).mode & 0o777)
  t.deepEqual(modes, [0o640, 0o640, 0o640])
})

test('twelve opens at once in one process make one database', async (t) => {
  const path = temporaryPath(t)
  const databases = await Promise.all(Array.from({ length: 12 }, () => open(path)))
  t.teardown(() => Promise.all(databases.map((db) => db.close())))
  const maps = await Promise.all(
    databases.map((db) => db.map<number, number>('m', { key: 'integer', value: 'integer' })),
  )
  await Promise.all(maps.map((map, index) => map.put(index, index)))
  for (const map of maps) t.is(map.count(), 12)
})

test('several Databases of one process add up exactly', async (t) => {
  const path = temporaryPath(t)
  const databases = await Promise.all([1, 2, 3].map(() => openDatabase(t, path, { autoCheckpoint: 20 })))
  const maps = await Promise.all(databases.map((db) => db.map<string, number>('m', { key: 'text', value: 'integer' })))
  const adding = databases.map(async (db, index) => {
    const map = maps[index]!
    for (let i = 0; i < 60; i++) {
      await db.transaction((tx) => tx.put(map, 'sum', (tx.get(map, 'sum') ?? 0) + 1))
      t.true((map.get('sum') ?? 0) >= i + 1)
    }
  })
  await Promise.all(adding)
  for (const map of maps) t.is(map.get('sum'), 180)
  await Promise.all(databases.map((db) => db.close()))
  t.is(await integrityCheck(t, path), 'ok')
})

test('worker threads and the main thread add up exactly', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const totals = await db.map<string, number>('totals', { key: 'text', value: 'integer' })
  const task: ThreadTask = { path, kind: 'add', count: 100 }
  const threads = [1, 2, 3].map(() => new Worker(THREAD_FILE, { workerData: task }))
  const ended = threads.map(
    (thread) => new Promise((resolve, reject) => thread.on('error', reject).on('exit', resolve)),
  )
  for (let i = 0; i < 100; i++) await db.transaction((tx) => tx.put(totals, 'sum', (tx.get(totals, 'sum') ?? 0) + 1))
  t.deepEqual(await Promise.all(ended), [0, 0, 0])
  t.is(totals.get('sum'), 400)
})

test('threads that are terminated in the middle of their work harm nobody', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const totals = await db.map<string, number>('totals', { key: 'text', value: 'integer' })
  const task: ThreadTask = { path, kind: 'endless', count: 0 }
  for (let round = 0; round < 5; round++) {
    const thread = new Worker(THREAD_FILE, { workerData: task })
    const failed = new Promise<never>((_, reject) => thread.on('error', reject))
    const before = totals.get('left') ?? 0
    // In the middle of another commit of it each time.
    const atWork = until(() => (totals.get('left') ?? 0) > before + round * 5, 'commits of the thread')
    await Promise.race([atWork, failed])
    await thread.terminate()
    t.is(totals.get('left'), totals.get('right'))
    await totals.put('mine', round)
    t.is(totals.get('mine'), round)
  }
  await db.close()
  const again = await openDatabase(t, path)
  const found = await again.map<string, number>('totals')
  t.is(found.get('left'), found.get('right'))
  await again.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('the last to close removes -wal and -shm', async (t) => {
  const path = temporaryPath(t)
  const first = await openDatabase(t, path)
  const second = await openDatabase(t, path)
  await (await first.map('m', { key: 'text', value: 'text' })).put('a', 'b')
  await first.close()
  t.true(existsSync(`${path}-wal`))
  await second.close()
  t.false(existsSync(`${path}-wal`))
  t.false(existsSync(`${path}-shm`))
})

test('close waits for pending commits and is idempotent', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  const puts = Array.from({ length: 50 }, (_, key) => map.put(key, key))
  const closing = db.close()
  t.false(db.isOpen)
  t.is(db.close(), closing)
  await closing
  await Promise.all(puts)
  await db.close()
  const again = await openDatabase(t, path)
  t.is((await again.map('m')).count(), 50)
})

test('close inside the function of a transaction waits for that transaction', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  let closing: Promise<void> | undefined
  const committed = db.transaction((tx) => {
    closing = db.close()
    tx.put(map, 1, 1)
  })
  await t.notThrowsAsync(committed)
  await closing
  const again = await openDatabase(t, path)
  t.is((await again.map<number>('m')).get(1), 1)
})

test('after close everything throws or rejects ENDMARK_CLOSED', async (t) => {
  const db = await openDatabase(t)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  const table = await db.table('t', { columns: { id: 'integer', x: 'text' }, primaryKey: 'id' })
  await map.batch(Array.from({ length: 2000 }, (_, key) => ({ type: 'put', key, value: key })))
  const snapshot = db.snapshot()
  const iterators = [map.entries(), map.keys(), snapshot.range(map), snapshot.range(map, { reverse: true })]
  for (const iterator of iterators) iterator.next()
  await db.close()
  const reads: (() => unknown)[] = [
    () => map.get(1),
    () => map.has(1),
    () => map.getMany([1]),
    () => map.count(),
    () => map.count({ gte: 1 }),
    () => map.entries(),
    () => map.keys(),
    () => map.values(),
    () => table.get(1),
    () => table.range(),
    () => db.stores(),
    () => db.stats(),
    () => db.snapshot(),
    () => db.read(() => 1),
    () => db.transactionSync(() => 1),
    () => snapshot.get(map, 1),
    () => snapshot.range(map),
    () => snapshot.count(map),
    ...iterators.map((iterator) => () => iterator.next()),
  ]
  for (const read of reads) {
    throws(t, () => void read(), 'ENDMARK_CLOSED')
  }
  const writes: (() => Promise<unknown>)[] = [
    () => map.put(1, 1),
    () => map.delete(1),
    () => map.batch([{ type: 'delete', key: 1 }]),
    () => table.put({ id: 1, x: 'a' }),
    () => table.insert({ id: 1, x: 'a' }),
    () => table.update(1, { x: 'a' }),
    () => db.transaction(() => 1),
    () => db.map('m'),
    () => db.map('n', { key: 'text', value: 'text' }),
    () => db.table('t'),
    () => db.dropStore('m'),
    () => db.checkpoint(),
  ]
  for (const write of writes) await rejects(t, write, 'ENDMARK_CLOSED')
  t.notThrows(() => snapshot.close())
  t.deepEqual(iterators[0]!.return!(), { done: true, value: undefined })
})

test('the dispose methods close', async (t) => {
  const db = await openDatabase(t)
  await db.map('m', { key: 'text', value: 'text' })
  const snapshot = db.snapshot()
  t.is(db.stats().openSnapshots, 1)
  snapshot[Symbol.dispose]()
  t.is(db.stats().openSnapshots, 0)
  await db[Symbol.asyncDispose]()
  t.false(db.isOpen)
  throws(t, () => db.stores(), 'ENDMARK_CLOSED')
})

test('`using` and `await using` close at the end of the block', async (t) => {
  const path = temporaryPath(t)
  let left: Awaited<ReturnType<typeof open>> | undefined
  {
    await using db = await open(path)
    left = db
    await (await db.map('m', { key: 'text', value: 'text' })).put('a', 'b')
    {
      using snapshot = db.snapshot()
      t.is(snapshot.endMark, db.stats().logFrames)
      t.is(db.stats().openSnapshots, 1)
    }
    t.is(db.stats().openSnapshots, 0)
  }
  t.false(left.isOpen)
  t.false(existsSync(`${path}-wal`))
})
