/** `db.table` to the letter: rows, keys, results, what others made, and schemas that change under open handles. */
import { writeFileSync } from 'node:fs'
import test from 'ava'
import type { Table } from '../../src/index.js'
import { ClockVfs, openWithClock } from '../support/clock-vfs.js'
import { readFixture } from '../support/fixtures.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { askSqlite, integrityCheck, startReferee } from '../support/referee.js'

interface User {
  id: number
  name: string | null
  joined: number | null
  tags: unknown
  photo: Uint8Array | null
  extra: unknown
}

const USERS = {
  columns: { id: 'integer', name: 'text', joined: 'real', tags: 'json', photo: 'blob', extra: 'any' },
  primaryKey: 'id',
} as const

const EMPTY = { name: null, joined: null, tags: null, photo: null, extra: null }

test('put, insert, update and delete say what they did', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const users = await db.table<User, number>('users', USERS)
  const row: User = {
    id: 42,
    name: 'Ada',
    joined: 1815,
    tags: ['x', { y: 1 }],
    photo: Uint8Array.of(1, 2),
    extra: 2n ** 60n,
  }
  t.is(await users.insert(row), 42)
  t.deepEqual(users.get(42), row)
  await rejects(t, users.insert(row), 'ENDMARK_CONSTRAINT', /"users"/)
  t.is(await users.put({ ...row, name: 'Ada L.' }), 42)
  t.true(await users.update(42, { name: null, extra: 'more' }))
  t.deepEqual(users.get(42), { ...row, name: null, extra: 'more' })
  t.true(await users.update(42, {}))
  t.false(await users.update(43, { name: 'x' }))
  t.is(await users.put({ name: 'next' } as User), 43)
  t.deepEqual(users.get(43), { id: 43, ...EMPTY, name: 'next' })
  t.true(await users.delete(42))
  t.false(await users.delete(42))
  t.is(users.get(42), undefined)
  t.deepEqual(users.getMany([43, 42]), [users.get(43), undefined])
  t.deepEqual(Object.keys(users.get(43)!), Object.keys(USERS.columns))
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('rows left without a key are numbered after the largest, also at once and over all 64 bits', async (t) => {
  const db = await openDatabase(t)
  const users = await db.table<User, number | bigint>('users', USERS)
  const keys = await Promise.all([1, 2, 3].map((n) => users.insert({ name: `user ${n}` } as User)))
  t.deepEqual(keys, [1, 2, 3])
  t.is(await users.put({ id: null, name: 'null' } as unknown as User), 4)
  await users.put({ id: Number.MAX_SAFE_INTEGER } as User)
  t.is(await users.put({} as User), 2n ** 53n)
  await users.put({ id: -(2n ** 63n) } as unknown as User)
  t.is([...users.range({ limit: 1 })][0]?.id as unknown, -(2n ** 63n))
  await users.put({ id: 2n ** 63n - 1n } as unknown as User)
  await rejects(t, users.put({} as User), 'ENDMARK_CONSTRAINT', /rowid/)
  t.is(users.count(), 8)
  t.is(users.count({ gt: 4 }), 3)
})

test('values of the wrong type are refused by column, in every call', async (t) => {
  const db = await openDatabase(t)
  const users = await db.table<User, number>('users', USERS)
  const wrong: readonly (readonly [string, unknown])[] = [
    ['id', 'x'],
    ['id', 1.5],
    ['name', 5],
    ['joined', '5'],
    ['joined', Number.NaN],
    ['joined', 5n],
    ['photo', [1]],
    ['tags', () => 1],
    ['tags', 5n],
    ['extra', true],
    ['extra', new Date(0)],
    ['unknown', 1],
  ]
  for (const [column, value] of wrong) {
    const named = column === 'id' ? /"users"/ : new RegExp(`"${column}"`)
    const row = { id: 1, [column]: value } as unknown as User
    await rejects(t, users.put(row), 'ENDMARK_INVALID_ARGUMENT', named)
    await rejects(t, users.insert(row), 'ENDMARK_INVALID_ARGUMENT', named)
    if (column !== 'id') await rejects(t, users.update(1, { [column]: value }), 'ENDMARK_INVALID_ARGUMENT', named)
    await rejects(
      t,
      db.transaction((tx) => tx.put(users, row)),
      'ENDMARK_INVALID_ARGUMENT',
      named,
    )
  }
  for (const row of [null, undefined, 5, 'x', [1]]) {
    await rejects(t, users.put(row as never), 'ENDMARK_INVALID_ARGUMENT', /row/)
    await rejects(t, users.update(1, row as never), 'ENDMARK_INVALID_ARGUMENT', /row/)
  }
  await rejects(t, users.update(1, { id: 2 }), 'ENDMARK_INVALID_ARGUMENT', /key/)
  for (const key of [null, undefined, 'x', 1.5, Number.NaN, {}, 2n ** 63n]) {
    throws(t, () => void users.get(key as number), 'ENDMARK_INVALID_ARGUMENT', /"users"/)
    await rejects(t, users.delete(key as number), 'ENDMARK_INVALID_ARGUMENT')
  }
  t.is(users.count(), 0)
})

interface Visit {
  day: string
  page: string
  visitor: number
  seconds: number | null
}

type Visits = Table<Visit, readonly [string, number, string]>

const VISITS = {
  columns: { day: 'text', page: 'text', visitor: 'integer', seconds: 'real' },
  primaryKey: ['day', 'visitor', 'page'],
} as const

test('a composite key is an array, in the order of the key, and every prefix bounds a range', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const visits: Visits = await db.table('visits', VISITS)
  const rows: Visit[] = []
  for (const day of ['mo', 'tu', 'we']) {
    for (const visitor of [-1, 0, 7]) {
      for (const page of ['/', '/a']) rows.push({ day, page, visitor, seconds: rows.length / 2 })
    }
  }
  const keys = await Promise.all([...rows].reverse().map((row) => visits.insert(row)))
  t.deepEqual(keys[0], ['we', 7, '/a'])
  t.deepEqual([...visits.range()], rows)
  t.deepEqual(visits.get(['tu', 0, '/a']), rows[9])
  const keyOf = ({ day, visitor, page }: Visit) => [day, visitor, page] as const
  const bounds = [
    ['mo'],
    ['tu'],
    ['tu', 0],
    ['tu', 3],
    ['tu', 7, '/'],
    ['tu', 7, '/a'],
    ['we'],
    ['zz'],
    [],
  ] as unknown as Visit[]
  const prefixOrder = (row: Visit, bound: readonly unknown[]) => {
    const key = keyOf(row)
    for (const [index, part] of bound.entries()) if (key[index] !== part) return key[index]! < (part as string) ? -1 : 1
    return 0
  }
  for (const bound of bounds as unknown as (readonly [string, number, string])[]) {
    const expected = {
      gte: rows.filter((row) => prefixOrder(row, bound) >= 0),
      gt: rows.filter((row) => prefixOrder(row, bound) > 0),
      lte: rows.filter((row) => prefixOrder(row, bound) <= 0),
      lt: rows.filter((row) => prefixOrder(row, bound) < 0),
    }
    for (const name of ['gte', 'gt', 'lte', 'lt'] as const) {
      t.deepEqual([...visits.range({ [name]: bound })], expected[name], `${name} ${bound}`)
      t.deepEqual([...visits.range({ [name]: bound, reverse: true })], [...expected[name]].reverse())
      t.is(visits.count({ [name]: bound }), expected[name].length)
    }
  }
  t.deepEqual([...visits.range({ gte: ['tu'], lte: ['tu', 0] })], rows.slice(6, 10))
  for (const key of ['tu', ['tu'], ['tu', 0], ['tu', 0, '/', 1], ['tu', '0', '/'], ['tu', 0, null]]) {
    throws(t, () => void visits.get(key as never), 'ENDMARK_INVALID_ARGUMENT', /"visits"/)
  }
  throws(t, () => void visits.range({ gte: ['a', 1, 'b', 2] as never }), 'ENDMARK_INVALID_ARGUMENT')
  await rejects(t, visits.put({ ...rows[0]!, visitor: null } as never), 'ENDMARK_CONSTRAINT', /"visitor"/)
  await rejects(t, visits.put({ day: 'mo', page: '/' } as never), 'ENDMARK_CONSTRAINT', /"visitor"/)
  t.true(await visits.update(['mo', 0, '/'], { seconds: null }))
  t.true(await visits.delete(['mo', 7, '/']))
  t.is(visits.count(), rows.length - 1)
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('definitions that cannot be are refused by name, before anything is made', async (t) => {
  const db = await openDatabase(t)
  const wrong: unknown[] = [
    {},
    { columns: {}, primaryKey: 'a' },
    { columns: { a: 'integer' } },
    { columns: { a: 'integer' }, primaryKey: 'b' },
    { columns: { a: 'integer' }, primaryKey: [] },
    { columns: { a: 'integer' }, primaryKey: ['a', 'a'] },
    { columns: { a: 'int' }, primaryKey: 'a' },
    { columns: { a: 'json' }, primaryKey: 'a' },
    { columns: { a: 'integer', A: 'text' }, primaryKey: 'a' },
    { columns: { a: 'integer', '': 'text' }, primaryKey: 'a' },
    { columns: ['a'], primaryKey: 'a' },
    { columns: { a: 'integer' }, primaryKey: 'a', x: 1 },
    null,
    5,
  ]
  for (const options of wrong) await rejects(t, db.table('t', options as never), 'ENDMARK_INVALID_ARGUMENT', /"t"/)
  const indexed = { columns: { a: 'integer', b: 'text' }, primaryKey: 'a', indexes: { by_b: { on: ['b'] } } } as const
  await rejects(t, db.table('t', indexed), 'ENDMARK_UNSUPPORTED', /index/)
  t.deepEqual(db.stores(), [])
})

test('what others made opens as it is, and says why it cannot be written', async (t) => {
  const path = temporaryPath(t)
  await askSqlite(t, path, (sqlite) =>
    sqlite.exec(`
      CREATE TABLE plain(a, b TEXT DEFAULT 'none', c INT DEFAULT 7);
      INSERT INTO plain(a) VALUES(1), ('two'), (NULL);
      CREATE TABLE ordered(name TEXT COLLATE NOCASE, n INTEGER, v TEXT, PRIMARY KEY(name, n DESC)) WITHOUT ROWID;
      INSERT INTO ordered VALUES('b', 1, 'x'), ('A', 1, 'x'), ('a', 2, 'x'), ('B', 5, 'x');
      CREATE TABLE late(id INTEGER PRIMARY KEY, a TEXT NOT NULL);
      INSERT INTO late VALUES(1, 'old');
      ALTER TABLE late ADD COLUMN b TEXT DEFAULT 'added';
      INSERT INTO late VALUES(2, 'new', 'given');
      CREATE TABLE indexed(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX by_a ON indexed(a);
      INSERT INTO indexed VALUES(1, 'x');
      CREATE TABLE triggered(id INTEGER PRIMARY KEY); CREATE TRIGGER tr AFTER INSERT ON triggered BEGIN SELECT 1; END;
      CREATE TABLE checked(id INTEGER PRIMARY KEY, a CHECK(a > 0));
      CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES indexed(id));
      CREATE TABLE computed(id INTEGER PRIMARY KEY, a, b AS (a + 1) STORED);
      CREATE TABLE uniq(id INTEGER PRIMARY KEY, a UNIQUE);
      CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT);
      CREATE VIEW v AS SELECT 1;
    `),
  )
  const db = await openDatabase(t, path)
  const plain = await db.table('plain')
  t.deepEqual(
    [...plain.range()],
    [
      { a: 1, b: 'none', c: 7 },
      { a: 'two', b: 'none', c: 7 },
      { a: null, b: 'none', c: 7 },
    ],
  )
  t.is(await plain.put({ a: 4, c: '12' }), 4)
  t.deepEqual(plain.get(4), { a: 4, b: 'none', c: 12 })
  t.is(await plain.put({ a: 5, b: undefined }), 5)
  const ordered = await db.table('ordered')
  t.deepEqual(
    [...ordered.range()].map(({ name, n }) => [name, n]),
    [
      ['a', 2],
      ['A', 1],
      ['B', 5],
      ['b', 1],
    ],
  )
  t.deepEqual(ordered.get(['B', 1]), { name: 'b', n: 1, v: 'x' })
  t.is(ordered.count({ gte: ['A'], lte: ['A'] }), 2)
  await ordered.put({ name: 'C', n: 3, v: 'y' })
  await rejects(t, ordered.insert({ name: 'c', n: 3, v: 'z' }), 'ENDMARK_CONSTRAINT')
  const late = await db.table('late')
  t.deepEqual(
    [...late.range()],
    [
      { id: 1, a: 'old', b: 'added' },
      { id: 2, a: 'new', b: 'given' },
    ],
  )
  t.true(await late.update(1, { a: 'changed' }))
  t.deepEqual(late.get(1), { id: 1, a: 'changed', b: 'added' })
  await rejects(t, late.put({ id: 3, a: null }), 'ENDMARK_CONSTRAINT', /"a"/)
  await rejects(t, late.put({ id: 3 }), 'ENDMARK_CONSTRAINT', /"a"/)
  const refused: readonly (readonly [string, RegExp])[] = [
    ['indexed', /index/],
    ['triggered', /trigger/],
    ['checked', /CHECK/],
    ['child', /foreign/],
    ['computed', /generated/],
    ['uniq', /index/],
    ['auto', /AUTOINCREMENT/],
  ]
  for (const [name, reason] of refused) {
    const table = await db.table(name)
    t.notThrows(() => [...table.range()])
    await rejects(t, table.put({ id: 9 }), 'ENDMARK_UNSUPPORTED', reason)
    await rejects(t, table.delete(1), 'ENDMARK_UNSUPPORTED', reason)
    await rejects(
      t,
      db.transaction((tx) => tx.delete(table, 1)),
      'ENDMARK_UNSUPPORTED',
      reason,
    )
    t.regex(String(db.stores().find((store) => store.name === name)?.writable), reason)
  }
  await rejects(t, db.table('v'), 'ENDMARK_UNSUPPORTED', /view/)
  await rejects(t, db.map('plain'), 'ENDMARK_UNSUPPORTED', /not a map/)
  await rejects(t, db.table('plain', { columns: { a: 'any' }, primaryKey: 'a' }), 'ENDMARK_INVALID_ARGUMENT')
  throws(t, () => plain.index('x'), 'ENDMARK_UNSUPPORTED')
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('every table of Chinook reads as SQLite reads it, also from the log', async (t) => {
  const path = temporaryPath(t, 'chinook.db')
  writeFileSync(path, readFixture('chinook.db'))
  const expected = await askSqlite(t, path, (sqlite) => {
    const names = sqlite
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all() as string[]
    return names.map((name) => [name, sqlite.prepare(`SELECT * FROM "${name}"`).all()] as const)
  })
  t.true(expected.length >= 11)
  const db = await openDatabase(t, path)
  t.deepEqual(
    db.stores().map(({ name }) => name),
    expected.map(([name]) => name),
  )
  for (const [name, rows] of expected) {
    const table = await db.table(name)
    t.is(table.count(), rows.length)
    t.deepEqual([...table.range()], rows as Record<string, unknown>[], name)
  }
})

test('a schema that SQLite changes under open handles is followed', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const users = await db.table<Record<string, unknown>, number>('users', USERS)
  for (let id = 1; id <= 200; id++) await users.put({ id, name: `user ${id}` }, { synchronous: 'off' })
  const iterator = users.range()
  iterator.next()
  const snapshot = db.snapshot()
  const sqlite = await startReferee(t, path)
  await sqlite.exec(
    "ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 30; INSERT INTO users(id, name, age) VALUES(201, 'new', 5)",
  )
  t.deepEqual(users.get(1), { id: 1, ...EMPTY, name: 'user 1', age: 30 })
  t.is(users.get(201)?.age, 5)
  t.deepEqual(snapshot.get(users, 1), { id: 1, ...EMPTY, name: 'user 1' })
  t.is(snapshot.count(users), 200)
  t.deepEqual(iterator.next().value, { id: 2, ...EMPTY, name: 'user 2' })
  await users.put({ id: 202, name: 'both', age: 6 })
  t.is(await sqlite.value('SELECT age FROM users WHERE id = 202'), 6)
  await sqlite.exec('ALTER TABLE users RENAME COLUMN name TO full_name')
  t.is(users.get(5)?.full_name, 'user 5')
  await rejects(t, users.put({ id: 7, name: 'old column' }), 'ENDMARK_INVALID_ARGUMENT', /"name"/)
  await sqlite.exec('ALTER TABLE users DROP COLUMN photo')
  t.deepEqual(Object.keys(users.get(5)!), ['id', 'full_name', 'joined', 'tags', 'extra', 'age'])
  snapshot.close()
  iterator.return?.()
  await sqlite.exec('VACUUM')
  t.is(users.count(), 202)
  await users.update(3, { full_name: 'after the vacuum' })
  t.is(await sqlite.value('SELECT full_name FROM users WHERE id = 3'), 'after the vacuum')
  await sqlite.exec('CREATE INDEX by_name ON users(full_name)')
  await rejects(t, users.put({ id: 9 }), 'ENDMARK_UNSUPPORTED', /index/)
  t.is(users.get(9)?.full_name, 'user 9')
  await sqlite.exec('DROP INDEX by_name')
  await users.delete(9)
  await sqlite.exec('ALTER TABLE users RENAME TO people')
  throws(t, () => void users.get(1), 'ENDMARK_NOT_FOUND', /"users"/)
  t.is((await db.table('people')).count(), 201)
  await sqlite.exec('DROP TABLE people; CREATE TABLE users(a TEXT, b TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID')
  throws(t, () => void users.get(1), 'ENDMARK_INVALID_ARGUMENT')
  t.is(users.count(), 0)
  await users.put({ a: 'x', b: 'y' })
  t.deepEqual(await sqlite.all('SELECT * FROM users'), [{ a: 'x', b: 'y' }])
  t.is(await sqlite.integrityCheck(), 'ok')
  await sqlite.close()
})

test('an index made by SQLite while a write waits for the lock stops that write', async (t) => {
  const path = temporaryPath(t)
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, path)
  const users = await db.table<User, number>('users', USERS)
  const sqlite = await startReferee(t, path)
  await sqlite.exec('BEGIN IMMEDIATE; CREATE INDEX by_name ON users(name)')
  const waiting = users.put({ id: 1, name: 'x' } as User)
  await clock.waited()
  await sqlite.exec('COMMIT')
  await rejects(t, clock.passUntil(waiting), 'ENDMARK_UNSUPPORTED', /index/)
  t.is(users.count(), 0)
  t.is(await sqlite.integrityCheck(), 'ok')
  await sqlite.close()
})

test('tables that others index can be dropped with all that belongs to them', async (t) => {
  const path = temporaryPath(t)
  await askSqlite(t, path, (sqlite) =>
    sqlite.exec(`
      CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT UNIQUE, y BLOB); CREATE INDEX a_y ON a(y);
      CREATE TRIGGER a_t AFTER DELETE ON a BEGIN SELECT 1; END;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO a(x, y) SELECT 'x' || i, randomblob(i * 20) FROM n;
      CREATE TABLE b(id INTEGER PRIMARY KEY); INSERT INTO b VALUES(1); ANALYZE;
    `),
  )
  const db = await openDatabase(t, path)
  const { pageCount } = db.stats()
  await db.dropStore('a')
  t.deepEqual(
    db.stores().map(({ name }) => name),
    ['b'],
  )
  const map = await db.map<number, Uint8Array>('m', { key: 'integer', value: 'blob' })
  await map.batch(Array.from({ length: 400 }, (_, key) => ({ type: 'put', key, value: new Uint8Array(key * 20) })))
  t.true(db.stats().pageCount <= pageCount)
  await db.close()
  const left = await askSqlite(t, path, (sqlite) => [
    sqlite.pragma('integrity_check', { simple: true }),
    sqlite.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").pluck().all(),
    sqlite.prepare("SELECT count(*) FROM sqlite_sequence WHERE name = 'a'").pluck().get(),
  ])
  t.deepEqual(left, ['ok', ['b', 'm'], 0])
})
