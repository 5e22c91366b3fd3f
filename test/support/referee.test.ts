import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { askSqlite, integrityCheck, startReferee } from './referee.js'
import { temporaryFolder } from './temporary-folder.js'

test('rows, big integers and blobs come back from the SQLite process as they went in', async (t) => {
  const referee = await startReferee(t, join(temporaryFolder(t), 'a.db'))
  await referee.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, number, bytes)')
  await referee.run('INSERT INTO t VALUES (1, ?, ?)', 2n ** 60n, new Uint8Array([1, 0, 255]))
  const rows = await referee.call((db) => db.prepare('SELECT * FROM t').safeIntegers().all())
  t.deepEqual(rows, [{ id: 1n, number: 2n ** 60n, bytes: Buffer.from([1, 0, 255]) }])
  t.is(await referee.value('SELECT count(*) FROM t'), 1)
  t.is(await referee.integrityCheck(), 'ok')
})

test('an error of SQLite rejects here with its code', async (t) => {
  const referee = await startReferee(t, join(temporaryFolder(t), 'a.db'))
  await t.throwsAsync(referee.exec('SELECT * FROM missing'), { code: 'SQLITE_ERROR', message: /no such table/ })
})

test('a killed SQLite process leaves its log behind, a closed one does not', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const killed = await startReferee(t, path)
  await killed.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  await killed.kill()
  await t.throwsAsync(killed.value('SELECT 1'), { message: /ended/ })
  t.true(existsSync(`${path}-wal`))
  t.is(await askSqlite(t, path, (db) => db.prepare('SELECT sum(a) FROM t').pluck().get()), 1)
  t.false(existsSync(`${path}-wal`))
  t.is(await integrityCheck(t, path), 'ok')
})

test('a checkpoint reports what SQLite reports', async (t) => {
  const referee = await startReferee(t, join(temporaryFolder(t), 'a.db'))
  await referee.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)')
  t.deepEqual(await referee.checkpoint('truncate'), { busy: 0, log: 0, checkpointed: 0 })
})
