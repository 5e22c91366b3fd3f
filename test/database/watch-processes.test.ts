/**
 * Watches beside real processes: several that commit by themselves, several through a writer process, and SQLite. What each of
 * them has acknowledged is known outside the database; every commit must be covered by a change, in order, and what a change
 * says must be true (WATCH-1, WATCH-2).
 */
import test, { type ExecutionContext } from 'ava'
import type { Change, Database, OpenOptions } from '../../src/index.js'
import { startEndmark } from '../support/endmark-process.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { integrityCheck, startReferee } from '../support/referee.js'
import { until } from '../support/until.js'
import { killWriter, startWriter } from '../support/writer-process.js'

const MAP = { key: 'integer', value: 'text' } as const
const STORES = ['s0', 's1', 's2']
/** Keys of one writer: its number times this, and counting on. */
const KEYS_OF_WRITER = 1_000_000
const SENTINEL = -1
/** Characters of a token up to the salts, which name the generation of the log. */
const LOG_PART = 'endmark-1-'.length + 16

/** What a watch was told. */
class Told {
  readonly changes: Change[] = []
  readonly keys = new Map(STORES.map((name) => [name, new Set<unknown>()]))
  isOver = false
  failure: unknown = null

  constructor(db: Database, watch: AsyncIterable<Change>, t: ExecutionContext<unknown>) {
    void this.#listen(db, watch, t)
  }

  /** Changes that do not name all that they cover. */
  get vague(): Change[] {
    return this.changes.filter(({ stores }) => stores === undefined || [...stores.values()].some(({ keys }) => !keys))
  }

  /** Resolves when the last commit of the test is covered. */
  async over(): Promise<void> {
    await until(() => this.isOver || this.failure !== null, 'the change with the last commit')
    if (this.failure !== null) throw this.failure
  }

  async #listen(db: Database, watch: AsyncIterable<Change>, t: ExecutionContext<unknown>): Promise<void> {
    const maps = await Promise.all(STORES.map((name) => db.map<number, string>(name)))
    try {
      for await (const change of watch) {
        this.changes.push(change)
        for (const [name, { keys }] of change.stores ?? []) {
          const map = maps[STORES.indexOf(name)]
          t.truthy(map, name)
          // Nothing is told before a new snapshot sees it; keys are only ever added here.
          for (const key of keys ?? []) if (!map!.has(key as number)) t.fail(`${name} has no ${key}`)
          for (const key of keys ?? []) this.keys.get(name)!.add(key)
        }
        this.isOver = db.read((snapshot) => snapshot.has(maps[0]!, SENTINEL) && snapshot.token === change.token)
        if (this.isOver) break
      }
    } catch (error) {
      this.failure = error
    }
  }
}

/** Adds keys to the stores in turn, each in a commit of its own, and gives back what was acknowledged. */
async function addKeys(db: Database, writer: number, count: number, keysOfWriter: number): Promise<[string, number][]> {
  const names = ['s0', 's1', 's2']
  const maps = await Promise.all(names.map((name) => db.map<number, string>(name)))
  const acknowledged: [string, number][] = []
  for (let i = 0; i < count; i++) {
    const key = writer * keysOfWriter + i
    // Some commits in groups, some one after the other.
    if (i % 10 < 5) {
      await maps[i % 3]!.put(key, `value ${i}`)
      acknowledged.push([names[i % 3]!, key])
    } else {
      await db.transaction((tx) => {
        for (const map of maps) tx.put(map, key, `value ${i}`)
      })
      for (const name of names) acknowledged.push([name, key])
    }
  }
  return acknowledged
}

/** The same by SQLite, with a checkpoint now and then. */
function addRows(
  sqlite: Awaited<ReturnType<typeof startReferee>>,
  writer: number,
  count: number,
): Promise<[string, number][]> {
  return sqlite.call(
    (db, first, many) => {
      const acknowledged: [string, number][] = []
      for (let i = 0; i < many; i++) {
        const name = `s${i % 3}`
        db.prepare(`INSERT INTO ${name} VALUES (?, ?)`).run(first + i, `row ${i}`)
        acknowledged.push([name, first + i])
        if (i % 100 === 50) db.pragma(i % 200 === 50 ? 'wal_checkpoint(passive)' : 'wal_checkpoint(truncate)')
      }
      return acknowledged
    },
    writer * KEYS_OF_WRITER,
    count,
  )
}

/** Every acknowledged key was named, or a change that does not name all says so. */
function assertCovered(
  t: ExecutionContext<unknown>,
  told: Told,
  acknowledged: readonly (readonly [string, number])[],
): void {
  const missing = acknowledged.filter(([name, key]) => !told.keys.get(name)!.has(key))
  t.log(
    `${told.changes.length} changes, ${told.vague.length} without all keys, ${missing.length} of ${acknowledged.length} keys not named`,
  )
  if (missing.length > 0) t.true(told.vague.length > 0, `nothing covers ${JSON.stringify(missing.slice(0, 5))}`)
  // Most, unless this machine has no time for the watch.
  t.true(missing.length < (acknowledged.length * 3) / 4)
  assertInOrder(t, told.changes)
}

/** End marks rise until the log is started over, and each change goes on where the one before ended, or at the log's start. */
function assertInOrder(t: ExecutionContext<unknown>, changes: readonly Change[]): void {
  for (let i = 1; i < changes.length; i++) {
    const { from, endMark, token } = changes[i]!
    const isSameLog = token.slice(0, LOG_PART) === changes[i - 1]!.token.slice(0, LOG_PART)
    const isNext = from === changes[i - 1]!.endMark || (!isSameLog && from === 0)
    if (!isNext) t.fail(`change ${i} begins at ${from}, not at ${changes[i - 1]!.endMark}`)
    if (isSameLog && endMark <= from) t.fail(`change ${i} goes from ${from} back to ${endMark}`)
  }
}

async function prepare(t: ExecutionContext<unknown>, options: OpenOptions): Promise<{ db: Database; path: string }> {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, options)
  for (const name of STORES) await db.map(name, MAP)
  return { db, path }
}

const FULL = { synchronous: 'full' } as const

test('commits of inline processes and of SQLite are all covered', async (t) => {
  const { db, path } = await prepare(t, { ...FULL, writer: 'inline' })
  const processes = await Promise.all(
    [1, 2].map(() => startEndmark(t, path, { ...FULL, writer: 'inline', autoCheckpoint: 300 })),
  )
  const sqlite = await startReferee(t, path)
  const told = new Told(db, db.watch(), t)
  const own = db.map('s0', MAP)
  const writing = [
    ...processes.map((process, i) => process.call(addKeys, i + 1, 150, KEYS_OF_WRITER)),
    addRows(sqlite, 7, 160),
    addKeys(db, 9, 80, KEYS_OF_WRITER),
  ]
  const acknowledged = (await Promise.all(writing)).flat()
  await (await own).put(SENTINEL, 'the end')
  await told.over()
  assertCovered(t, told, acknowledged)
  t.is(await integrityCheck(t, path), 'ok')
})

test('commits through a writer process are all covered, and so are those beside it', async (t) => {
  const path = temporaryPath(t)
  await startWriter(t, path)
  const db = await openDatabase(t, path, FULL)
  for (const name of STORES) await db.map(name, MAP)
  const processes = await Promise.all([1, 2, 3].map(() => startEndmark(t, path, FULL)))
  const sqlite = await startReferee(t, path)
  const told = new Told(db, db.watch(), t)
  const acknowledged = (
    await Promise.all([
      ...processes.map((process, i) => process.call(addKeys, i + 1, 120, KEYS_OF_WRITER)),
      addRows(sqlite, 7, 60),
    ])
  ).flat()
  await processes[0]!.call(async (database, key) => (await database.map<number, string>('s0')).put(key, ''), SENTINEL)
  await told.over()
  assertCovered(t, told, acknowledged)
  t.is(db.stats().writer.pid === null, false)
})

test('a watch goes on when the writer process is killed, and misses nothing', async (t) => {
  const path = temporaryPath(t)
  const first = await startWriter(t, path)
  const db = await openDatabase(t, path, FULL)
  for (const name of STORES) await db.map(name, MAP)
  const processes = await Promise.all([1, 2].map(() => startEndmark(t, path, FULL)))
  const told = new Told(db, db.watch(), t)
  const round = (number: number) =>
    Promise.all(processes.map((process, i) => process.call(addKeys, number * 10 + i, 60, KEYS_OF_WRITER)))
  const writing = round(1)
  await until(() => told.changes.length > 10, 'the first changes')
  await killWriter(first)
  const acknowledged = (await writing).flat()
  acknowledged.push(...(await round(2)).flat())
  await startWriter(t, path)
  acknowledged.push(...(await round(3)).flat())
  await processes[0]!.call(async (database, key) => (await database.map<number, string>('s0')).put(key, ''), SENTINEL)
  await told.over()
  assertCovered(t, told, acknowledged)
})

test('a Database that only watches finds the writer process by itself, and hears from it', async (t) => {
  const { db } = await prepare(t, FULL)
  await db.close()
  const watching = await openDatabase(t, db.path, FULL)
  const told = new Told(watching, watching.watch(), t)
  await startWriter(t, db.path)
  await until(() => watching.stats().writer.pid !== null, 'the connection')
  const writer = await startEndmark(t, db.path, FULL)
  await writer.call(addKeys, 1, 30, KEYS_OF_WRITER)
  await writer.call(async (database, key) => (await database.map<number, string>('s0')).put(key, ''), SENTINEL)
  await told.over()
  t.true(told.keys.get('s1')!.size > 0)
})
