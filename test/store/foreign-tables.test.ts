/** Tables that SQLite created: what is read of them, and which may be written. */
import test, { type ExecutionContext } from 'ava'
import Database from 'better-sqlite3'
import { OrderedMap, Table } from '../../src/store/index.js'
import { readFixture } from '../support/fixtures.js'
import { MemoryDatabase } from '../support/memory-database.js'

type AnyRow = Record<string, unknown>

function fromSqlite(...statements: string[]): MemoryDatabase {
  const db = new Database(':memory:')
  for (const sql of statements) db.exec(sql)
  const image = db.serialize()
  db.close()
  return new MemoryDatabase(image)
}

function inSqlite(t: ExecutionContext, database: MemoryDatabase): Database.Database {
  const db = new Database(Buffer.from(database.toFile()))
  t.teardown(() => db.close())
  t.is(db.pragma('integrity_check', { simple: true }), 'ok')
  return db
}

test('every table of Chinook is read as SQLite reads it', (t) => {
  const image = readFixture('chinook.db')
  const database = new MemoryDatabase(image)
  const db = new Database(Buffer.from(image))
  const stores = database.schemaNow.stores()
  const names = db
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .pluck()
    .all()
  t.deepEqual(
    stores.map((store) => store.name),
    names as string[],
  )
  for (const { name, readable, indexes } of stores) {
    t.is(readable, true)
    const rows = db.prepare(`SELECT * FROM "${name}" ORDER BY rowid`).all() as AnyRow[]
    const table = new Table<AnyRow, number>(database, name)
    t.deepEqual([...table.range()], rows)
    t.is(table.count(), rows.length)
    t.deepEqual([...table.range({ reverse: true, limit: 3 })], rows.slice(-3).reverse())
    const indexNames = db
      .prepare(`SELECT name FROM pragma_index_list(?) ORDER BY seq DESC`)
      .pluck()
      .all(name) as string[]
    t.deepEqual(indexes.map((index) => index.name).sort(), indexNames.sort())
  }
  t.deepEqual(
    stores.filter((store) => store.writable === true).map((store) => store.name),
    ['Artist', 'Genre', 'MediaType', 'Playlist'],
  )
  t.is(database.schemaNow.require('album').readOnlyReason, 'foreign keys')
  db.close()
})

test('a plain table of Chinook is written, and SQLite agrees', async (t) => {
  const database = new MemoryDatabase(readFixture('chinook.db'))
  const genres = new Table<{ GenreId?: number; Name: string | null }, number>(database, 'Genre')
  const last = [...genres.range({ reverse: true, limit: 1 })][0]!.GenreId!
  t.is(await genres.put({ Name: 'Drone' }), last + 1)
  t.true(await genres.update(1, { Name: null }))
  t.true(await genres.delete(2))
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT * FROM Genre WHERE GenreId IN (1, 2, 26) ORDER BY 1').all(), [
    { GenreId: 1, Name: null },
    { GenreId: last + 1, Name: 'Drone' },
  ])
})

test('values of every kind are read as SQLite wrote them', (t) => {
  const database = fromSqlite(
    'CREATE TABLE v(id INTEGER PRIMARY KEY, x, r REAL)',
    `INSERT INTO v(x, r) VALUES (NULL, 1), (0, 2.5), (1, 0), (-129, -1e300), (32768, 3), (-8388609, 4), (2147483648, 5),
     (140737488355328, 6), (9007199254740991, 7), (9007199254740992, 8), (-9223372036854775808, 9), (1.5, 10), (-0.0, 11),
     ('', 12), ('text', 13), ('ünïcödé 😀', 14), (x'', 15), (x'00ff', 16), (9e999, 17), (randomblob(10000), 18), (zeroblob(9), 19)`,
  )
  const table = new Table<AnyRow, number>(database, 'v')
  const values = [...table.range()].map((row) => row.x)
  const expected = [null, 0, 1, -129, 32768, -8388609, 2147483648, 140737488355328, 9007199254740991, 9007199254740992n]
  t.deepEqual(values.slice(0, 10), expected)
  t.deepEqual(values.slice(10, 15), [-9223372036854775808n, 1.5, values[12], '', 'text'])
  t.true(Object.is(values[12], -0))
  t.deepEqual(values.slice(15, 19), ['ünïcödé 😀', new Uint8Array(0), new Uint8Array([0, 255]), Infinity])
  t.is((values[19] as Uint8Array).length, 10000)
  t.deepEqual([...table.range()].map((row) => row.r).slice(0, 4), [1, 2.5, 0, -1e300])
})

test('columns added later read as their default until the row is written again', async (t) => {
  const database = fromSqlite(
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a)',
    'INSERT INTO t(a) VALUES (1), (2)',
    `ALTER TABLE t ADD COLUMN b TEXT DEFAULT 12`,
    `ALTER TABLE t ADD COLUMN c NOT NULL DEFAULT x'01'`,
    'ALTER TABLE t ADD COLUMN d',
  )
  const table = new Table<AnyRow, number>(database, 't')
  t.deepEqual(table.get(1), { id: 1, a: 1, b: '12', c: new Uint8Array([1]), d: null })
  await table.update(1, { d: 'new' })
  await table.put({ a: 3 })
  t.deepEqual(table.get(1), { id: 1, a: 1, b: '12', c: new Uint8Array([1]), d: 'new' })
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT id, a, b, hex(c) AS c, d FROM t').all(), [
    { id: 1, a: 1, b: '12', c: '01', d: 'new' },
    { id: 2, a: 2, b: '12', c: '01', d: null },
    { id: 3, a: 3, b: '12', c: '01', d: null },
  ])
})

test('text that is not UTF-8 is read with U+FFFD, and an update never rewrites it', async (t) => {
  const database = fromSqlite(
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)',
    `INSERT INTO t VALUES (1, CAST(x'61ff62' AS TEXT), 1), (2, 'a\ufffdb', 1)`,
  )
  const table = new Table<AnyRow, number>(database, 't')
  t.is(table.get(1)?.a, 'a\ufffdb')
  await t.throwsAsync(table.update(1, { b: 2 }), { code: 'ENDMARK_UNSUPPORTED', message: /not UTF-8/ })
  t.true(await table.update(2, { b: 2 }))
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT hex(a) AS a, b FROM t').all(), [
    { a: '61FF62', b: 1 },
    { a: '61EFBFBD62', b: 2 },
  ])
})

test('values are converted to the affinity of a column that someone else declared', async (t) => {
  const database = fromSqlite(
    'CREATE TABLE t(k VARCHAR(9) PRIMARY KEY, n NUMERIC, i INT, f FLOAT, s VARCHAR(9), b) WITHOUT ROWID',
  )
  const table = new Table<AnyRow, string>(database, 't')
  t.is(await table.put({ k: 5, n: '12', i: '1e3', f: '7', s: 1.5, b: '9' } as AnyRow), '5')
  await table.put({ k: 'x', n: 'abc', i: 2 ** 60, f: 3n, s: 7n, b: 2 } as AnyRow)
  t.deepEqual(table.get('5'), { k: '5', n: 12, i: 1000, f: 7, s: '1.5', b: '9' })
  t.deepEqual(table.get('x'), { k: 'x', n: 'abc', i: 2n ** 60n, f: 3, s: '7', b: 2 })
  inSqlite(t, database)
})

test('keys follow the collation and direction that the table declares', async (t) => {
  const database = fromSqlite(
    'CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, v, PRIMARY KEY(a, b DESC)) WITHOUT ROWID',
    `INSERT INTO t VALUES ('b', 1, 'b1'), ('A', 2, 'a2'), ('a', 3, 'a3'), ('B', 4, 'b4')`,
  )
  const table = new Table<AnyRow, [string, number]>(database, 't')
  t.deepEqual(
    [...table.range()].map((row) => row.v),
    ['a3', 'a2', 'b4', 'b1'],
  )
  t.is(table.get(['a', 2])?.v, 'a2')
  t.deepEqual(
    [...table.range({ gte: ['A'], lte: ['A'] })].map((row) => row.v),
    ['a3', 'a2'],
  )
  await table.put({ a: 'C', b: 1, v: 'c1' })
  await table.put({ a: 'A', b: 3, v: 'A3' })
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT a, v FROM t ORDER BY a, b DESC').all(), [
    { a: 'A', v: 'A3' },
    { a: 'A', v: 'a2' },
    { a: 'B', v: 'b4' },
    { a: 'b', v: 'b1' },
    { a: 'C', v: 'c1' },
  ])
})

test('a table without a key column is keyed by its rowid', async (t) => {
  const database = fromSqlite('CREATE TABLE log(line TEXT NOT NULL)', `INSERT INTO log VALUES ('a'), ('b')`)
  const table = new Table<{ line: string }, number>(database, 'log')
  t.is(await table.put({ line: 'c' }), 3)
  t.deepEqual([...table.range({ gt: 1 })], [{ line: 'b' }, { line: 'c' }])
  t.true(await table.update(2, { line: 'B' }))
  t.true(await table.delete(1))
  await t.throwsAsync(table.put({ line: null as never }), { code: 'ENDMARK_CONSTRAINT', message: /"line" is NOT NULL/ })
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare('SELECT rowid, line FROM log').all(), [
    { rowid: 2, line: 'B' },
    { rowid: 3, line: 'c' },
  ])
})

test('a two-column table of someone else opens as a map', async (t) => {
  const database = fromSqlite(
    'CREATE TABLE codes(code INT, label TEXT, PRIMARY KEY(code)) WITHOUT ROWID',
    `INSERT INTO codes VALUES (2, 'b'), (1, 'a')`,
  )
  const map = new OrderedMap<number, string>(database, 'codes')
  t.deepEqual(
    [...map.entries()],
    [
      [1, 'a'],
      [2, 'b'],
    ],
  )
  await map.put(3, 'c')
  t.deepEqual([...map.keys({ reverse: true })], [3, 2, 1])
  inSqlite(t, database)
  const rows = fromSqlite('CREATE TABLE t(a INTEGER PRIMARY KEY, b)')
  t.throws(() => new OrderedMap(rows, 't').get(1), { code: 'ENDMARK_UNSUPPORTED', message: /not a map/ })
})

test('what we do not keep is a reason not to write, by name', async (t) => {
  const cases: [string[], RegExp][] = [
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b)', 'CREATE INDEX i ON t(b)'], /secondary indexes/],
    [['CREATE TABLE t(a TEXT PRIMARY KEY, b)'], /secondary indexes/],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)'], /secondary indexes/],
    [
      ['CREATE TABLE t(a INTEGER PRIMARY KEY, b)', 'CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END'],
      /triggers/,
    ],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b CHECK(b > 0))'], /CHECK/],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b REFERENCES t)'], /foreign keys/],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b AS (a + 1))'], /generated columns/],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b)'], /AUTOINCREMENT/],
    [['CREATE TABLE t(a INTEGER PRIMARY KEY, b INT) STRICT'], /STRICT/],
  ]
  for (const [statements, reason] of cases) {
    const database = fromSqlite(
      ...statements,
      statements[0]!.includes('b AS') ? 'INSERT INTO t VALUES (1)' : 'INSERT INTO t VALUES (1, 1)',
    )
    const table = new Table<AnyRow, number>(database, 't')
    t.is([...table.range()].length, 1)
    await t.throwsAsync(table.put({ a: 2, b: 3 }), { code: 'ENDMARK_UNSUPPORTED', message: reason })
    await t.throwsAsync(table.delete(1), { code: 'ENDMARK_UNSUPPORTED', message: reason })
    t.regex(String(database.schemaNow.stores()[0]!.writable), reason)
  }
})

test('virtual tables and views are named, not read', (t) => {
  const database = fromSqlite(
    'CREATE VIRTUAL TABLE docs USING fts5(body)',
    'CREATE TABLE t(a)',
    'CREATE VIEW w AS SELECT * FROM t',
  )
  const docs = database.schemaNow.stores().find((store) => store.name === 'docs')!
  t.regex(String(docs.readable), /fts5/)
  t.throws(() => new Table(database, 'docs').count(), { code: 'ENDMARK_UNSUPPORTED', message: /fts5/ })
  t.throws(() => new Table(database, 'w').count(), { code: 'ENDMARK_UNSUPPORTED', message: /view/ })
  t.throws(() => new Table(database, 'nothing').count(), { code: 'ENDMARK_NOT_FOUND' })
  t.throws(() => database.apply([{ type: 'drop', store: 'docs' }]), { code: 'ENDMARK_UNSUPPORTED' })
  t.throws(() => database.apply([{ type: 'create', store: 'w', sql: 'CREATE TABLE "w"("a")' }]), {
    code: 'ENDMARK_INVALID_ARGUMENT',
    message: /view/,
  })
})

test('dropping a table takes its indexes, triggers and bookkeeping with it', (t) => {
  const database = fromSqlite(
    'CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT UNIQUE)',
    'CREATE TABLE u(a INTEGER PRIMARY KEY AUTOINCREMENT, b)',
    'CREATE INDEX i ON t(b)',
    'CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END',
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t(b) SELECT 'row ' || i FROM n`,
    'INSERT INTO u VALUES (7, 8)',
    'ANALYZE',
  )
  database.apply([{ type: 'drop', store: 'T' }])
  const db = inSqlite(t, database)
  t.deepEqual(db.prepare(`SELECT name FROM sqlite_schema WHERE tbl_name = 't'`).all(), [])
  t.deepEqual(db.prepare('SELECT * FROM sqlite_sequence').all(), [{ name: 'u', seq: 7 }])
  t.is(db.prepare(`SELECT count(*) FROM sqlite_stat1 WHERE tbl = 't'`).pluck().get(), 0)
  db.exec('CREATE TABLE t(x)')
})

test('a damaged schema is reported where it is', (t) => {
  const cases: [string, RegExp][] = [
    [`UPDATE sqlite_schema SET rootpage = 99`, /root page 99/],
    [`UPDATE sqlite_schema SET rootpage = 1`, /root page 1/],
    [`UPDATE sqlite_schema SET rootpage = 'x'`, /root page x/],
    [`UPDATE sqlite_schema SET type = 'thing'`, /unknown type thing/],
    [`UPDATE sqlite_schema SET name = NULL`, /no name/],
  ]
  for (const [sql, reason] of cases) {
    const db = new Database(':memory:')
    db.unsafeMode()
    db.exec('CREATE TABLE t(a)')
    db.pragma('writable_schema = ON')
    db.exec(sql)
    const database = new MemoryDatabase(db.serialize())
    db.close()
    t.throws(() => database.schemaNow, { code: 'ENDMARK_CORRUPT', message: reason })
  }
})

test('a table whose SQL is not understood keeps the others readable', (t) => {
  const db = new Database(':memory:')
  db.unsafeMode()
  db.exec(`CREATE TABLE good(a); INSERT INTO good VALUES (1); CREATE TABLE bad(a)`)
  db.pragma('writable_schema = ON')
  db.exec(`UPDATE sqlite_schema SET sql = 'CREATE TABLE bad(a) LIKE NOTHING KNOWN' WHERE name = 'bad'`)
  const database = new MemoryDatabase(db.serialize())
  db.close()
  t.deepEqual([...new Table(database, 'good').range()], [{ a: 1 }])
  t.throws(() => new Table(database, 'bad').count(), {
    code: 'ENDMARK_UNSUPPORTED',
    message: /expected a table option/,
  })
})
