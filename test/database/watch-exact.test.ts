/**
 * What a change says, against what was done: random commits to trees of many shapes, by Endmark and by SQLite, and after each of them
 * the stores and keys of the change are compared with the difference of the contents before and after (WATCH-2, WATCH-4).
 */
import test, { type ExecutionContext } from 'ava'
import type { Change, Database, OrderedMap, Table } from '../../src/index.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { type Random, seededRandom } from '../support/random.js'
import { type Referee, startReferee } from '../support/referee.js'

const INLINE = { writer: 'inline', synchronous: 'off', autoCheckpoint: 0 } as const

async function nextOf(watch: AsyncIterator<Change>): Promise<Change> {
  const { value, done } = await watch.next()
  if (done) throw new Error('the watch has ended')
  return value as Change
}

/** The name of the newest state. */
function newestOf(db: Database): string {
  return db.read((snapshot) => snapshot.token)
}

/** Keys as text, sorted, to compare without regard to order. */
function sorted(keys: Iterable<unknown>): string[] {
  return [...keys].map((key) => JSON.stringify(key, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))).sort()
}

function keysOf(change: Change): Record<string, string[] | undefined> | undefined {
  if (change.stores === undefined) return undefined
  return Object.fromEntries([...change.stores].map(([name, { keys }]) => [name, keys && sorted(keys)]))
}

/** A store, what is in it, and how to change it. */
class Modelled {
  readonly content = new Map<string, { readonly key: unknown; readonly value: string }>()
  before = new Map<string, string>()

  begin(): void {
    this.before = new Map([...this.content].map(([id, { value }]) => [id, value]))
  }

  put(key: unknown, value: string): void {
    this.content.set(JSON.stringify(key), { key, value })
  }

  delete(key: unknown): void {
    this.content.delete(JSON.stringify(key))
  }

  /** Keys whose entry is not what it was. */
  changed(): string[] {
    const ids = new Set([...this.before.keys(), ...this.content.keys()])
    return [...ids].filter((id) => this.before.get(id) !== this.content.get(id)?.value).sort()
  }
}

interface Row {
  readonly a: number
  readonly b: string
  readonly v: string
}

interface Stores {
  readonly map: OrderedMap<string, string | null>
  readonly rows: Table<{ id: number; v: string }, number>
  readonly pairs: Table<Row, readonly [number, string]>
}

async function createStores(db: Database): Promise<Stores> {
  return {
    map: await db.map('map', { key: 'text', value: 'text' }),
    rows: await db.table('rows', { columns: { id: 'integer', v: 'text' }, primaryKey: 'id' }),
    pairs: await db.table('pairs', { columns: { a: 'integer', b: 'text', v: 'text' }, primaryKey: ['a', 'b'] }),
  }
}

/** Mostly short, sometimes with an overflow chain, and a key that is long now and then. */
function randomText(random: Random, pageSize: number): string {
  const length = random.below(8) === 0 ? random.below(pageSize * 4) : random.below(60)
  return `${random.next32()}${'x'.repeat(length)}`
}

function randomKey(random: Random): string {
  return `${'k'.repeat(random.below(12) === 0 ? 300 : 2)}${random.below(400)}`
}

for (const pageSize of [512, 1024, 4096]) {
  test(`a change names exactly the entries that a commit has changed, pages of ${pageSize} bytes`, async (t) => {
    const random = seededRandom(t)
    const db = await openDatabase(t, temporaryPath(t), { ...INLINE, pageSize })
    const { map, rows, pairs } = await createStores(db)
    const models = { map: new Modelled(), rows: new Modelled(), pairs: new Modelled() }
    const watch = db.watch()
    let told = 0
    for (let round = 0; round < 150; round++) {
      for (const model of Object.values(models)) model.begin()
      const count = random.below(10) === 0 ? random.below(60) : random.between(1, 6)
      const isClearing = random.below(20) === 0
      const before = newestOf(db)
      await db.transaction((tx) => {
        for (let i = 0; i < count; i++) {
          const text = randomText(random, pageSize)
          const isDelete = isClearing || random.below(3) === 0
          const which = random.below(3)
          if (which === 0) {
            const key = randomKey(random)
            if (isDelete) tx.delete(map, key)
            else tx.put(map, key, text)
            if (isDelete) models.map.delete(key)
            else models.map.put(key, text)
          } else if (which === 1) {
            const id = random.below(500) - 100
            if (isDelete) tx.delete(rows, id)
            else tx.put(rows, { id, v: text })
            if (isDelete) models.rows.delete(id)
            else models.rows.put(id, text)
          } else {
            const key = [random.below(20), randomKey(random)] as const
            if (isDelete) tx.delete(pairs, key)
            else tx.put(pairs, { a: key[0], b: key[1], v: text })
            if (isDelete) models.pairs.delete(key)
            else models.pairs.put(key, text)
          }
        }
      })
      const wanted = Object.entries(models).map(([name, model]) => [name, model.changed()] as const)
      const expected = Object.fromEntries(wanted.filter(([, keys]) => keys.length > 0))
      const token = newestOf(db)
      if (token === before) continue
      const change = await nextOf(watch)
      told++
      t.is(change.token, token)
      t.is(change.commits, 1)
      t.deepEqual(keysOf(change), expected, `round ${round}`)
      if (random.below(30) === 0) await db.checkpoint({ mode: random.pick(['passive', 'truncate']) })
    }
    t.true(told > 120)
    await watch.return()
  })
}

/** What each commit has changed, in order, by the token of the state with it. */
interface Commit {
  readonly token: string
  readonly keys: string[]
}

test('whatever checkpoints and restarts come between, no commit is passed over and nothing wrong is told', async (t) => {
  const random = seededRandom(t)
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { ...INLINE, pageSize: 512 })
  const writer = await openDatabase(t, path, INLINE)
  const map = await writer.map('map', { key: 'integer', value: 'text' })
  const model = new Modelled()
  const watch = db.watch()
  const commits: Commit[] = []
  let next = 0
  let exact = 0
  const commit = async () => {
    model.begin()
    const isClearing = random.below(10) === 0
    await writer.transaction((tx) => {
      for (let i = random.between(1, isClearing ? 200 : 4); i > 0; i--) {
        const key = random.below(1000)
        const text = randomText(random, 512)
        if (isClearing || random.below(4) === 0) tx.delete(map, key)
        else tx.put(map, key, text)
        if (tx.has(map, key)) model.put(key, text)
        else model.delete(key)
      }
    })
    const token = writer.read((snapshot) => snapshot.token)
    if (token !== commits.at(-1)?.token && model.changed().length > 0) commits.push({ token, keys: model.changed() })
  }
  const look = async () => {
    const change = await nextOf(watch)
    const found = commits.findIndex(({ token }) => token === change.token)
    // The newest state has another name once the log was started over.
    const at = found < 0 && change.commits === undefined ? commits.length - 1 : found
    // One that has changed nothing.
    if (at < 0 && change.stores?.size === 0) return
    if (change.commits === undefined) {
      t.true(at >= next && change.stores === undefined)
    } else {
      t.is(at, next)
      const keys = change.stores?.get('map')?.keys
      if (keys !== undefined) {
        t.deepEqual(sorted(keys), commits[at]!.keys)
        exact++
      }
    }
    next = at + 1
  }
  for (let round = 0; round < 150; round++) {
    for (let count = random.below(6); count > 0; count--) await commit()
    const mode = random.pick([null, null, 'passive', 'full', 'restart', 'truncate'] as const)
    if (mode !== null) await writer.checkpoint({ mode })
    for (let count = random.below(8); count > 0 && next < commits.length; count--) await look()
  }
  while (next < commits.length) await look()
  t.log(`${commits.length} commits, ${exact} told with their keys`)
  t.true(commits.length > 250)
  t.true(exact > 40)
})

const SCHEMA = `
  CREATE TABLE plain (a TEXT, b INTEGER, c);
  CREATE INDEX plain_b ON plain (b, c DESC);
  CREATE UNIQUE INDEX plain_a ON plain (a COLLATE NOCASE) WHERE b > 10;
  CREATE TABLE keyed (x INTEGER, y TEXT, z BLOB, PRIMARY KEY (y, x)) WITHOUT ROWID;
  CREATE INDEX keyed_z ON keyed (z);
  CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT UNIQUE);`

const READ = {
  plain: 'SELECT rowid AS k, a, b, quote(c) AS c FROM plain',
  keyed: 'SELECT json_array(y, x) AS k, quote(z) AS z FROM keyed',
  counted: 'SELECT id AS k, t FROM counted',
}

/** Keys and contents of every table. */
async function contents(sqlite: Referee): Promise<Record<string, Map<string, string>>> {
  const found: Record<string, Map<string, string>> = {}
  for (const [name, sql] of Object.entries(READ)) {
    const all = await sqlite.all(sql)
    found[name] = new Map(
      all.map(({ k, ...rest }) => [typeof k === 'string' ? k : JSON.stringify(k), JSON.stringify(rest)]),
    )
  }
  return found
}

function randomSql(random: Random): string {
  const number = () => random.below(300)
  const blob = () => `zeroblob(${random.below(4) === 0 ? random.below(9000) : random.below(40)})`
  const name = () => `'${'n'.repeat(random.below(9) === 0 ? 200 : 1)}${number()}'`
  return random.pick([
    () => `INSERT OR REPLACE INTO plain VALUES (${name()}, ${number()}, ${blob()})`,
    () => `UPDATE plain SET c = randomblob(length(c)) WHERE b % 50 = ${random.below(50)}`,
    () => `UPDATE plain SET b = b + 1 WHERE rowid = ${number()}`,
    () => `DELETE FROM plain WHERE b = ${number()}`,
    () => `INSERT OR REPLACE INTO keyed VALUES (${number()}, ${name()}, ${blob()})`,
    () => `UPDATE OR REPLACE keyed SET x = x + 1 WHERE x = ${number()}`,
    () => `DELETE FROM keyed WHERE x > 290`,
    () => `INSERT OR IGNORE INTO counted (t) VALUES (${name()})`,
    () => `DELETE FROM counted WHERE id = ${number()}`,
    () => `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 200)
           INSERT OR REPLACE INTO keyed SELECT n, 'many' || (n % 7), ${blob()} FROM s`,
  ])()
}

test('what SQLite has committed is told with its stores and keys, and nothing wrong', async (t) => {
  const random = seededRandom(t)
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { ...INLINE, pageSize: 1024 })
  const sqlite = await startReferee(t, path)
  await sqlite.exec(SCHEMA)
  const watch = db.watch()
  let before = await contents(sqlite)
  let withKeys = 0
  let told = 0
  for (let round = 0; round < 120; round++) {
    const token = newestOf(db)
    const sql = Array.from({ length: random.between(1, 4) }, () => randomSql(random)).join(';')
    await sqlite.exec(`BEGIN; ${sql}; COMMIT`)
    const after = await contents(sqlite)
    if (newestOf(db) === token) {
      t.deepEqual(after, before)
      continue
    }
    const change = await nextOf(watch)
    told++
    if (change.stores !== undefined) {
      const known = keysOf(change)!
      for (const [name, rows] of Object.entries(after)) {
        const ids = new Set([...before[name]!.keys(), ...rows.keys()])
        const changed = sorted(
          [...ids].filter((id) => before[name]!.get(id) !== rows.get(id)).map((id) => JSON.parse(id)),
        )
        if (name in known && known[name] === undefined) continue
        t.deepEqual(known[name] ?? [], changed, `round ${round}, ${name}: ${sql}`)
      }
      if (Object.values(known).every((keys) => keys !== undefined)) withKeys++
    }
    before = after
    if (random.below(40) === 0) await sqlite.checkpoint('truncate')
  }
  t.log(`${told} changes, ${withKeys} with all keys`)
  t.true(told > 70)
  t.true(withKeys > told * 0.8)
})

async function watched(t: ExecutionContext<unknown>, sql: string) {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  const sqlite = await startReferee(t, path)
  await sqlite.exec(sql)
  const watch = db.watch()
  const told = async (statement: string) => {
    await sqlite.exec(statement)
    return keysOf(await nextOf(watch))
  }
  return { db, sqlite, watch, told }
}

const MANY = `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2000) INSERT INTO a SELECT n, 'row' || n FROM s;`

test('changes of the schema are told as changes of their stores', async (t) => {
  const { told } = await watched(
    t,
    'CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE b (id INTEGER PRIMARY KEY, v);',
  )
  t.deepEqual(await told('CREATE TABLE c (x)'), { c: undefined })
  t.deepEqual(await told('ALTER TABLE c ADD COLUMN y'), { c: undefined })
  t.deepEqual(await told('ALTER TABLE c RENAME TO d'), { c: undefined, d: undefined })
  t.deepEqual(await told('INSERT INTO d VALUES (1, 2); '), { d: ['1'] })
  t.deepEqual(await told('CREATE INDEX d_x ON d (x)'), {})
  t.deepEqual(await told('BEGIN; DROP TABLE d; INSERT INTO a VALUES (7, 1); COMMIT'), { a: ['7'], d: undefined })
  t.deepEqual(await told('CREATE VIEW w AS SELECT * FROM a'), {})
  t.deepEqual(await told('PRAGMA user_version = 5'), {})
})

test('a table that is emptied names all that was in it, though its leaves were not written', async (t) => {
  const { told, db } = await watched(t, `CREATE TABLE a (id INTEGER PRIMARY KEY, v); ${MANY}`)
  t.is((await db.table('a')).count(), 2000)
  const all = sorted(Array.from({ length: 2000 }, (_, i) => i + 1))
  t.deepEqual(await told('DELETE FROM a'), { a: all })
  t.deepEqual(await told(MANY), { a: all })
  t.deepEqual(await told('VACUUM'), {})
  t.deepEqual(await told('DELETE FROM a WHERE id BETWEEN 500 AND 1500'), {
    a: all.filter((key) => Number(key) >= 500 && Number(key) <= 1500),
  })
})

test('a value that SQLite overwrites in place, without its row, leaves the stores unknown', async (t) => {
  const { told } = await watched(
    t,
    'CREATE TABLE a (id INTEGER PRIMARY KEY, v); INSERT INTO a VALUES (1, zeroblob(50000));',
  )
  const known = await told("UPDATE a SET v = substr(v, 1, 40000) || CAST('tail' AS BLOB) || substr(v, 40005)")
  t.true(known === undefined || JSON.stringify(known) === '{"a":["1"]}')
})

test('an index whose order is not known leaves the stores unknown, not wrong', async (t) => {
  const { told } = await watched(
    t,
    `CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE INDEX e ON a (v || 'x'); ${MANY}`,
  )
  t.is(await told("UPDATE a SET v = 'changed' WHERE id % 100 = 0"), undefined)
})

test('commits of more pages or keys than are looked at are told without them', async (t) => {
  const { told } = await watched(t, 'CREATE TABLE a (id INTEGER PRIMARY KEY, v);')
  const fill = (count: number, size: number) =>
    `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ${count})
     INSERT OR REPLACE INTO a SELECT n, zeroblob(${size}) FROM s`
  t.deepEqual(await told(fill(12_000, 1)), { a: undefined })
  t.is(await told(fill(2000, 3000)), undefined)
})
