/** `db.map` to the letter: keys and values of all kinds, ranges, iterators, batches, and what was made otherwise. */
import test, { type ExecutionContext } from 'ava'
import type { Database, KeyType, OrderedMap, RangeOptions } from '../../src/index.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { askSqlite, integrityCheck, startReferee } from '../support/referee.js'

type AnyKey = number | bigint | string | Uint8Array
type AnyMap = OrderedMap<AnyKey, unknown>

function openAny(db: Database): Promise<AnyMap> {
  return db.map<AnyKey, unknown>('any', { key: 'any', value: 'any' })
}

const MAX = 2n ** 63n - 1n
const MIN = -(2n ** 63n)

/** Values of every kind, in the order they have as keys. */
const ORDERED: readonly AnyKey[] = [
  Number.NEGATIVE_INFINITY,
  -1.7976931348623157e308,
  MIN,
  -(2n ** 53n),
  Number.MIN_SAFE_INTEGER,
  -2147483649,
  -1,
  -0.5,
  -5e-324,
  0,
  5e-324,
  0.5,
  1,
  1.5,
  127,
  128,
  65_536,
  2 ** 31,
  2 ** 47,
  Number.MAX_SAFE_INTEGER,
  2n ** 53n,
  2n ** 53n + 1n,
  MAX,
  1e300,
  Number.POSITIVE_INFINITY,
  '',
  '\0',
  '\0a',
  ' ',
  '1',
  '10',
  '2',
  'A',
  'a',
  'a\0',
  'a\0b',
  'ab',
  'zoë',
  'zz',
  'ä',
  '€',
  '\ufffd',
  '\uffff',
  '𐀀',
  '😀',
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  Uint8Array.of(97),
  Uint8Array.of(255),
]

test('keys and values of every kind come back as they were, in order, in Endmark and in SQLite', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await openAny(db)
  const shuffled = ORDERED.map((_, index) => ORDERED[(index * 29) % ORDERED.length]!)
  t.is(new Set(shuffled).size, ORDERED.length)
  await Promise.all(shuffled.map((key) => map.put(key, key)))
  t.deepEqual(
    [...map.entries()],
    ORDERED.map((key) => [key, key]),
  )
  t.deepEqual([...map.keys({ reverse: true })], [...ORDERED].reverse())
  for (const key of ORDERED) {
    t.deepEqual(map.get(key), key)
    t.true(map.has(key))
  }
  const inSqlite = await askSqlite(t, path, (sqlite) =>
    sqlite.prepare('SELECT typeof(key) AS type, key FROM "any" ORDER BY key').raw().safeIntegers().all(),
  )
  const expected = ORDERED.map((key) => {
    if (typeof key === 'string') return ['text', key]
    if (typeof key === 'object') return ['blob', Buffer.from(key)]
    return Number.isInteger(Number(key)) && Math.abs(Number(key)) < 1e19 ? ['integer', BigInt(key)] : ['real', key]
  })
  t.deepEqual(inSqlite, expected)
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('every range of mixed keys has exactly the keys between its bounds', async (t) => {
  const db = await openDatabase(t)
  const map = await openAny(db)
  const kept = ORDERED.filter((_, index) => index % 2 === 0)
  await map.batch(kept.map((key) => ({ type: 'put', key, value: 1 })))
  for (let low = 0; low < ORDERED.length; low += 3) {
    for (let high = 0; high < ORDERED.length; high += 4) {
      for (const lower of ['gt', 'gte'] as const) {
        for (const upper of ['lt', 'lte'] as const) {
          const range = { [lower]: ORDERED[low]!, [upper]: ORDERED[high]! }
          const from = lower === 'gt' ? low + 1 : low
          const to = upper === 'lt' ? high : high + 1
          const expected = ORDERED.slice(from, Math.max(from, to)).filter((key) => kept.includes(key))
          t.deepEqual([...map.keys(range)], expected)
          t.deepEqual([...map.keys({ ...range, reverse: true })], expected.reverse())
          t.is(map.count(range), expected.length)
          t.is([...map.values({ ...range, limit: 2 })].length, Math.min(2, expected.length))
        }
      }
    }
  }
})

test('a number is the same key as an integer, a float or a bigint', async (t) => {
  const db = await openDatabase(t)
  const map = await openAny(db)
  await map.put(1, 'number')
  await map.put(1n, 'bigint')
  t.is(map.count(), 1)
  t.is(map.get(1.0), 'bigint')
  await map.put(-0, 'minus zero')
  t.is(map.get(0), 'minus zero')
  // SQLite tells the two zeros apart no more than `===` does.
  t.deepEqual(
    [...map.keys()].map((key) => key === 0),
    [true, false],
  )
  await map.put(2 ** 53, 'float')
  t.is(map.get(2n ** 53n), 'float')
  t.is(map.count(), 3)
})

test('minus zero, as a value, comes out as SQLite keeps it', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await openAny(db)
  const reals = await db.map<number, number>('reals', { key: 'integer', value: 'real' })
  await map.put(1, -0)
  await reals.put(1, -0)
  t.true(map.get(1) === 0)
  t.true(reals.get(1) === 0)
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('json values come back equal and fresh', async (t) => {
  const db = await openDatabase(t)
  const map = await db.map<string, unknown>('json', { key: 'text', value: 'json' })
  const values: unknown[] = [
    null,
    true,
    false,
    0,
    -1.5,
    'text',
    '',
    '"',
    '5',
    [],
    [1, [2]],
    {},
    { a: { b: ['ü😀\0'] } },
  ]
  for (const [index, value] of values.entries()) {
    await map.put(String(index), value)
    t.deepEqual(map.get(String(index)), value)
  }
  const object = { list: [1] }
  const put = map.put('mutable', object)
  object.list.push(2)
  await put
  t.deepEqual(map.get('mutable'), { list: [1] })
  t.not(map.get('mutable'), map.get('mutable'))
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const value of [undefined, () => 1, Symbol('s'), 5n, cycle]) {
    await rejects(t, map.put('bad', value), 'ENDMARK_INVALID_ARGUMENT', /json|JSON|missing/)
  }
  t.false(map.has('bad'))
})

const WRONG: readonly (readonly [KeyType, readonly unknown[]])[] = [
  [
    'integer',
    [1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', MAX + 1n, MIN - 1n, true, null, undefined, {}, [1], 2 ** 53],
  ],
  ['real', [Number.NaN, '1.5', 5n, null, undefined, Uint8Array.of(1)]],
  ['text', [1, null, undefined, Uint8Array.of(1), new String('a'), ['a']]],
  ['blob', ['a', 1, null, undefined, [1], new ArrayBuffer(1), new Float64Array(1)]],
  ['any', [Number.NaN, true, null, undefined, {}, [], MAX + 1n, () => 1, Symbol('s'), new Date(0)]],
]

for (const [type, keys] of WRONG) {
  test(`what is no ${type} is refused as a key by every call, and named`, async (t) => {
    const db = await openDatabase(t)
    const map = await db.map<unknown, unknown>('wrong', { key: type, value: 'any' })
    for (const key of keys) {
      await rejects(t, map.put(key, 1), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
      await rejects(t, map.delete(key), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
      await rejects(t, map.batch([{ type: 'put', key, value: 1 }]), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
      for (const read of [() => map.get(key), () => map.has(key), () => map.getMany([key])]) {
        throws(t, () => void read(), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
      }
      if (key !== undefined) {
        for (const bound of ['gt', 'gte', 'lt', 'lte']) {
          throws(t, () => void map.entries({ [bound]: key }), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
          throws(t, () => void map.count({ [bound]: key }), 'ENDMARK_INVALID_ARGUMENT', /"wrong"/)
        }
      }
    }
    t.is(map.count(), 0)
    t.is(db.stats().openSnapshots, 0)
  })
}

test('text with half a surrogate pair is stored with U+FFFD, as a key too', async (t) => {
  const db = await openDatabase(t)
  const map = await openAny(db)
  await map.put('a\ud83d', 'b\ude00')
  t.is(map.get('a\ufffd'), 'b\ufffd')
  t.is(map.get('a\ud83d'), 'b\ufffd')
})

test('a value of 64 MiB is written, read, replaced and deleted', async (t) => {
  t.timeout(120_000)
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { synchronous: 'off' })
  const map = await db.map<string, Uint8Array>('big', { key: 'text', value: 'blob' })
  const value = new Uint8Array(64 << 20)
  for (let i = 0; i < value.length; i += 4099) value[i] = i
  await map.put('big', value)
  t.is(Buffer.compare(map.get('big')!, value), 0)
  await db.checkpoint({ mode: 'truncate' })
  t.is(Buffer.compare(map.get('big')!, value), 0)
  const [length, last] = await askSqlite(t, path, (sqlite) => {
    const row = sqlite.prepare('SELECT length(value) AS n, substr(value, 4099 * 16000 + 1, 1) AS b FROM big').get()
    const { n, b } = row as { n: number; b: Uint8Array }
    return [n, b[0]]
  })
  t.deepEqual([length, last], [value.length, value[4099 * 16_000]])
  const { pageCount } = db.stats()
  await map.delete('big')
  await map.put('again', value)
  t.true(db.stats().pageCount <= pageCount + 2, 'freed pages are used again')
})

test('an iterator holds its state while it runs and lets it go however it ends', async (t) => {
  const db = await openDatabase(t)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.batch(Array.from({ length: 1000 }, (_, key) => ({ type: 'put', key, value: key })))
  const held = () => db.stats().openSnapshots
  const endings: ((iterator: IterableIterator<number>) => void)[] = [
    (iterator) => void [...iterator],
    (iterator) => void iterator.return?.(),
    (iterator) => {
      t.throws(() => iterator.throw?.(new Error('stop')), { message: 'stop' })
    },
    (iterator) => {
      for (const key of iterator) if (key === 500) break
    },
    (iterator) => {
      t.throws(
        () => {
          for (const key of iterator) if (key === 5) throw new Error('left')
        },
        { message: 'left' },
      )
    },
  ]
  for (const end of endings) {
    for (const range of [{}, { reverse: true }, { gte: 3, lt: 900 }]) {
      const iterator = map.keys(range)
      t.is(held(), 1)
      end(iterator)
      t.is(held(), 0)
      t.deepEqual(iterator.next(), { done: true, value: undefined })
    }
  }
})

test('an iterator sees one state while everything changes', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { autoCheckpoint: 10 })
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.batch(Array.from({ length: 3000 }, (_, key) => ({ type: 'put', key, value: 1 })))
  const iterator = map.entries()
  const seen: [number, number][] = []
  for (let key = 0; key < 3000; key += 60) {
    for (let i = 0; i < 60; i++) seen.push(iterator.next().value as [number, number])
    await db.transaction((tx) => {
      for (let other = 0; other < 3000; other += 7) tx.delete(map, (other + key) % 3000)
      for (let other = 3; other < 3000; other += 11) tx.put(map, (other + key) % 3000, 2)
    })
    if (key % 600 === 0) await db.checkpoint()
  }
  t.true(iterator.next().done)
  t.deepEqual(
    seen,
    Array.from({ length: 3000 }, (_, key) => [key, 1]),
  )
})

test('wrong range options are refused and nothing stays held', async (t) => {
  const db = await openDatabase(t)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  const wrong: unknown[] = [
    { gt: 1, gte: 1 },
    { lt: 1, lte: 1 },
    { limit: -1 },
    { limit: 1.5 },
    { limit: '1' },
    { limit: Number.NaN },
    { reverse: 1 },
    { from: 1 },
    { gt: 'a' },
    null,
    7,
  ]
  for (const range of wrong) {
    for (const call of ['entries', 'keys', 'values', 'count'] as const) {
      throws(t, () => void map[call](range as RangeOptions<number>), 'ENDMARK_INVALID_ARGUMENT')
    }
  }
  t.is(db.stats().openSnapshots, 0)
  t.deepEqual([...map.entries({ limit: 0 })], [])
  t.deepEqual([...map.entries({ limit: Number.POSITIVE_INFINITY })], [])
})

test('a batch is all or nothing, in order, and names a wrong change', async (t) => {
  const db = await openDatabase(t)
  const map = await db.map<string, number>('m', { key: 'text', value: 'integer' })
  await map.batch([
    { type: 'put', key: 'a', value: 1 },
    { type: 'delete', key: 'a' },
    { type: 'put', key: 'a', value: 2 },
    { type: 'delete', key: 'not there' },
  ])
  t.deepEqual([...map.entries()], [['a', 2]])
  const bad: unknown[] = [
    { type: 'upsert', key: 'b' },
    { type: 'put', key: 'b', value: 'x' },
    { type: 'put', key: 'b' },
  ]
  for (const change of bad) {
    const batch = map.batch([{ type: 'put', key: 'c', value: 1 }, change] as never)
    await rejects(t, batch, 'ENDMARK_INVALID_ARGUMENT')
  }
  t.deepEqual([...map.entries()], [['a', 2]])
})

test('opening again takes the same definition, refuses another and names both', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  await db.map('m', { key: 'text', value: 'json' })
  await db.map('m', { key: 'text', value: 'json' })
  await db.map('M')
  const other = { key: 'integer', value: 'json' } as const
  await rejects(t, db.map('m', other), 'ENDMARK_INVALID_ARGUMENT', /TEXT.*INTEGER/s)
  await rejects(t, db.table('m', { columns: { key: 'text' }, primaryKey: 'key' }), 'ENDMARK_INVALID_ARGUMENT')
  await rejects(t, db.map('none'), 'ENDMARK_NOT_FOUND', /"none"/)
  await rejects(t, db.table('none'), 'ENDMARK_NOT_FOUND', /"none"/)
  for (const options of [
    { key: 'json', value: 'text' },
    { key: 'text' },
    { key: 'text', value: 'date' },
    { key: 'text', value: 'text', x: 1 },
    5,
    null,
  ]) {
    await rejects(t, db.map('new', options as never), 'ENDMARK_INVALID_ARGUMENT', /"new"/)
  }
  for (const name of ['', 'sqlite_x', 'a\0b', '\ud800', 5, null, undefined]) {
    await rejects(t, db.map(name as string, { key: 'text', value: 'text' }), 'ENDMARK_INVALID_ARGUMENT')
  }
  t.deepEqual(
    db.stores().map(({ name, kind, writable }) => [name, kind, writable]),
    [['m', 'map', true]],
  )
})

test('names with quotes, spaces, keywords and other scripts work', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const names = ['a"b', "it's", 'select', 'two words', 'ümlaut', '日本', '[x]', '`', '--', '%', '0']
  for (const name of names) {
    const map = await db.map<string, string>(name, { key: 'text', value: 'text' })
    await map.put('name', name)
  }
  await db.close()
  const again = await openDatabase(t, path)
  for (const name of names) t.is((await again.map<string, string>(name)).get('name'), name)
  await again.close()
  const inSqlite = await askSqlite(t, path, (sqlite) =>
    (sqlite.prepare('SELECT name FROM sqlite_schema').pluck().all() as string[]).map((name) =>
      sqlite
        .prepare(`SELECT value FROM "${name.replaceAll('"', '""')}"`)
        .pluck()
        .get(),
    ),
  )
  t.deepEqual(inSqlite, names)
  t.is(await integrityCheck(t, path), 'ok')
})

test('handles of a dropped map say so, and go on with one made anew', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const other = await openDatabase(t, path)
  const map = await db.map<string, string>('m', { key: 'text', value: 'text' })
  const elsewhere = await other.map<string, string>('m')
  await map.put('a', 'b')
  await db.dropStore('m')
  for (const handle of [map, elsewhere]) {
    throws(t, () => void handle.get('a'), 'ENDMARK_NOT_FOUND', /"m"/)
    throws(t, () => void handle.entries(), 'ENDMARK_NOT_FOUND')
    throws(t, () => void handle.count(), 'ENDMARK_NOT_FOUND')
    await rejects(t, handle.put('a', 'b'), 'ENDMARK_NOT_FOUND')
    await rejects(t, handle.delete('a'), 'ENDMARK_NOT_FOUND')
  }
  await rejects(t, db.dropStore('m'), 'ENDMARK_NOT_FOUND')
  t.is(db.stats().openSnapshots, 0)
  await other.map('m', { key: 'text', value: 'text' })
  t.is(map.get('a'), undefined)
  await map.put('c', 'd')
  t.is(elsewhere.get('c'), 'd')
})

test('pages of a dropped store are used again, overflow chains and inner pages included', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { pageSize: 512 })
  const fill = async (name: string) => {
    const map = await db.map<number, string>(name, { key: 'integer', value: 'text' })
    const table = await db.table<{ id: number; text: string }, number>(`${name} rows`, {
      columns: { id: 'integer', text: 'text' },
      primaryKey: 'id',
    })
    await db.transaction((tx) => {
      for (let key = 0; key < 500; key++) {
        tx.put(map, key, 'x'.repeat(key % 9 === 0 ? 2000 : 30))
        tx.put(table, { id: key, text: 'y'.repeat(key % 7 === 0 ? 3000 : 50) })
      }
    })
  }
  await fill('a')
  const { pageCount } = db.stats()
  for (let round = 0; round < 4; round++) {
    await db.dropStore('a')
    await db.dropStore('a rows')
    await fill('a')
    t.true(db.stats().pageCount <= pageCount + 2, `${db.stats().pageCount} of ${pageCount}`)
  }
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a snapshot goes on reading a store that was dropped or changed since', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await db.map<string, string>('m', { key: 'text', value: 'text' })
  await map.put('a', 'b')
  const snapshot = db.snapshot()
  await db.dropStore('m')
  const made = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await made.put(1, 2)
  t.is(snapshot.get(map, 'a'), 'b')
  t.deepEqual([...snapshot.range(map)], [['a', 'b']])
  t.is(made.get(1), 2)
  t.is(snapshot.count(map), 1)
  snapshot.close()
  t.is(made.get(1), 2)
})

test('SQLite may vacuum, drop and make a map anew under open handles', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const filler = await db.map<number, string>('filler', { key: 'integer', value: 'text' })
  const map = await openMapWithRows(t, db)
  await filler.batch(Array.from({ length: 500 }, (_, key) => ({ type: 'put', key, value: 'x'.repeat(100) })))
  await db.dropStore('filler')
  const sqlite = await startReferee(t, path)
  await sqlite.exec('VACUUM')
  t.is(map.count(), 300)
  t.is(map.get('key 299'), 'value 299')
  await map.put('more', 'after the vacuum')
  t.is(await sqlite.value("SELECT value FROM m WHERE key = 'more'"), 'after the vacuum')
  await sqlite.exec('DROP TABLE m')
  throws(t, () => void map.get('key 1'), 'ENDMARK_NOT_FOUND')
  await sqlite.exec('CREATE TABLE m(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID')
  t.is(map.get('key 1'), undefined)
  await map.put('made', 'by SQLite')
  t.is(await sqlite.value("SELECT value FROM m WHERE key = 'made'"), 'by SQLite')
  t.is(await sqlite.integrityCheck(), 'ok')
  await sqlite.close()
})

async function openMapWithRows(t: ExecutionContext<unknown>, db: Database): Promise<OrderedMap<string, string>> {
  const map = await db.map<string, string>('m', { key: 'text', value: 'text' })
  await map.batch(Array.from({ length: 300 }, (_, i) => ({ type: 'put', key: `key ${i}`, value: `value ${i}` })))
  t.is(map.count(), 300)
  return map
}

test('the definition tells the types of keys and values, unless they are given', async (t) => {
  const db = await openDatabase(t)
  const byNumber = await db.map('by number', { key: 'integer', value: 'text' })
  await byNumber.put(1, 'one')
  const text: string | null | undefined = byNumber.get(1n)
  t.is(text, 'one')
  // @ts-expect-error: a text is no key of this map
  throws(t, () => void byNumber.get('one'), 'ENDMARK_INVALID_ARGUMENT')
  const given = await db.map<string, { a: number }>('given', { key: 'text', value: 'json' })
  await given.put('k', { a: 1 })
  t.is(given.get('k')?.a, 1)
})
