/** Maps and tables over pages in memory: what they store, and what SQLite says of it. */
import test, { type ExecutionContext } from 'ava'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import {
  type ColumnType,
  checkMatches,
  definitionOfNew,
  type MapChange,
  mapDefinition,
  OrderedMap,
  Table,
  type TableOptions,
  tableDefinition,
} from '../../src/store/index.js'
import { MemoryDatabase } from '../support/memory-database.js'

/** Opens what Endmark wrote, after SQLite has checked all of it. */
function inSqlite(t: ExecutionContext, database: MemoryDatabase): Database.Database {
  const db = new Database(Buffer.from(database.toFile()))
  t.teardown(() => db.close())
  t.is(db.pragma('integrity_check', { simple: true }), 'ok')
  return db
}

function newMap<K, V>(
  options: Parameters<typeof mapDefinition>[1],
): { database: MemoryDatabase; map: OrderedMap<K, V> } {
  const database = new MemoryDatabase()
  database.create(mapDefinition('m', options))
  return { database, map: new OrderedMap<K, V>(database, 'm') }
}

function newTable<Row extends object, Key>(
  options: TableOptions,
): { database: MemoryDatabase; table: Table<Row, Key> } {
  const database = new MemoryDatabase()
  database.create(tableDefinition('t', options))
  return { database, table: new Table<Row, Key>(database, 't') }
}

test('a map keeps values under keys, in order', async (t) => {
  const { database, map } = newMap<string, { n: number }>({ key: 'text', value: 'json' })
  for (const n of [5, 1, 4, 2, 3]) await map.put(`k${n}`, { n })
  t.deepEqual(map.get('k4'), { n: 4 })
  t.is(map.get('k6'), undefined)
  t.true(map.has('k1'))
  t.deepEqual(map.getMany(['k2', 'x', 'k1']), [{ n: 2 }, undefined, { n: 1 }])
  await map.put('k4', { n: 40 })
  t.true(await map.delete('k1'))
  t.false(await map.delete('k1'))
  t.deepEqual(
    [...map.entries()],
    [
      ['k2', { n: 2 }],
      ['k3', { n: 3 }],
      ['k4', { n: 40 }],
      ['k5', { n: 5 }],
    ],
  )
  t.deepEqual([...map.keys({ gte: 'k3', lt: 'k5' })], ['k3', 'k4'])
  t.deepEqual([...map.values({ gt: 'k3', reverse: true, limit: 1 })], [{ n: 5 }])
  t.is(map.count(), 4)
  t.is(map.count({ lte: 'k4' }), 3)
  const db = inSqlite(t, database)
  t.is(
    db.prepare(`SELECT sql FROM sqlite_schema`).pluck().get(),
    'CREATE TABLE "m"("key" TEXT NOT NULL PRIMARY KEY, "value" JSON TEXT) WITHOUT ROWID',
  )
  t.is(db.prepare(`SELECT value ->> 'n' FROM m WHERE key = 'k4'`).pluck().get(), 40)
})

test('a batch is committed as a whole or not at all', async (t) => {
  const { map } = newMap<string, string>({ key: 'text', value: 'text' })
  await map.batch([
    { type: 'put', key: 'a', value: '1' },
    { type: 'put', key: 'b', value: '2' },
    { type: 'delete', key: 'a' },
  ])
  t.deepEqual([...map.entries()], [['b', '2']])
  const bad = [
    { type: 'put', key: 'c', value: '3' },
    { type: 'put', key: 'd', value: 4 },
  ] as unknown as MapChange<string, string>[]
  await t.throwsAsync(map.batch(bad), { code: 'ENDMARK_INVALID_ARGUMENT' })
  const unknown = [{ type: 'change', key: 'c' }] as unknown as MapChange<string, string>[]
  await t.throwsAsync(map.batch(unknown), { code: 'ENDMARK_INVALID_ARGUMENT', message: /"change"/ })
  t.is(map.count(), 1)
})

test('values are encoded at the call', async (t) => {
  const { map } = newMap<string, Uint8Array>({ key: 'text', value: 'blob' })
  const blob = new Uint8Array([1, 2, 3])
  const put = map.put('a', blob)
  blob[0] = 9
  await put
  t.deepEqual(map.get('a'), new Uint8Array([1, 2, 3]))
})

test('keys and values of the wrong type are refused by name', async (t) => {
  const { map } = newMap<unknown, unknown>({ key: 'integer', value: 'text' })
  await t.throwsAsync(map.put('x', 'y'), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: /column "key": expected integer, got "x"/,
  })
  await t.throwsAsync(map.put(1, 2), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: /column "value": expected text, got 2/,
  })
  await t.throwsAsync(map.put(1, undefined), { code: 'ENDMARK_INVALID_ARGUMENT' })
  await t.throwsAsync(map.put(null, 'x'), { code: 'ENDMARK_INVALID_ARGUMENT' })
  t.throws(() => map.get(undefined), { code: 'ENDMARK_INVALID_ARGUMENT' })
  t.throws(() => map.entries({ gte: 'x' }), { code: 'ENDMARK_INVALID_ARGUMENT' })
  await map.put(1, null)
  t.is(map.get(1), null)
})

test('range options are checked', (t) => {
  const { map } = newMap<string, string>({ key: 'text', value: 'text' })
  const bad: object[] = [
    { from: 'a' },
    { limit: -1 },
    { limit: 1.5 },
    { limit: Number.NaN },
    { limit: '3' },
    { reverse: 1 },
    { gt: 'a', gte: 'a' },
    { lt: 'a', lte: 'a' },
  ]
  for (const options of bad)
    t.throws(() => map.entries(options), { code: 'ENDMARK_INVALID_ARGUMENT' }, JSON.stringify(options))
  t.deepEqual([...map.entries({ limit: 0 })], [])
})

test('an iteration lets go of its state at the end, on leaving the loop, on an error, and when it cannot begin', async (t) => {
  const { database, map } = newMap<string, string>({ key: 'text', value: 'json' })
  for (const key of ['a', 'b', 'c']) await map.put(key, key)
  const iterator = map.entries()
  t.is(database.pinCount, 1)
  await map.put('d', 'd')
  t.is([...iterator].length, 3, 'it goes on in its own state')
  t.is(database.pinCount, 0)
  for (const _ of map.keys()) break
  t.is(database.pinCount, 0)
  t.throws(() => map.keys({ gte: 5 } as never))
  t.is(database.pinCount, 0)
  t.throws(() => {
    for (const _ of map.values()) throw new Error('mine')
  })
  t.is(database.pinCount, 0)
  t.deepEqual(map.entries().return?.(), { done: true, value: undefined })
  t.is(database.pinCount, 0)
})

interface User {
  id?: number | bigint
  name: string
  email?: string | null
  joined?: number | null
}
const USERS: TableOptions = {
  columns: { id: 'integer', name: 'text', email: 'text', joined: 'real' },
  primaryKey: 'id',
}

test('a table with an integer key numbers its rows', async (t) => {
  const { database, table } = newTable<User, number>(USERS)
  t.is(await table.put({ name: 'a' }), 1)
  t.is(await table.put({ id: 41, name: 'b', joined: 5 }), 41)
  t.is(await table.insert({ name: 'c', email: 'c@d', joined: 1.25 }), 42)
  t.is(await table.put({ id: 1, name: 'A' }), 1)
  await t.throwsAsync(table.insert({ id: 41, name: 'x' }), { code: 'ENDMARK_CONSTRAINT' })
  t.deepEqual(table.get(41), { id: 41, name: 'b', email: null, joined: 5 })
  t.true(await table.update(42, { email: 'new' }))
  t.false(await table.update(43, { email: 'new' }))
  t.deepEqual(Object.entries(table.get(42)!), [
    ['id', 42],
    ['name', 'c'],
    ['email', 'new'],
    ['joined', 1.25],
  ])
  t.deepEqual(
    [...table.range({ gte: 2 })].map((row) => row.id),
    [41, 42],
  )
  t.true(await table.delete(1))
  t.is(table.count(), 2)
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT *, typeof(joined) AS type FROM t').all(), [
    { id: 41, name: 'b', email: null, joined: 5, type: 'real' },
    { id: 42, name: 'c', email: 'new', joined: 1.25, type: 'real' },
  ])
})

test('rowids reach over all 64 bits', async (t) => {
  const { database, table } = newTable<User, number | bigint>(USERS)
  const ids = [-(2n ** 63n), -5, 0, 2 ** 53 - 1, 2n ** 53n, 2n ** 63n - 2n]
  for (const id of ids) t.is(await table.put({ id, name: String(id) }), id)
  t.deepEqual(
    [...table.range()].map((row) => row.id),
    ids,
  )
  t.deepEqual(
    [...table.range({ gt: 2 ** 53 - 1, reverse: true })].map((row) => row.id),
    [2n ** 63n - 2n, 2n ** 53n],
  )
  t.is(await table.put({ name: 'next' }), 2n ** 63n - 1n)
  await t.throwsAsync(table.put({ name: 'none left' }), { code: 'ENDMARK_CONSTRAINT' })
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT name FROM t ORDER BY id').pluck().all(), [...ids.map(String), 'next'])
})

test('a composite key orders rows, and a shorter array is a prefix', async (t) => {
  const { database, table } = newTable<{ b: number; a: string; v: string }, [string, number]>({
    columns: { b: 'integer', v: 'text', a: 'text' },
    primaryKey: ['a', 'b'],
  })
  for (const a of ['x', 'y', 'z'])
    for (const b of [2, 1, 3]) t.deepEqual(await table.put({ a, b, v: `${a}${b}` }), [a, b])
  t.deepEqual(table.get(['y', 2]), { b: 2, v: 'y2', a: 'y' })
  t.deepEqual(Object.keys(table.get(['y', 2])!), ['b', 'v', 'a'])
  const values = (options: Parameters<typeof table.range>[0]): string =>
    [...table.range(options)].map((row) => row.v).join()
  t.is(values({ gte: ['y'], lte: ['y'] }), 'y1,y2,y3')
  t.is(values({ gt: ['y'] }), 'z1,z2,z3')
  t.is(values({ lt: ['y'] }), 'x1,x2,x3')
  t.is(values({ gt: ['x', 2], lt: ['y', 2] }), 'x3,y1')
  t.is(values({ gte: ['y'], lte: ['y', 2], reverse: true }), 'y2,y1')
  t.is(values({ lte: ['y'], reverse: true, limit: 2 }), 'y3,y2')
  t.is(values({ lte: [], limit: 1 }), 'x1')
  t.is(table.count({ gte: ['z', 2] }), 2)
  t.true(await table.update(['x', 1], { v: 'new' }))
  await t.throwsAsync(table.update(['x', 1], { b: 5 }), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: /part of the key/,
  })
  t.throws(() => table.get(['x'] as never), { code: 'ENDMARK_INVALID_ARGUMENT' })
  t.throws(() => table.get('x' as never), { code: 'ENDMARK_INVALID_ARGUMENT' })
  t.throws(() => table.range({ gte: ['x', 1, 2] }), { code: 'ENDMARK_INVALID_ARGUMENT' })
  t.true(await table.delete(['z', 3]))
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT v FROM t ORDER BY a, b').pluck().all(), [
    'new',
    'x2',
    'x3',
    'y1',
    'y2',
    'y3',
    'z1',
    'z2',
  ])
})

test('rows with unknown properties, missing keys or other shapes are refused', async (t) => {
  const { table } = newTable<Record<string, unknown>, string>({ columns: { k: 'text', v: 'text' }, primaryKey: 'k' })
  await t.throwsAsync(table.put({ k: 'a', w: 'typo' }), { code: 'ENDMARK_INVALID_ARGUMENT', message: /no column "w"/ })
  await t.throwsAsync(table.put({ v: 'x' }), { code: 'ENDMARK_CONSTRAINT', message: /column "k" is NOT NULL/ })
  for (const row of [null, 5, 'x', [1]])
    await t.throwsAsync(table.put(row as never), { code: 'ENDMARK_INVALID_ARGUMENT' })
  await table.put({ k: 'a', v: undefined, w: undefined })
  t.deepEqual(table.get('a'), { k: 'a', v: null })
  t.throws(() => table.index('x'), { code: 'ENDMARK_UNSUPPORTED' })
})

test('columns may be named as what objects inherit', async (t) => {
  const columns: Record<string, ColumnType> = JSON.parse(
    '{"__proto__":"text","constructor":"text","toString":"integer"}',
  )
  const { table } = newTable<Record<string, unknown>, string>({ columns, primaryKey: 'constructor' })
  const row = JSON.parse('{"__proto__":"p","constructor":"c","toString":5}')
  await table.put(row)
  t.is(JSON.stringify(table.get('c')), JSON.stringify(row))
  await table.put({ constructor: 'd' } as never)
  t.is(JSON.stringify(table.get('d')), '{"__proto__":null,"constructor":"d","toString":null}')
})

test('a toJSON that reads the same store does not disturb the write', async (t) => {
  const { map } = newMap<string, unknown>({ key: 'text', value: 'json' })
  await map.put('a', 'first')
  await map.put('b', { toJSON: () => [map.get('a'), [...map.keys()]] })
  t.deepEqual(map.get('b'), ['first', ['a']])
})

test('creating a store twice is fine with one definition and refused with two', (t) => {
  const database = new MemoryDatabase()
  t.false(database.create(mapDefinition('m', { key: 'text', value: 'json' })).existed)
  const cookie = database.pages().schemaCookie
  t.true(database.create(mapDefinition('m', { key: 'text', value: 'json' })).existed)
  t.is(database.pages().schemaCookie, cookie)
  const error = t.throws(() => database.create(mapDefinition('m', { key: 'text', value: 'text' })), {
    code: 'ENDMARK_INVALID_ARGUMENT',
  })
  t.regex(error.message, /JSON TEXT.*asked for.*"value" TEXT/)
  const existing = database.schemaNow.require('M')
  t.notThrows(() => checkMatches(existing, definitionOfNew(mapDefinition('m', { key: 'text', value: 'json' }))))
})

test('definitions that cannot be are refused by name', (t) => {
  const column: TableOptions['columns'] = { a: 'integer' }
  const bad: (() => unknown)[] = [
    () => mapDefinition('', { key: 'text', value: 'text' }),
    () => mapDefinition('sqlite_x', { key: 'text', value: 'text' }),
    () => mapDefinition('a\0b', { key: 'text', value: 'text' }),
    () => mapDefinition('a\ud800', { key: 'text', value: 'text' }),
    () => mapDefinition('m', { key: 'json' as never, value: 'text' }),
    () => mapDefinition('m', { key: 'text', value: 'date' as never }),
    () => mapDefinition('m', { key: 'text', value: 'text', more: 1 } as never),
    () => mapDefinition('m', undefined as never),
    () => tableDefinition('t', { columns: {}, primaryKey: 'a' }),
    () => tableDefinition('t', { columns: column, primaryKey: 'b' }),
    () => tableDefinition('t', { columns: column, primaryKey: [] }),
    () => tableDefinition('t', { columns: column, primaryKey: ['a', 'a'] }),
    () => tableDefinition('t', { columns: { a: 'json' }, primaryKey: 'a' }),
    () => tableDefinition('t', { columns: { a: 'text', A: 'text' }, primaryKey: 'a' }),
    () => tableDefinition('t', { columns: { a: 'toString' as never }, primaryKey: 'a' }),
    () => tableDefinition('t', { columns: column, primaryKey: 'toString' }),
    () => tableDefinition('t', { columns: column } as never),
  ]
  for (const make of bad) t.throws(make, { code: 'ENDMARK_INVALID_ARGUMENT' }, String(make))
  t.throws(() => tableDefinition('t', { columns: column, primaryKey: 'a', indexes: { i: { on: ['a'] } } }), {
    code: 'ENDMARK_UNSUPPORTED',
  })
})

test('a dropped store is gone, its pages are free, and its name may be used again', async (t) => {
  const { database, map } = newMap<string, string>({ key: 'text', value: 'text' })
  database.create(tableDefinition('other', USERS))
  for (let i = 0; i < 300; i++) await map.put(`key${i}`, 'x'.repeat(i * 10))
  database.apply([{ type: 'drop', store: 'M' }])
  t.throws(() => map.get('key1'), { code: 'ENDMARK_NOT_FOUND' })
  await t.throwsAsync(map.put('a', 'b'), { code: 'ENDMARK_NOT_FOUND' })
  t.throws(() => database.apply([{ type: 'drop', store: 'm' }]), { code: 'ENDMARK_NOT_FOUND' })
  t.deepEqual(
    database.schemaNow.stores().map((store) => store.name),
    ['other'],
  )
  const db = inSqlite(t, database)
  t.true((db.pragma('freelist_count', { simple: true }) as number) > 100)
  database.create(mapDefinition('m', { key: 'text', value: 'text' }))
  await map.put('a', 'b')
  t.is(map.get('a'), 'b')
  inSqlite(t, database)
})

test('a write encoded for a table that was altered meanwhile is refused', async (t) => {
  const { database, table } = newTable<User, number>(USERS)
  const operation = table.putOperation(database.schemaNow, { name: 'x' })
  database.apply([{ type: 'drop', store: 't' }])
  database.create(tableDefinition('t', { columns: { id: 'integer', name: 'text' }, primaryKey: 'id' }))
  t.throws(() => database.apply([operation]), { code: 'ENDMARK_INVALID_ARGUMENT', message: /altered/ })
  await t.throwsAsync(table.put({ name: 'x', email: 'y' }), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: /no column "email"/,
  })
})

test('records that cannot be decoded are damage of the named store', async (t) => {
  const { database, map } = newMap<string, string>({ key: 'text', value: 'text' })
  const layout = database.schemaNow.require('m').layoutDigest
  database.apply([{ type: 'put', store: 'm', layout, rowid: null, record: new Uint8Array([3, 15, 99, 0x61]) }])
  t.throws(() => map.get('a'), { code: 'ENDMARK_CORRUPT', message: /store "m"/ })
  t.throws(() => [...map.values()], { code: 'ENDMARK_CORRUPT', message: /store "m"/ })
  t.is(database.pinCount, 0)
})

const KEYS = {
  text: fc.string({ unit: 'grapheme', maxLength: 6 }),
  integer: fc.oneof(
    fc.integer({ min: -20, max: 20 }),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  ),
  real: fc.double({ noNaN: true }).map((n) => n + 0),
  blob: fc.uint8Array({ maxLength: 4 }),
} as const

for (const type of ['text', 'integer', 'real', 'blob'] as const) {
  test(`a map with ${type} keys equals a sorted list, and SQLite agrees`, (t) => {
    const change = fc.record({ isPut: fc.boolean(), key: KEYS[type], size: fc.oneof(fc.nat(30), fc.nat(6000)) })
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        KEYS[type],
        KEYS[type],
        fc.boolean(),
        (changes, low, high, reverse) => {
          const { database, map } = newMap<unknown, string>({ key: type, value: 'text' })
          const model = new Map<string, [unknown, string]>()
          const nameOf = (key: unknown): string =>
            key instanceof Uint8Array ? Buffer.from(key).toString('hex') : String(key)
          for (const { isPut, key, size } of changes) {
            const { schemaNow } = database
            database.apply([
              isPut ? map.putOperation(schemaNow, key, 'v'.repeat(size)) : map.deleteOperation(schemaNow, key),
            ])
            if (isPut) model.set(nameOf(key), [key, 'v'.repeat(size)])
            else model.delete(nameOf(key))
          }
          const compare = (a: unknown, b: unknown): number => {
            if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
            if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array)
            return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
          }
          const sorted = [...model.values()].sort(([a], [b]) => compare(a, b))
          t.deepEqual([...map.entries()], sorted)
          t.is(map.count(), sorted.length)
          const part = sorted.filter(([key]) => compare(key, low) >= 0 && compare(key, high) < 0)
          t.deepEqual([...map.entries({ gte: low, lt: high, reverse })], reverse ? part.reverse() : part)
          const outer = sorted.filter(([key]) => compare(key, low) > 0 && compare(key, high) <= 0)
          t.deepEqual([...map.entries({ gt: low, lte: high, reverse })], reverse ? outer.reverse() : outer)
          for (const [key, value] of sorted) t.is(map.get(key), value)
          const db = new Database(Buffer.from(database.toFile()))
          t.is(db.pragma('integrity_check', { simple: true }), 'ok')
          t.deepEqual(
            db.prepare('SELECT value FROM m ORDER BY key').pluck().all(),
            sorted.map(([, value]) => value),
          )
          db.close()
        },
      ),
      { numRuns: 25 },
    )
  })
}

interface Thing {
  a: string
  b: number
  any: unknown
  note: string | null
}
const anyValue = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.uint8Array({ maxLength: 5 }),
)
const thing: fc.Arbitrary<Thing> = fc.record({
  a: fc.constantFrom('x', 'y', 'é', ''),
  b: fc.integer({ min: -2, max: 2 }),
  any: anyValue,
  note: fc.option(fc.string({ unit: 'grapheme', maxLength: 2000 })),
})
const THINGS = { b: 'integer', any: 'any', a: 'text', note: 'text' } as const

/** What SQLite has in all rows, as Endmark gives values. */
function contents(t: ExecutionContext, database: MemoryDatabase, order: string): unknown[] {
  const rows = inSqlite(t, database).prepare(`SELECT a, b, "any", note FROM t ORDER BY ${order}`).safeIntegers().all()
  const normal = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return new Uint8Array(value)
    return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
  return (rows as Thing[]).map(({ a, b, any, note }) => ({ b: normal(b), any: normal(any), a, note }))
}

test('random changes of a table with a composite key equal a model, and SQLite agrees', (t) => {
  const change = fc.record({ type: fc.constantFrom('put', 'insert', 'update', 'delete'), row: thing })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const { database, table } = newTable<Thing, [string, number]>({ columns: THINGS, primaryKey: ['a', 'b'] })
      const model = new Map<string, Thing>()
      for (const { type, row } of changes) {
        const key = JSON.stringify([row.a, row.b])
        const existing = model.get(key)
        const schema = database.schemaNow
        if (type === 'put') database.apply([table.putOperation(schema, row)])
        else if (type === 'update') database.apply([table.updateOperation(schema, [row.a, row.b], { note: row.note })])
        else if (type === 'delete') database.apply([table.deleteOperation(schema, [row.a, row.b])])
        else if (existing === undefined) database.apply([table.insertOperation(schema, row)])
        else t.throws(() => database.apply([table.insertOperation(schema, row)]), { code: 'ENDMARK_CONSTRAINT' })
        if (type === 'put' || (type === 'insert' && existing === undefined)) model.set(key, row)
        if (type === 'update' && existing !== undefined) model.set(key, { ...existing, note: row.note })
        if (type === 'delete') model.delete(key)
      }
      const sorted = [...model.values()]
        .sort((x, y) => Buffer.compare(Buffer.from(x.a), Buffer.from(y.a)) || x.b - y.b)
        .map(({ a, b, any, note }) => ({ b, any, a, note }))
      t.deepEqual([...table.range()], sorted)
      t.deepEqual([...table.range({ reverse: true })], sorted.toReversed())
      t.deepEqual(contents(t, database, 'a, b'), sorted)
    }),
    { numRuns: 60 },
  )
})
