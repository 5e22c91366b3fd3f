/** `writer: 'process'` and `'auto'` with real processes: started, used, lost, stopped, and gone without. */

import { execFile } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { Database, OpenOptions } from '../../src/index.js'
import { useWriter } from '../support/commit-modes.js'
import { killWritersOf, writersOf } from '../support/detached-writers.js'
import { startEndmark } from '../support/endmark-process.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { askSqlite, integrityCheck } from '../support/referee.js'
import { until } from '../support/until.js'
import { killWriter, startWriter } from '../support/writer-process.js'

const execFileAsync = promisify(execFile)

/** Opens with `writer: 'process'`; whichever writer processes it starts end with the test. */
async function openStarting(t: ExecutionContext<unknown>, path: string, options: OpenOptions = {}): Promise<Database> {
  // Runs after the Database is closed, which starts none any more.
  t.teardown(() => killWritersOf(path))
  return openDatabase(t, path, { ...options, writer: 'process' })
}

test('open starts a writer process, waits for it, and commits go through it', async (t) => {
  const path = temporaryPath(t)
  const db = await openStarting(t, path)
  const { pid } = db.stats().writer
  t.not(pid, null)
  t.not(pid, process.pid)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  t.deepEqual(db.stats().writer, { mode: 'remote', pid, failure: null })
  await map.put(1, 1)
  // A second one finds it there.
  const second = await openDatabase(t, path, { writer: 'process' })
  t.is(second.stats().writer.pid, pid)
  await (await second.map<number, number>('m')).put(2, 2)
  t.deepEqual([...map.keys()], [1, 2])
})

test('when the writer process is killed, commits go on here at once, and through another one soon', async (t) => {
  const path = temporaryPath(t)
  const db = await openStarting(t, path)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  for (let round = 0; round < 2; round++) {
    await useWriter(db)
    const { pid } = db.stats().writer
    const increments = Array.from({ length: 200 }, () =>
      db.transaction((tx) => void tx.put(map, 1, (tx.get(map, 1) ?? 0) + 1)),
    )
    process.kill(pid!, 'SIGKILL')
    await Promise.all(increments)
    t.is(map.get(1), (round + 1) * 200)
    await map.put(2, round)
    await useWriter(db)
    t.not(db.stats().writer.pid, pid)
  }
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a writer process that cannot be reached in time is a clear error, and nothing is left open', async (t) => {
  const path = temporaryPath(t)
  await rejects(
    t,
    openStarting(t, path, { timeout: 1 }),
    'ENDMARK_BUSY',
    /no writer process could be reached within 1 ms/,
  )
  await killWritersOf(path)
  const inline = await openDatabase(t, path, { writer: 'inline' })
  await inline.map('m', { key: 'text', value: 'text' })
  await inline.close()
  t.false(existsSync(`${path}-shm`), 'it was the last one')
})

test('a stopped writer process does not stop its clients', async (t) => {
  const path = temporaryPath(t)
  const writer = await startWriter(t, path)
  const db = await openDatabase(t, path, { timeout: 1000 })
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await useWriter(db)
  await map.put(1, 1)
  // It holds no lock now: whoever is stopped with the WRITE lock stops everyone, as with SQLite.
  writer.kill('SIGSTOP')
  await Promise.all([map.put(2, 2), db.transaction((tx) => void tx.put(map, 1, tx.get(map, 1)! + 1))])
  t.is(db.stats().writer.mode, 'inline')
  t.regex(String(db.stats().writer.failure), /1000 ms/)
  await map.put(3, 3)
  // What it had received, and goes on with now, has been done already.
  writer.kill('SIGCONT')
  await useWriter(db)
  await map.put(4, 4)
  t.deepEqual(
    [...map.entries()],
    [
      [1, 2],
      [2, 2],
      [3, 3],
      [4, 4],
    ],
  )
})

test("writer: 'auto' finds a writer process that is started later, and does without it when it has ended", async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.put(1, 1)
  t.deepEqual(db.stats().writer, { mode: 'inline', pid: null, failure: null })
  const writer = await startWriter(t, path)
  for (let i = 0; db.stats().writer.mode !== 'remote'; i++) await map.put(1, i)
  t.is(db.stats().writer.pid, writer.pid!)
  writer.kill('SIGTERM')
  for (let i = 0; db.stats().writer.mode !== 'inline'; i++) await map.put(1, i)
  await map.put(2, 2)
  await killWriter(writer)
  t.false(existsSync(`${path}-sock`))
})

test('a client that leaves takes its row along', async (t) => {
  const path = temporaryPath(t)
  await startWriter(t, path)
  const remote = await startEndmark(t, path)
  const count = await remote.call(async (db) => {
    const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
    while (db.stats().writer.mode !== 'remote') await map.put(1, 1)
    await map.put(2, 2)
    return map.count()
  })
  t.is(count, 2)
  const rows = () => askSqlite(t, path, (db) => db.prepare('SELECT count(*) FROM endmark_clients').pluck().get())
  t.is(await rows(), 1)
  await remote.close()
  await until(async () => (await rows()) === 0, 'its row to be removed')
})

test('a Database that is left open with a writer process keeps its process from nothing', async (t) => {
  const path = temporaryPath(t)
  await startWriter(t, path)
  const source = `
    const { open } = await import(${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)})
    const db = await open(${JSON.stringify(path)})
    const map = await db.map('m', { key: 'integer', value: 'integer' })
    while (db.stats().writer.mode !== 'remote') await map.put(1, 1)
    await map.put(2, 2)
    process.stdout.write('committed')`
  const { stdout } = await execFileAsync(process.execPath, ['--input-type=module', '-e', source])
  t.is(stdout, 'committed')
})

test('with readOnly nobody looks for a writer process', async (t) => {
  const path = temporaryPath(t)
  const writing = await openDatabase(t, path, { writer: 'inline' })
  await writing.map('m', { key: 'text', value: 'text' })
  const db = await openDatabase(t, path, { readOnly: true, writer: 'process' })
  await rejects(t, db.dropStore('m'), 'ENDMARK_READONLY')
  t.deepEqual(db.stats().writer, { mode: 'inline', pid: null, failure: null })
  t.deepEqual(writersOf(path), [])
})

test('a Database whose file was replaced does not commit to the new one by its writer process', async (t) => {
  const path = temporaryPath(t)
  const replacement = `${path}.next`
  const MAP = { key: 'integer', value: 'integer' } as const
  for (const file of [path, replacement]) {
    const db = await openDatabase(t, file, { writer: 'inline' })
    await db.map('m', MAP)
    await db.close()
  }
  const holder = await openDatabase(t, path)
  const map = await holder.map<number, number>('m')
  for (const suffix of ['-wal', '-shm']) renameSync(path + suffix, `${path}.old${suffix}`)
  renameSync(replacement, path)
  await startWriter(t, path)
  const writer = () => holder.stats().writer
  await until(async () => {
    await map.put(1, 1)
    return writer().failure !== null || writer().mode !== 'inline'
  }, 'it to find the writer process')
  t.like(writer(), { mode: 'inline', pid: null })
  t.regex(String(writer().failure), /serves another file/)
  t.is(map.get(1), 1)
  const other = await openDatabase(t, path, { writer: 'inline' })
  t.is((await other.map<number, number>('m')).count(), 0)
})
