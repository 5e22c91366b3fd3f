/** `db.pool`: what the threads read is what this thread would read, in the state that was asked for (SNAP-7). */
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Database, type OpenOptions, open, type ReaderPool, type Snapshot } from '../../src/index.js'
import { moduleUrl } from '../support/module-url.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import type { Sum } from './sum-module.js'

const INLINE: OpenOptions = { synchronous: 'off', writer: 'inline' }
const SUM_MODULE = new URL('./sum-module.js', import.meta.url)
const KEYS_OF_PARTS = moduleUrl('export default (entries) => Array.from(entries, ([key]) => key)')

async function openPool(t: ExecutionContext<unknown>, db: Database, threads = 2): Promise<ReaderPool> {
  const pool = await db.pool({ threads })
  t.teardown(() => pool.close())
  return pool
}

async function filledMap(db: Database, count: number) {
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.batch(Array.from({ length: count }, (_, key) => ({ type: 'put', key, value: key })))
  return map
}

test.serial('getMany gives what the store gives, in the order of the keys', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await filledMap(db, 5000)
  const pairs = await db.table<{ a: string; b: number; data: Uint8Array | null }, readonly [string, number]>('pairs', {
    columns: { a: 'text', b: 'integer', data: 'blob' },
    primaryKey: ['a', 'b'],
  })
  const json = await db.map<string, unknown>('json', { key: 'text', value: 'json' })
  for (let b = 0; b < 10; b++)
    await pairs.put({ a: 'x', b, data: b % 2 === 0 ? new Uint8Array(b * 1000).fill(b) : null })
  await json.put('k', { list: [1, { two: 2 }], text: 'ä' })
  const pool = await openPool(t, db)
  const keys = Array.from({ length: 6000 }, (_, i) => (i * 7919) % 5500)
  t.true(JSON.stringify(await pool.getMany(map, keys)) === JSON.stringify(map.getMany(keys)))
  const pairKeys = Array.from({ length: 12 }, (_, b) => ['x', b] as const)
  t.deepEqual(await pool.getMany(pairs, pairKeys), pairs.getMany(pairKeys))
  t.deepEqual(await pool.getMany(json, ['k', 'missing']), json.getMany(['k', 'missing']))
  t.deepEqual(await pool.getMany(map, []), [])
  await map.put(1, -1)
  t.deepEqual(await pool.getMany(map, [1]), [-1], 'the newest state')
})

test.serial(
  'blobs come from a thread moved, not copied: small ones side by side, large ones each in its buffer',
  async (t) => {
    const db = await openDatabase(t, temporaryPath(t), INLINE)
    const map = await db.map<number, Uint8Array>('m', { key: 'integer', value: 'blob' })
    for (let key = 0; key < 20; key++) await map.put(key, new Uint8Array(key < 10 ? 100 + key : 5000 + key).fill(key))
    const pool = await openPool(t, db, 1)
    const keys = Array.from({ length: 20 }, (_, key) => key)
    const values = (await pool.getMany(map, keys)) as Uint8Array[]
    t.deepEqual(values, map.getMany(keys) as Uint8Array[])
    t.is(new Set(values.slice(0, 10).map(({ buffer }) => buffer)).size, 1)
    t.is(values[0]!.buffer.byteLength, 1045)
    for (const value of values.slice(10)) t.is(value.buffer.byteLength, value.byteLength)
  },
)

test.serial(
  'a module is run by its URL, as URL or text, or by its path, with a snapshot and what it is given',
  async (t) => {
    const db = await openDatabase(t, temporaryPath(t), INLINE)
    await filledMap(db, 100)
    const users = await db.table<{ id: number; name: string }>('users', {
      columns: { id: 'integer', name: 'text' },
      primaryKey: 'id',
    })
    await users.put({ id: 1, name: 'Ada' })
    const pool = await openPool(t, db, 1)
    const source = moduleUrl(`export default async (snapshot, { factor, blob }) => {
    const map = snapshot.map('m')
    const users = snapshot.table('users')
    await new Promise((resolve) => setTimeout(resolve, 1))
    return {
      stores: snapshot.stores().map(({ name }) => name),
      value: map.get(7) * factor + blob.length,
      same: snapshot.get(map, 7) === map.get(7) && snapshot.count(map) === map.count(),
      sum: [...map.values({ lt: 10 })].reduce((a, b) => a + b),
      name: users.get(1).name,
      put: await map.put(1, 1).catch(({ code }) => code),
      update: await users.update(1, { name: 'x' }).catch(({ code }) => code),
    }
  }`)
    const args = { factor: 10, blob: new Uint8Array(3) }
    const expected = {
      stores: ['m', 'users'],
      value: 73,
      same: true,
      sum: 45,
      name: 'Ada',
      put: 'ENDMARK_READONLY',
      update: 'ENDMARK_READONLY',
    }
    t.deepEqual(await pool.run(source, args), expected)
    t.deepEqual(await pool.run(new URL(source), args), expected)
    await t.throwsAsync(pool.run(fileURLToPath(SUM_MODULE), args), { instanceOf: TypeError, message: /iterable/ })
    t.is(await pool.run(moduleUrl('export default () => {}')), undefined)
  },
)

test.serial('the stores of a snapshot are those of its state, here as in a thread', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await filledMap(db, 10)
  const snapshot = db.snapshot()
  await map.put(3, 300)
  await db.map('later', { key: 'text', value: 'text' })
  const then = snapshot.map<number, number>('m')
  t.is(then.get(3), 3)
  t.is(map.get(3), 300)
  t.is(snapshot.get(then, 3), 3)
  t.is(
    db.read((newest) => newest.get(then, 3)),
    300,
    'a handle of this Database, given to another snapshot',
  )
  t.deepEqual(
    snapshot.stores().map(({ name }) => name),
    ['m'],
  )
  throws(t, () => snapshot.map('later'), 'ENDMARK_NOT_FOUND')
  await rejects(t, then.put(1, 1), 'ENDMARK_READONLY')
  const pool = await openPool(t, db, 1)
  t.deepEqual(await pool.getMany(then, [3]), [300])
  t.deepEqual(await pool.getMany(then, [3], { snapshot }), [3])
  const entries = then.entries()
  entries.next()
  snapshot.close()
  throws(t, () => then.get(3), 'ENDMARK_CLOSED')
  throws(t, () => entries.next(), 'ENDMARK_CLOSED')
  throws(t, () => snapshot.map('m'), 'ENDMARK_CLOSED')
})

/** Where a snapshot's pages are when it is handed over, and what has happened since it was taken. */
const STATES: Record<string, (db: Database, change: () => Promise<void>) => Promise<Snapshot>> = {
  'of a log that was never written to': async (db) => db.snapshot(),
  'in the main file, the log started over since': async (db, change) => {
    await change()
    await db.checkpoint({ mode: 'full' })
    return db.snapshot()
  },
  'in the log': async (db, change) => {
    await change()
    return db.snapshot()
  },
  'half copied': async (db, change) => {
    await change()
    const before = db.snapshot()
    await change()
    const snapshot = db.snapshot()
    await db.checkpoint()
    before.close()
    return snapshot
  },
}

for (const [where, take] of Object.entries(STATES)) {
  test.serial(`threads read the very state of a snapshot, ${where}, whatever is committed meanwhile`, async (t) => {
    const path = temporaryPath(t)
    const before = await open(path, INLINE)
    const made = await before.map<number, number>('m', { key: 'integer', value: 'integer' })
    await made.batch(Array.from({ length: 4000 }, (_, key) => ({ type: 'put', key, value: 0 })))
    await before.close()
    const db = await openDatabase(t, path, { ...INLINE, autoCheckpoint: 20 })
    const map = await db.map<number, number>('m')
    let value = 0
    const change = async () => {
      value++
      await map.batch(Array.from({ length: 400 }, (_, i) => ({ type: 'put', key: i * 10, value })))
    }
    const pool = await openPool(t, db)
    const snapshot = await take(db, change)
    const expected = [...snapshot.range(map)].reduce((sum, [, found]) => sum + found, 0)
    for (let i = 0; i < 5; i++) await change()
    await db.checkpoint()
    const keys = Array.from({ length: 4000 }, (_, key) => key)
    const [scanned, run, values] = await Promise.all([
      pool.scan<Sum>(map, {}, SUM_MODULE, { args: 1, snapshot }),
      pool.run(
        moduleUrl(`export default (snapshot) => [...snapshot.map('m').values()].reduce((a, b) => a + b)`),
        null,
        {
          snapshot,
        },
      ),
      pool.getMany(map, keys, { snapshot }),
      change()
        .then(change)
        .then(() => db.checkpoint()),
    ])
    t.deepEqual(scanned, { sum: expected, count: 4000 })
    t.is(run, expected)
    t.is(
      values.reduce<number>((sum, found) => sum + found!, 0),
      expected,
    )
    snapshot.close()
    await pool.close()
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test.serial(
  'a snapshot may be closed as soon as it was passed on, and must be open and of this Database until then',
  async (t) => {
    const db = await openDatabase(t, temporaryPath(t), INLINE)
    const other = await openDatabase(t, temporaryPath(t), INLINE)
    const map = await filledMap(db, 3000)
    const pool = await openPool(t, db, 1)
    const snapshot = db.snapshot()
    const calls = [1, 2, 3].map(() => pool.scan<number[][]>(map, {}, KEYS_OF_PARTS, { snapshot, parts: 4 }))
    snapshot.close()
    await map.put(-1, 0)
    for (const parts of await Promise.all(calls)) t.is(parts.flat().length, 3000)
    await rejects(t, pool.getMany(map, [1], { snapshot }), 'ENDMARK_CLOSED')
    await rejects(
      t,
      pool.getMany(map, [1], { snapshot: other.snapshot() }),
      'ENDMARK_INVALID_ARGUMENT',
      /another Database/,
    )
    const wrong = { snapshot: 'x' as unknown as Snapshot }
    await rejects(t, pool.run(KEYS_OF_PARTS, null, wrong), 'ENDMARK_INVALID_ARGUMENT', /snapshot/)
  },
)

test.serial('a scan puts the parts in the order of its range', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await filledMap(db, 20_000)
  const pool = await openPool(t, db)
  for (const range of [
    {},
    { reverse: true },
    { gte: 1000, lt: 19_000 },
    { gt: 15_000, reverse: true },
    { limit: 300 },
  ]) {
    const parts = await pool.scan<number[][]>(map, range, KEYS_OF_PARTS, { parts: 6 })
    t.true(JSON.stringify(parts.flat()) === JSON.stringify([...map.keys(range)]), JSON.stringify(range))
    t.is(parts.length, 'limit' in range ? 1 : 6)
  }
  t.deepEqual(await pool.scan(map, { gt: 30_000 }, KEYS_OF_PARTS), [[]])
  t.is((await pool.scan<unknown[]>(map, {}, KEYS_OF_PARTS)).length, 8, 'four for each thread')
  const indexes = moduleUrl('export default (entries, args, { index }) => index')
  t.deepEqual(await pool.scan(map, {}, indexes, { parts: 3 }), [0, 1, 2])
})

test.serial('a scan reads one state while others commit, and merges in a thread', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await filledMap(db, 20_000)
  const total = (20_000 * 19_999) / 2
  const pool = await openPool(t, db)
  let isScanning = true
  const moving = (async () => {
    for (let i = 0; isScanning; i++) {
      await db.transaction((tx) => {
        const [from, to] = [(i * 7919) % 20_000, (i * 104_729) % 20_000]
        if (from === to) return
        tx.put(map, from, tx.get(map, from)! - 5)
        tx.put(map, to, tx.get(map, to)! + 5)
      })
    }
  })()
  for (let i = 0; i < 15; i++) {
    t.deepEqual(await pool.scan<Sum>(map, {}, SUM_MODULE, { args: 2, parts: 5 }), { sum: total * 2, count: 20_000 })
  }
  isScanning = false
  await moving
})

test.serial('what a module transfers moves, and what it keeps it keeps', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const pool = await openPool(t, db, 1)
  const library = new URL('../../src/index.js', import.meta.url).href
  const module = moduleUrl(`
    import { transfer } from ${JSON.stringify(library)}
    const kept = new Float64Array([1, 2, 3])
    export default (snapshot, moves) => {
      const made = new Float64Array(1000).fill(7)
      const result = { made, kept }
      return moves ? transfer(result, [made.buffer]) : result
    }`)
  for (const moves of [true, false, true]) {
    const { made, kept } = await pool.run<{ made: Float64Array; kept: Float64Array }>(module, moves)
    t.is(made.length, 1000)
    t.is(made[999], 7)
    t.deepEqual([...kept], [1, 2, 3])
  }
})

test.serial('an idle thread keeps no log from being started over', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await filledMap(db, 1000)
  const pool = await openPool(t, db)
  await pool.scan(map, {}, SUM_MODULE, { args: 1 })
  await pool.getMany(map, [1, 2])
  await map.put(1, 2)
  // Waits for readers up to the timeout, which is far longer than the end of a thread's turn.
  t.is((await db.checkpoint({ mode: 'truncate' })).busy, 0)
})
