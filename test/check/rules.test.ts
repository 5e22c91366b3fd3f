/**
 * Rules of tables and indexes that single bytes hardly ever break: SQLite breaks them itself, by way of a schema that is
 * changed under its feet, and both checks have to say so; and tables with every oddity of a constraint, which are sound.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { integrityCheck, startReferee } from '../support/referee.js'

interface Case {
  readonly title: string
  readonly sql: string
  /** Replaces a text in the SQL that the schema keeps. */
  readonly schema: readonly [from: string, to: string]
  readonly expected: RegExp
}

const broken: readonly Case[] = [
  {
    title: 'NULL in a NOT NULL column',
    sql: 'CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL)',
    schema: ['b)', 'b NOT NULL)'],
    expected: /column "b" is NULL and must not be/,
  },
  {
    title: 'NULL where a column was added without a default',
    sql: 'CREATE TABLE t (a); INSERT INTO t VALUES (1)',
    schema: ['a)', 'a, b NOT NULL)'],
    expected: /column "b" is NULL and must not be/,
  },
  {
    title: 'a number in a TEXT column',
    sql: 'CREATE TABLE t (a, b BLOB); INSERT INTO t VALUES (1, 17)',
    schema: ['BLOB', 'TEXT'],
    expected: /column "b" has TEXT affinity and holds a number/,
  },
  {
    title: 'text that spells a number in a numeric column',
    sql: "CREATE TABLE t (a, b BLOB); INSERT INTO t VALUES (1, ' 1.5e3 ')",
    schema: ['BLOB', 'REAL'],
    expected: /column "b" has numeric affinity and holds a number as text/,
  },
  {
    title: 'a text in an integer column of a STRICT table',
    sql: "CREATE TABLE t (a, b ANY) STRICT; INSERT INTO t VALUES (1, 'x')".replace('(a,', '(a INT,'),
    schema: ['ANY', 'INT'],
    expected: /column "b" is INT of a STRICT table and holds TEXT/,
  },
  {
    title: 'two equal entries of a unique index',
    sql: 'CREATE TABLE t (a, b); CREATE INDEX i ON t (b); INSERT INTO t VALUES (1, 7), (2, 7)',
    schema: ['CREATE INDEX', 'CREATE UNIQUE INDEX'],
    expected: /entry is not unique in index "i"/,
  },
  {
    title: 'an index in another collation than its schema says',
    sql: "CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('a'), ('B'), ('c')",
    schema: ['(a)', '(a COLLATE NOCASE)'],
    expected: /does not sort after|row has no entry/,
  },
  {
    title: 'an index in another direction than its schema says',
    sql: 'CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1), (2), (3)',
    schema: ['t (a)', 't (a DESC)'],
    expected: /does not sort after/,
  },
  {
    title: 'rows that have no entry',
    sql: 'CREATE TABLE t (a, b); CREATE INDEX i ON t (b); INSERT INTO t VALUES (1, 7), (2, 8)',
    schema: ['(b)', '(a)'],
    expected: /row has no entry in index "i"/,
  },
  {
    title: 'too few entries',
    sql: 'CREATE TABLE t (a, b); CREATE INDEX i ON t (b) WHERE a > 1; INSERT INTO t VALUES (1, 7), (2, 8)',
    schema: [' WHERE a > 1', ''],
    expected: /1 entries in index "i" of 2 rows/,
  },
  {
    title: 'too few entries by an expression',
    sql: 'CREATE TABLE t (a, b); CREATE INDEX i ON t (b + 1) WHERE a > 1; INSERT INTO t VALUES (1, 7), (2, 8)',
    schema: [' WHERE a > 1', ''],
    expected: /1 entries in index "i" of 2 rows/,
  },
  {
    title: "a table of SQLite's own whose SQL has another name",
    sql: 'CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b); INSERT INTO t (b) VALUES (1)',
    schema: ['sqlite_sequence', 'sqlite_seruence'],
    expected: /table "sqlite_sequence": its SQL is that of table sqlite_seruence/,
  },
  {
    title: 'a key that is too long for its WITHOUT ROWID table',
    sql: 'CREATE TABLE t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO t VALUES (1, 2), (1, 3)',
    schema: ['PRIMARY KEY (a, b)', 'PRIMARY KEY (a)'],
    expected: /does not sort after/,
  },
]

for (const { title, sql, schema, expected } of broken) {
  test(`${title}: both checks find it`, async (t) => {
    const path = temporaryPath(t)
    const maker = await startReferee(t, path)
    await maker.exec(sql)
    await maker.call((db, [from, to]) => {
      db.unsafeMode()
      db.pragma('writable_schema = on')
      db.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?)').run(from, to)
      db.pragma('journal_mode = wal')
    }, schema ?? ['', ''])
    await maker.close()
    const referee = await startReferee(t, path)
    const theirs = await referee.integrityCheck().catch((error: Error) => error.message)
    t.not(theirs, 'ok')
    const db = await openDatabase(t, path, { readOnly: true })
    const { findings } = await db.check()
    t.true(
      findings.some(({ what }) => expected.test(what)),
      `${findings.map(({ what }) => what).join('\n')}\nSQLite: ${theirs}`,
    )
  })
}

test('a text that differs from that of its entry only in case: both checks find it', async (t) => {
  const path = temporaryPath(t)
  const maker = await startReferee(t, path)
  await maker.exec(`CREATE TABLE t (a COLLATE NOCASE); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('needle');
    PRAGMA journal_mode = wal`)
  await maker.close()
  const bytes = readFileSync(path)
  bytes.write('NEEDLE', bytes.lastIndexOf('needle'))
  writeFileSync(path, bytes)
  const db = await openDatabase(t, path, { readOnly: true })
  const { findings } = await db.check()
  t.deepEqual(
    findings.map(({ what }) => what),
    ['row has other values than its entry in index "i"'],
  )
  t.not(await integrityCheck(t, path), 'ok')
})

/** Makes each of these real numbers in a file NaN. */
function putNaN(path: string, values: readonly number[]): void {
  const bytes = readFileSync(path)
  for (const value of values) {
    const content = Buffer.alloc(8)
    content.writeDoubleBE(value)
    for (let at = bytes.indexOf(content); at >= 0; at = bytes.indexOf(content)) bytes.writeDoubleBE(Number.NaN, at)
  }
  writeFileSync(path, bytes)
}

test('NaN, which SQLite reads as NULL, in a NOT NULL column: both checks find it', async (t) => {
  // A damaged copy of the full tier: SQLite found "NULL value in Track.UnitPrice", and we found it sound.
  const path = temporaryPath(t)
  const maker = await startReferee(t, path)
  await maker.exec('CREATE TABLE t (a REAL NOT NULL); INSERT INTO t VALUES (1.25); PRAGMA journal_mode = wal')
  await maker.close()
  putNaN(path, [1.25])
  t.regex(await integrityCheck(t, path), /NULL value in t\.a/)
  const db = await openDatabase(t, path, { readOnly: true })
  t.deepEqual(
    (await db.check()).findings.map(({ what }) => what),
    ['column "a" is NULL and must not be'],
  )
})

test('NaN, which SQLite reads as NULL, is unique however often it is there', async (t) => {
  const path = temporaryPath(t)
  const maker = await startReferee(t, path)
  await maker.exec('CREATE TABLE t (a REAL UNIQUE); INSERT INTO t VALUES (1.25), (2.25); PRAGMA journal_mode = wal')
  await maker.close()
  putNaN(path, [1.25, 2.25])
  t.is(await integrityCheck(t, path), 'ok')
  const db = await openDatabase(t, path, { readOnly: true })
  t.deepEqual((await db.check()).findings, [])
})

const odd: readonly string[] = [
  'CREATE TABLE t (a UNIQUE, b UNIQUE, UNIQUE (a), UNIQUE (b, a), UNIQUE (a, b), UNIQUE (b, a))',
  'CREATE TABLE t (a INTEGER PRIMARY KEY UNIQUE, b TEXT UNIQUE)',
  'CREATE TABLE t (a TEXT PRIMARY KEY, b UNIQUE)',
  'CREATE TABLE t (a UNIQUE, b INTEGER PRIMARY KEY DESC)',
  'CREATE TABLE t (a UNIQUE, b, PRIMARY KEY (b DESC, a))',
  'CREATE TABLE t (a UNIQUE, b UNIQUE COLLATE NOCASE, UNIQUE (b COLLATE BINARY), PRIMARY KEY (b))',
  'CREATE TABLE t (a TEXT COLLATE RTRIM PRIMARY KEY, b UNIQUE) WITHOUT ROWID',
  'CREATE TABLE t (a, b UNIQUE, PRIMARY KEY (b, a)) WITHOUT ROWID',
  'CREATE TABLE t (b UNIQUE, a INTEGER PRIMARY KEY) WITHOUT ROWID',
  'CREATE TABLE t (a, b, PRIMARY KEY (a DESC, b COLLATE NOCASE)) WITHOUT ROWID; CREATE INDEX i ON t (b)',
  'CREATE TABLE t (a, b UNIQUE, PRIMARY KEY (a DESC)) WITHOUT ROWID; CREATE INDEX i ON t (b DESC)',
  'CREATE TABLE t (a, b, c, UNIQUE (c, b), PRIMARY KEY (a DESC, b DESC)) WITHOUT ROWID; CREATE INDEX i ON t (c)',
  'CREATE TABLE t (a, b, PRIMARY KEY (b)) WITHOUT ROWID; CREATE INDEX i ON t (b COLLATE NOCASE, a)',
  'CREATE TABLE t (a, b); CREATE INDEX i ON t (a DESC, b COLLATE RTRIM); CREATE INDEX j ON t (b) WHERE b IS NOT NULL',
  'CREATE TABLE t (a, b); CREATE INDEX i ON t (a || b, a); CREATE UNIQUE INDEX j ON t (a, b, a || b)',
  'CREATE TABLE t (a REAL, b NUMERIC); CREATE INDEX i ON t (a, b)',
  'CREATE TABLE t (a, b AS (a || 1), c); INSERT INTO t (a) VALUES (2); ALTER TABLE t DROP COLUMN c; CREATE INDEX i ON t (b, a)',
  'CREATE TABLE "odd ""name" ("a b" UNIQUE, [c d], b AS (1)); CREATE VIEW t AS SELECT "a b" AS a, [c d] AS b FROM "odd ""name"',
  `CREATE TABLE t (a); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'x'; CREATE INDEX i ON t (b)`,
  'CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b); CREATE TABLE u (v); CREATE TRIGGER x AFTER INSERT ON u BEGIN SELECT 1; END',
]

for (const sql of odd) {
  test(`sound, however odd: ${sql}`, async (t) => {
    const path = temporaryPath(t)
    const referee = await startReferee(t, path)
    await referee.exec(`PRAGMA page_size = 512; PRAGMA journal_mode = wal; ${sql}`)
    await referee
      .call((db) => {
        const isView = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = 't'").get() !== undefined
        const columns = db.pragma('table_info(t)') as { name: string }[]
        if (isView || columns.length < 2) return
        const insert = db.prepare(`INSERT OR IGNORE INTO t (a${columns[1]!.name === 'b' ? ', b' : ''}) VALUES (?, ?)`)
        for (let i = 0; i < 200; i++) insert.run(`A${i * 7}`.slice(i % 2), i % 5 === 0 ? i / 7 : `b${i} `.slice(0, 3))
      })
      .catch(() => referee.exec('INSERT OR IGNORE INTO t (a) SELECT value FROM (SELECT 1 AS value UNION SELECT 2)'))
    await referee.exec('INSERT OR IGNORE INTO t (a, b) VALUES (1, 2.5), (2, 2), (3.25, 3)').catch(() => {})
    t.is(await referee.integrityCheck(), 'ok')
    const db = await openDatabase(t, path, { readOnly: true })
    t.deepEqual((await db.check()).findings, [])
  })
}
