import test from 'ava'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import type { SqlValue } from '../../src/format/index.js'
import { parseCreateIndex, parseCreateTable, type TableDdl } from '../../src/store/ddl-parse.js'
import { definitionOfNew } from '../../src/store/index.js'
import { readFixture } from '../support/fixtures.js'

interface SchemaSql {
  readonly type: string
  readonly name: string
  readonly sql: string
}

interface ColumnInfo {
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly dflt_value: string | null
  readonly pk: number
  readonly hidden: number
}

/** Statements that SQLite accepts, each with something that a careless parser would trip over. */
const ACCEPTED = [
  'CREATE TABLE t(a)',
  'create table t ( a integer primary key , b text not null )',
  'CREATE TABLE "t"("a""b" INTEGER PRIMARY KEY, `c``d` TEXT, [e f] BLOB, \'g\'\'h\' REAL)',
  'CREATE TABLE t(a INTEGER PRIMARY KEY DESC, b)',
  'CREATE TABLE t(a INTEGER, PRIMARY KEY(a DESC))',
  'CREATE TABLE t(a INTEGER PRIMARY KEY ASC ON CONFLICT REPLACE AUTOINCREMENT)',
  'CREATE TABLE t(a INTEGER, b, PRIMARY KEY(a AUTOINCREMENT))',
  'CREATE TABLE t(a INT PRIMARY KEY, b)',
  'CREATE TABLE t(a "INTEGER" PRIMARY KEY, b)',
  'CREATE TABLE t(a VARCHAR(10) NOT NULL, b DECIMAL(10, -2), c DOUBLE PRECISION, d UNSIGNED BIG INT)',
  'CREATE TABLE t(a TEXT COLLATE NOCASE, b TEXT COLLATE rtrim, c, PRIMARY KEY(b, a COLLATE binary DESC)) WITHOUT ROWID',
  'CREATE TABLE t(c, b NOT NULL ON CONFLICT IGNORE, a PRIMARY KEY) without rowid',
  'CREATE TABLE t(a INT, b TEXT, PRIMARY KEY(b, a)) STRICT, WITHOUT ROWID',
  'CREATE TABLE t(a -- a comment, with ) and (\n, b /* another, ) */ TEXT /**/)',
  "CREATE TABLE t(a DEFAULT 5, b DEFAULT -5.5e1, c DEFAULT 'it''s', d DEFAULT x'00fF', e DEFAULT NULL, f DEFAULT +7)",
  "CREATE TABLE t(a DEFAULT (5), b DEFAULT (-1), c DEFAULT ('x' || 'y'), d DEFAULT (abs(-1)), e DEFAULT CURRENT_TIMESTAMP)",
  'CREATE TABLE t(a DEFAULT TRUE, b DEFAULT false, c DEFAULT 0x10, d DEFAULT 9223372036854775807, e DEFAULT -9223372036854775808)',
  'CREATE TABLE t(a DEFAULT word, b DEFAULT "quoted", c INT DEFAULT \'12\', d TEXT DEFAULT 12, e DEFAULT 9223372036854775808)',
  'CREATE TABLE t(a CHECK(a > (1 + (2))), b CONSTRAINT n UNIQUE CONSTRAINT m NOT NULL)',
  "CREATE TABLE t(a, b, CONSTRAINT c CHECK (a < ')') UNIQUE (a, b) ON CONFLICT FAIL, CONSTRAINT d CHECK(b))",
  'CREATE TABLE t(a REFERENCES u(x) ON DELETE SET NULL ON UPDATE NO ACTION MATCH FULL NOT DEFERRABLE INITIALLY DEFERRED NOT NULL, b)',
  'CREATE TABLE t(a, b, FOREIGN KEY (a, b) REFERENCES u ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE, UNIQUE(b))',
  'CREATE TABLE t(a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL, c INT AS (a + (1)) STORED, d)',
  'CREATE TABLE t(a INT, b AS (a), c TEXT)',
  'CREATE TABLE t(a GENERATED, b LONG GENERATED TEXT)',
  'CREATE TABLE t(key, value, "primary", "check" TEXT, [not] INT, type, text TEXT, rowid)',
  'CREATE TABLE "with ""quotes"" and (parens"(x)',
  'CREATE TABLE ünïcödé(größe REAL, 名前 TEXT, 😀 INT PRIMARY KEY)',
  'CREATE TABLE t(a$1 INT, _b2 TEXT)',
  'CREATE TABLE t(a \'single quoted type\', b "double")',
  'CREATE TABLE t(a TEXT UNIQUE PRIMARY KEY, b)',
  'CREATE TABLE t(a NULL, b INTEGER NULL ON CONFLICT ABORT)',
  'CREATE TABLE t(a DEFAULT .5, b DEFAULT 5., c DEFAULT 1e3, d DEFAULT -0)',
]

function sqliteDatabase(sql: string): Database.Database {
  const db = new Database(':memory:')
  db.exec(sql)
  return db
}

/** Reads the statement as SQLite keeps it, and compares what both make of it. */
function compareWithSqlite(
  check: (actual: unknown, expected: unknown, what: string) => void,
  db: Database.Database,
): void {
  const { name, sql } = db
    .prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .get() as SchemaSql
  const ddl = parseCreateTable(sql) as TableDdl
  check(typeof ddl === 'string' ? ddl : 'parsed', 'parsed', sql)
  check(ddl.name, name, sql)
  const columns = db.prepare('SELECT * FROM pragma_table_xinfo(?)').all(name) as ColumnInfo[]
  const hidden = { virtual: 2, stored: 3 }
  const flags = db.prepare('SELECT wr, strict FROM pragma_table_list WHERE name = ?').get(name)
  check({ wr: Number(ddl.isWithoutRowid), strict: Number(ddl.isStrict) }, flags, sql)
  check(
    ddl.columns.map((c) => [c.name, c.generated === null ? 0 : hidden[c.generated]]),
    columns.map((c) => [c.name, c.hidden]),
    sql,
  )
  const definition = definitionOfNew({ name, sql })
  check(definition.unreadableReason, null, sql)
  const stored = columns.filter((c) => c.hidden !== 2)
  check(
    // The type of a generated column is reported with the words that follow it.
    definition.columns.map((c, i) => (stored[i]!.hidden === 0 ? c.declaredType.toUpperCase() : '')),
    stored.map((c) => (c.hidden === 0 ? c.type.toUpperCase() : '')),
    sql,
  )
  const key = stored.filter((c) => c.pk > 0).sort((a, b) => a.pk - b.pk)
  const pkIndexes = db.prepare(`SELECT count(*) AS n FROM pragma_index_list(?) WHERE origin = 'pk'`).get(name) as {
    n: number
  }
  const isRowid = key.length > 0 && pkIndexes.n === 0
  check(
    definition.keyColumns.map((i) => definition.columns[i]!.name),
    isRowid || ddl.isWithoutRowid ? key.map((c) => c.name) : [],
    sql,
  )
  check(definition.rowidColumn >= 0, isRowid, sql)
  for (const [i, column] of ddl.columns.entries()) {
    if (column.default === undefined) check(columns[i]!.dflt_value, null, `${sql}: default of ${column.name}`)
    else if (column.default !== null)
      check(column.default.value, evaluate(db, columns[i]!.dflt_value!), `${sql}: default of ${column.name}`)
  }
}

/** A default as SQL; a bare word stands for itself. */
function evaluate(db: Database.Database, sql: string): SqlValue {
  let row: { v: SqlValue }
  try {
    row = db.prepare(`SELECT ${sql} AS v`).safeIntegers().get() as { v: SqlValue }
  } catch {
    return /^["`[]/.test(sql) ? sql.slice(1, -1) : sql
  }
  const { v } = row
  if (v instanceof Uint8Array) return new Uint8Array(v)
  return typeof v === 'bigint' && Number.isSafeInteger(Number(v)) ? Number(v) : v
}

test('every statement of Chinook is understood as SQLite understands it', (t) => {
  const chinook = new Database(Buffer.from(readFixture('chinook.db')))
  const statements = chinook
    .prepare('SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL')
    .all() as SchemaSql[]
  t.true(statements.length > 20)
  for (const { type, name, sql } of statements) {
    if (type === 'index') {
      const ddl = parseCreateIndex(sql)
      if (typeof ddl === 'string') return t.fail(`${sql}: ${ddl}`)
      const columns = chinook.prepare('SELECT name FROM pragma_index_info(?)').pluck().all(name)
      t.deepEqual(
        ddl.columns.map((column) => column.name),
        columns as string[],
      )
      continue
    }
    const db = sqliteDatabase(sql)
    compareWithSqlite((actual, expected, what) => t.deepEqual(actual, expected, what), db)
    db.close()
  }
  chinook.close()
})

for (const sql of ACCEPTED) {
  test(`is understood as SQLite understands it: ${JSON.stringify(sql)}`, (t) => {
    const db = sqliteDatabase(sql)
    compareWithSqlite((actual, expected, what) => t.deepEqual(actual, expected, what), db)
    db.close()
  })
}

test('what is not understood is named', (t) => {
  const cases: [string, RegExp][] = [
    ['', /expected CREATE instead of the end/],
    ['CREATE VIRTUAL TABLE docs USING fts5(body)', /virtual table \(module fts5\)/],
    ['CREATE TABLE t AS SELECT 1', /expected \(/],
    ['CREATE TABLE t(a', /instead of the end/],
    ['CREATE TABLE t(a "unfinished', /missing "/],
    ['CREATE TABLE t(a PRIMARY KEY, b PRIMARY KEY)', /more than one primary key/],
    ['CREATE TABLE t(a CHECK(((1))', /expected \)/],
    ['CREATE TABLE t(a) FUTURE OPTION', /expected a table option/],
    ['CREATE TABLE t(a) \u0001', /unexpected character/],
    ['CREATE TABLE t(a "INTEGER" "PRIMARY" PRIMARY KEY)', /several quoted parts/],
    ['CREATE TABLE t(a DEFAULT 12ab)', /unexpected characters after a number/],
    [`CREATE TABLE t(a b${'('.repeat(100_000)}`, /argument that is not a number/],
    [`CREATE TABLE t(a CHECK ${'('.repeat(100_000)}`, /expected \)/],
  ]
  for (const [sql, reason] of cases) t.regex(String(parseCreateTable(sql)), reason)
})

test('indexes are read with their order, expressions and conditions', (t) => {
  t.deepEqual(parseCreateIndex('CREATE UNIQUE INDEX i ON t("a b" COLLATE nocase DESC, c)'), {
    name: 'i',
    table: 't',
    isUnique: true,
    isPartial: false,
    columns: [
      { name: 'a b', collation: 'nocase', descending: true },
      { name: 'c', collation: null, descending: false },
    ],
  })
  const expressions = parseCreateIndex('CREATE INDEX i ON t(lower(a) DESC, b + (1), c) WHERE c > 5')
  if (typeof expressions === 'string') return t.fail(expressions)
  t.true(expressions.isPartial)
  t.deepEqual(
    expressions.columns.map((column) => column.name),
    [null, null, 'c'],
  )
  t.is(typeof parseCreateIndex('CREATE INDEX i ON t('), 'string')
  t.is(typeof parseCreateIndex('CREATE INDEX i ON t(,)'), 'string')
})

const fragment = fc.constantFrom(
  ...['CREATE', 'TABLE', 'INDEX', 'ON', 't', '(', ')', ',', 'a', 'INTEGER', 'PRIMARY', 'KEY', 'NOT', 'NULL', 'DEFAULT'],
  ...[
    'CHECK',
    'REFERENCES',
    'COLLATE',
    'GENERATED',
    'ALWAYS',
    'AS',
    "'x'",
    '"y"',
    '[z]',
    '`w`',
    '-',
    '5',
    '1e',
    '/*',
    '*/',
  ],
  ...[
    '--',
    '\n',
    "'",
    '"',
    '[',
    'WITHOUT',
    'ROWID',
    'STRICT',
    'CONSTRAINT',
    'UNIQUE',
    'FOREIGN',
    'DESC',
    ';',
    "x'",
    '\u0000',
  ],
)

test('any text ends with a definition or a reason', (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fragment, { maxLength: 40 }).map((words) => `CREATE TABLE t(a ${words.join(' ')}`),
    fc.array(fragment, { maxLength: 40 }).map((words) => words.join(' ')),
    fc
      .tuple(fc.constantFrom(...ACCEPTED), fc.nat(), fc.nat(5), fc.string({ maxLength: 4 }))
      .map(([sql, at, length, text]) => {
        const start = at % sql.length
        return sql.slice(0, start) + text + sql.slice(start + length)
      }),
  )
  fc.assert(
    fc.property(text, (sql) => {
      const definition = definitionOfNew({ name: 't', sql })
      t.is(typeof definition.info().name, 'string')
      const index = parseCreateIndex(sql)
      t.true(typeof index === 'string' || index.columns.length > 0)
    }),
    { numRuns: 5000 },
  )
})

test('the time to read a text does not explode with its length', (t) => {
  const length = 2_000_000
  for (const text of [
    '/*'.padEnd(length, '*'),
    '('.repeat(length),
    ' '.repeat(length),
    "''".repeat(length / 2),
    '_'.repeat(length),
    '1'.repeat(length),
  ]) {
    t.is(typeof parseCreateTable(`CREATE TABLE t(a ${text}`), 'string')
  }
})

test('whatever mutation SQLite accepts is read the same way or refused', (t) => {
  const mutation = fc.tuple(fc.constantFrom(...ACCEPTED), fc.nat(), fc.nat(3), fragment)
  fc.assert(
    fc.property(mutation, ([original, at, length, word]) => {
      const start = at % original.length
      const sql = `${original.slice(0, start)} ${word} ${original.slice(start + length)}`
      const db = new Database(':memory:')
      try {
        db.exec(sql)
        if (db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0) return
      } catch {
        return
      }
      const stored = db.prepare(`SELECT sql FROM sqlite_schema WHERE type = 'table'`).pluck().get() as string
      const isRead = definitionOfNew({ name: 't', sql: stored }).unreadableReason === null
      if (isRead) compareWithSqlite((actual, expected, what) => t.deepEqual(actual, expected, what), db)
      db.close()
    }),
    { numRuns: 1500 },
  )
  t.pass()
})
