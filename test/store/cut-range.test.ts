/** Cutting a range into parts: together they are the range, in its order, and about as large as each other. */
import test, { type ExecutionContext } from 'ava'
import Database from 'better-sqlite3'
import type { EndmarkError } from '../../src/errors.js'
import type { Page } from '../../src/pager/index.js'
import { OrderedMap, type RangeOptions, Table } from '../../src/store/index.js'
import type { PageNumber } from '../../src/units.js'
import { MemoryDatabase } from '../support/memory-database.js'
import { type Random, seededRandom } from '../support/random.js'

type AnyRow = Record<string, unknown>
type Range = RangeOptions<unknown>

const ROWS = 5000
const NUMBERS = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})`

function fromSqlite(...statements: string[]): MemoryDatabase {
  const db = new Database(':memory:')
  db.pragma('page_size = 512')
  for (const sql of statements) db.exec(sql)
  const image = db.serialize()
  db.close()
  return new MemoryDatabase(image)
}

function tableOf(database: MemoryDatabase): Table<AnyRow, unknown> {
  return new Table<AnyRow, unknown>(database, 't')
}

function partsOf(database: MemoryDatabase, table: Table<AnyRow, unknown>, range: Range, parts: number): Range[] {
  const pages = database.pages()
  return table.cutFrom(pages, database.schema(pages), range, parts)
}

function assertIsWhole(t: ExecutionContext, database: MemoryDatabase, range: Range, parts: number): AnyRow[][] {
  const table = tableOf(database)
  const found = partsOf(database, table, range, parts).map((part) => [...table.range(part)])
  // As text: the runner's own comparison takes seconds for so many rows.
  t.true(JSON.stringify(found.flat()) === JSON.stringify([...table.range(range)]), JSON.stringify(range))
  t.true(found.length <= parts)
  return found
}

function randomRange(random: Random, bound: () => unknown): Range {
  const lower = random.pick([{}, { gt: bound() }, { gte: bound() }])
  const upper = random.pick([{}, { lt: bound() }, { lte: bound() }])
  return { ...lower, ...upper, reverse: random.pick([true, false]) }
}

const TABLES: Record<string, { sql: string[]; bound: (random: Random) => unknown }> = {
  'a rowid table': {
    sql: [
      'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)',
      `${NUMBERS} INSERT INTO t SELECT i * 28 - 50000, 'value ' || i FROM n`,
    ],
    bound: (random) => random.between(-60_000, 100_000),
  },
  'a table under text': {
    sql: [
      'CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID',
      `${NUMBERS} INSERT INTO t SELECT printf('%x', i * 7919 % 104729), i FROM n`,
    ],
    bound: (random) => random.below(104_729).toString(16),
  },
  'a table under three columns, of which one is falling and one knows no case': {
    sql: [
      'CREATE TABLE t (a TEXT COLLATE NOCASE, b INTEGER, c TEXT, PRIMARY KEY (a, b DESC, c)) WITHOUT ROWID',
      `${NUMBERS} INSERT INTO t SELECT char(65 + i % 3), i % 50, 'c' || i FROM n`,
    ],
    bound: (random) =>
      random.pick<unknown[]>([
        [random.pick(['a', 'B', 'c'])],
        [random.pick(['A', 'b', 'C']), random.below(50)],
        [random.pick(['a', 'b', 'c']), random.below(50), `c${random.below(ROWS)}`],
      ]),
  },
}

for (const [what, { sql, bound }] of Object.entries(TABLES)) {
  test(`the parts of any range of ${what} are that range`, (t) => {
    const random = seededRandom(t)
    const database = fromSqlite(...sql)
    assertIsWhole(t, database, {}, 7)
    for (let i = 0; i < 40; i++) {
      assertIsWhole(
        t,
        database,
        randomRange(random, () => bound(random)),
        random.pick([1, 2, 3, 8, 100]),
      )
    }
  })

  test(`the parts of ${what} are about as large as each other`, (t) => {
    const sizes = assertIsWhole(t, fromSqlite(...sql), {}, 8).map((part) => part.length)
    t.is(sizes.length, 8)
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
    t.true(most < 1.5 * least, `${least} to ${most}`)
  })
}

test('keys that cannot be given as bounds are no cuts', (t) => {
  const database = fromSqlite(
    'CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID',
    `${NUMBERS} INSERT INTO t SELECT CAST(x'ff' || CAST(printf('%08d', i) AS BLOB) AS TEXT), i FROM n WHERE i % 2`,
    `${NUMBERS} INSERT INTO t SELECT printf('%08d', i), i FROM n WHERE i % 2 = 0`,
  )
  const parts = assertIsWhole(t, database, {}, 8)
  t.true(parts.length > 2 && parts.length < 8)
})

test('a small tree has fewer parts, and a range with a limit is one', (t) => {
  const database = fromSqlite('CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID', `INSERT INTO t VALUES ('a', 1)`)
  t.is(assertIsWhole(t, database, {}, 8).length, 1)
  t.is(assertIsWhole(t, database, { gt: 'b', lt: 'a' }, 8).length, 1)
  const large = fromSqlite(...TABLES['a rowid table']!.sql)
  t.is(assertIsWhole(t, large, { limit: 5000 }, 8).length, 1)
  t.is(assertIsWhole(t, large, { gt: 50_000, lt: -50_000 }, 8).flat().length, 0)
})

test('a cut reads few pages', (t) => {
  const database = fromSqlite(...TABLES['a table under text']!.sql)
  const pages = database.pages()
  let read = 0
  const counting = Object.create(pages, {
    page: {
      value: (number: PageNumber): Page => {
        read++
        return pages.page(number)
      },
    },
  }) as typeof pages
  const table = tableOf(database)
  t.is(table.cutFrom(counting, database.schema(pages), {}, 4).length, 4)
  t.true(read < 80, `${read} of ${pages.pageCount} pages`)
})

test('a range of a map is cut by its keys, also by those beyond 2^53', (t) => {
  const bigKeys = fromSqlite(
    'CREATE TABLE m ("key" INTEGER NOT NULL PRIMARY KEY, "value" TEXT) WITHOUT ROWID',
    `${NUMBERS} INSERT INTO m SELECT 9007199254740000 + i, 'v' FROM n`,
  )
  const map = new OrderedMap<number | bigint, string>(bigKeys, 'm')
  const pages = bigKeys.pages()
  const parts = map.cutFrom(pages, bigKeys.schema(pages), {}, 4)
  t.is(parts.length, 4)
  t.deepEqual(
    parts.flatMap((part) => [...map.keys(part)]),
    [...map.keys()],
  )
})

test('whatever the bytes say, cutting ends, with parts or with an error that says where', (t) => {
  const random = seededRandom(t)
  const names = Object.keys(TABLES)
  let refused = 0
  for (let round = 0; round < 300; round++) {
    const { sql } = TABLES[names[round % names.length]!]!
    const image = imageOf(sql)
    // Page 1 has the schema: not what is looked at here.
    for (let i = 0; i < 40; i++) image[random.between(512, image.length - 1)] = random.below(256)
    const database = new MemoryDatabase(image)
    try {
      t.true(partsOf(database, tableOf(database), {}, random.pick([2, 8, 500])).length > 0)
    } catch (error) {
      refused++
      t.is((error as EndmarkError).code, 'ENDMARK_CORRUPT')
    }
  }
  t.true(refused > 10)
})

const images = new Map<string, Uint8Array>()

function imageOf(sql: readonly string[]): Uint8Array {
  const known = images.get(sql.join()) ?? fromSqlite(...sql).toFile()
  images.set(sql.join(), known)
  return known.slice()
}
