/** Each recovers the other's log after `kill -9`, each may be the last to close, and both checkpoint. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { open } from '../../src/index.js'
import { startEndmark } from '../support/endmark-process.js'
import { askSqlite, integrityCheck, startReferee, startStandingReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const text = (key: number) => `value ${key} `.repeat(1 + (key % 300))

test('SQLite recovers the log of a killed Endmark process', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const endmark = await startEndmark(t, path, { autoCheckpoint: 0 })
  await endmark.call(async (db) => {
    const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
    for (let key = 0; key < 300; key++) await map.put(key, `value ${key} `.repeat(1 + (key % 300)))
  })
  await endmark.kill()
  t.true(statSync(`${path}-wal`).size > 0)
  const rows = await askSqlite(t, path, (db) => db.prepare('SELECT key, value FROM m ORDER BY key').raw().all())
  t.deepEqual(rows, entriesUpTo(300))
  t.is(await integrityCheck(t, path), 'ok')
})

test('Endmark recovers the log of a killed SQLite process', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const referee = await startReferee(t, path)
  await referee.call((db) => {
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE m (key INTEGER PRIMARY KEY, value TEXT)',
    )
    const put = db.prepare('INSERT INTO m VALUES (?, ?)')
    for (let key = 0; key < 300; key++) put.run(key, `value ${key} `.repeat(1 + (key % 300)))
    // Left open, and its frames without a commit mark must not be seen.
    db.exec('PRAGMA cache_size = 5; BEGIN; UPDATE m SET value = upper(value)')
  })
  await referee.kill()
  const db = await open(path)
  const table = await db.table<{ key: number; value: string }, number>('m')
  t.deepEqual(
    [...table.range()].map(({ key, value }) => [key, value]),
    entriesUpTo(300),
  )
  await table.put({ key: 300, value: text(300) })
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
  t.is(await askSqlite(t, path, (sqlite) => sqlite.prepare('SELECT count(*) FROM m').pluck().get()), 301)
})

test('taking turns at being killed, neither loses what the other committed', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const setUp = await startEndmark(t, path)
  await setUp.call(async (db) => {
    await db.map('m', { key: 'integer', value: 'text' })
  })
  await setUp.kill()
  const judge = startStandingReferee(t)
  for (let turn = 0; turn < 10; turn++) {
    const endmark = await startEndmark(t, path, { autoCheckpoint: turn % 2 === 0 ? 0 : 20 })
    // Of what Endmark has recovered: another SQLite would have recovered it first, had it come before.
    t.is(await judge.integrityCheck(path), 'ok')
    const seen = await endmark.call(async (db, start) => {
      const map = await db.map<number, string>('m')
      const count = map.count()
      for (let key = start; key < start + 50; key++) await map.put(key, `value ${key} `.repeat(1 + (key % 300)))
      return count
    }, turn * 100)
    t.is(seen, turn * 100)
    await endmark.kill()
    const referee = await startReferee(t, path)
    t.is(await referee.integrityCheck(), 'ok')
    const count = await referee.call(
      (db, start) => {
        const before = db.prepare('SELECT count(*) FROM m').pluck().get()
        const put = db.prepare('INSERT INTO m VALUES (?, ?)')
        for (let key = start; key < start + 50; key++) put.run(key, `value ${key} `.repeat(1 + (key % 300)))
        return before
      },
      turn * 100 + 50,
    )
    t.is(count, turn * 100 + 50)
    await referee.kill()
  }
  const rows = await askSqlite(t, path, (db) => db.prepare('SELECT key, value FROM m ORDER BY key').raw().all())
  t.deepEqual(rows, entriesUpTo(1000))
  t.is(await integrityCheck(t, path), 'ok')
})

test('Endmark as the last to close leaves one file that SQLite finds whole', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const referee = await startReferee(t, path)
  await referee.exec('PRAGMA journal_mode = WAL; CREATE TABLE m (key INTEGER PRIMARY KEY, value TEXT)')
  const db = await open(path)
  const table = await db.table<{ key: number; value: string }, number>('m')
  await table.put({ key: 1, value: 'Endmark' })
  await referee.exec(`INSERT INTO m VALUES (2, 'SQLite')`)
  await referee.close()
  t.deepEqual(
    [...table.range()].map((row) => row.value),
    ['Endmark', 'SQLite'],
  )
  await db.close()
  t.false(existsSync(`${path}-wal`))
  t.false(existsSync(`${path}-shm`))
  t.is(await askSqlite(t, path, (sqlite) => sqlite.pragma('journal_mode', { simple: true })), 'wal')
  t.is(await integrityCheck(t, path), 'ok')
})

test('SQLite as the last to close leaves one file that Endmark finds whole', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path)
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  await map.put(1, 'Endmark')
  const referee = await startReferee(t, path)
  await referee.exec(`INSERT INTO m VALUES (2, 'SQLite')`)
  await db.close()
  t.true(existsSync(`${path}-wal`))
  t.is(await referee.value('SELECT count(*) FROM m'), 2)
  await referee.close()
  t.false(existsSync(`${path}-wal`))
  const again = await open(path)
  t.deepEqual([...(await again.map<number, string>('m')).values()], ['Endmark', 'SQLite'])
  await again.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('Endmark opens a database that SQLite has open and only reads, so that there is no log yet', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  await askSqlite(t, path, (db) =>
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE m (key INTEGER PRIMARY KEY, value)'),
  )
  const referee = await startReferee(t, path)
  t.is(await referee.value('SELECT count(*) FROM m'), 0)
  const db = await open(path)
  const table = await db.table<{ key: number; value: string }, number>('m')
  t.is(table.count(), 0)
  await table.put({ key: 1, value: 'Endmark' })
  t.is(await referee.value('SELECT value FROM m'), 'Endmark')
  await db.close()
  t.is(await referee.integrityCheck(), 'ok')
})

for (const mode of ['passive', 'full', 'restart', 'truncate'] as const) {
  test(`SQLite makes a ${mode} checkpoint of what Endmark wrote, and Endmark goes on`, async (t) => {
    const path = join(temporaryFolder(t), 'a.db')
    const db = await open(path, { autoCheckpoint: 0 })
    const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
    for (let key = 0; key < 100; key++) await map.put(key, text(key))
    const referee = await startReferee(t, path)
    const { busy, log, checkpointed } = await referee.checkpoint(mode)
    t.is(busy, 0)
    t.is(checkpointed, log)
    for (let key = 100; key < 200; key++) await map.put(key, text(key))
    t.deepEqual([...map.entries()], entriesUpTo(200))
    t.deepEqual(
      (await referee.all('SELECT * FROM m')).map(({ key, value }) => [key, value]),
      entriesUpTo(200),
    )
    t.is(await referee.integrityCheck(), 'ok')
    await db.close()
  })
}

for (const mode of ['passive', 'truncate'] as const) {
  test(`Endmark makes a ${mode} checkpoint of what SQLite wrote, and SQLite goes on`, async (t) => {
    const path = join(temporaryFolder(t), 'a.db')
    const db = await open(path, { autoCheckpoint: 0 })
    const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
    const referee = await startReferee(t, path)
    const putMany = (from: number) =>
      referee.call((sqlite, start) => {
        sqlite.pragma('wal_autocheckpoint = 0')
        const put = sqlite.prepare('INSERT INTO m VALUES (?, ?)')
        for (let key = start; key < start + 100; key++) put.run(key, `value ${key} `.repeat(1 + (key % 300)))
      }, from)
    await putMany(0)
    const { busy, log, checkpointed } = await db.checkpoint({ mode })
    t.is(Number(busy), 0)
    t.is(checkpointed, log)
    if (mode === 'truncate') t.is(statSync(`${path}-wal`).size, 0)
    await putMany(100)
    t.deepEqual([...map.entries()], entriesUpTo(200))
    t.is(await referee.value('SELECT count(*) FROM m'), 200)
    t.is(await referee.integrityCheck(), 'ok')
    await referee.close()
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('a snapshot stays as it was while both sides write and checkpoint', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path, { autoCheckpoint: 50 })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  for (let key = 0; key < 100; key++) await map.put(key, text(key))
  const snapshot = db.snapshot()
  const referee = await startReferee(t, path)
  for (let round = 0; round < 10; round++) {
    await map.put(round, 'changed by Endmark')
    await referee.exec(
      `UPDATE m SET value = 'changed by SQLite' WHERE key >= 50; DELETE FROM m WHERE key = ${20 + round}`,
    )
    await referee.checkpoint('passive')
    await db.checkpoint({ mode: 'passive' })
    t.deepEqual([...snapshot.range(map)], entriesUpTo(100))
    t.is(await referee.integrityCheck(), 'ok')
  }
  snapshot.close()
  t.is(map.count(), 90)
  t.is((await referee.checkpoint('truncate')).busy, 0)
  t.is(await referee.integrityCheck(), 'ok')
  await db.close()
})

test('a reader of SQLite keeps its state while Endmark writes and checkpoints', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path, { autoCheckpoint: 20 })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  for (let key = 0; key < 100; key++) await map.put(key, text(key))
  const referee = await startReferee(t, path)
  await referee.exec('BEGIN')
  t.is(await referee.value('SELECT count(*) FROM m'), 100)
  for (let key = 0; key < 200; key++) await map.put(key, 'changed')
  await db.checkpoint({ mode: 'passive' })
  t.deepEqual(
    (await referee.all('SELECT * FROM m')).map(({ key, value }) => [key, value]),
    entriesUpTo(100),
  )
  await referee.exec('COMMIT')
  t.is(await referee.value(`SELECT count(*) FROM m WHERE value = 'changed'`), 200)
  t.is(await referee.integrityCheck(), 'ok')
  await db.close()
})

function entriesUpTo(end: number): [number, string][] {
  return Array.from({ length: end }, (_, key) => [key, text(key)])
}
