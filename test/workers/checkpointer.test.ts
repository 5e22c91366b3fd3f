/** The checkpointer process: it copies the log so that nobody else has to, is replaced when it dies, and cuts a long log. */
import { statSync } from 'node:fs'
import test from 'ava'
import { open } from '../../src/index.js'
import { WriterProcess } from '../../workers/writer-process.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { isRunning, startServe } from '../support/serve-process.js'
import { until } from '../support/until.js'

const MAP = { key: 'integer', value: 'text' } as const

test('a log that has waited for a second is copied, however short it is', async (t) => {
  const path = temporaryPath(t)
  await startServe(t, path)
  const db = await openDatabase(t, path)
  await (await db.map('m', MAP)).put(1, 'a')
  t.true(db.stats().logFrames > 0)
  await until(() => db.stats().backfilled === db.stats().logFrames, 'backfill')
})

test('a log that has grown by enough frames is copied and started over, by nobody but the checkpointer', async (t) => {
  const path = temporaryPath(t)
  await startServe(t, path, '--auto-checkpoint', '100')
  const db = await openDatabase(t, path)
  const map = await db.map<number, string>('m', MAP)
  let frames = 0
  let hasRestarted = false
  for (let key = 0; !hasRestarted; key++) {
    await map.put(key % 500, String(key))
    const { logFrames } = db.stats()
    hasRestarted = logFrames < frames
    frames = logFrames
    t.true(frames < 5000)
  }
  t.is(db.stats().checkpoints, 0)
})

test('a killed one is replaced, and meanwhile the writer process makes its checkpoints', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path)
  process.kill(serve.checkpointer, 'SIGKILL')
  const next = await serve.event('checkpointer started', ({ checkpointer }) => checkpointer !== serve.checkpointer)
  t.true(isRunning(Number(next.checkpointer)))
  t.is((await serve.event('checkpointer ended')).how, 'SIGKILL')
})

test('one that stands still keeps commits waiting for a moment and not for long', async (t) => {
  const path = temporaryPath(t)
  const serve = await startServe(t, path, '--auto-checkpoint', '50')
  process.kill(serve.checkpointer, 'SIGSTOP')
  const db = await openDatabase(t, path)
  const map = await db.map<number, string>('m', MAP)
  for (let key = 0; key < 300; key++) await map.put(key, 'x')
  t.is(map.count(), 300)
  process.kill(serve.checkpointer, 'SIGCONT')
  await until(() => db.stats().backfilled === db.stats().logFrames, 'backfill')
})

test('the log file shrinks after a burst, but not under a reader that needs it', async (t) => {
  const path = temporaryPath(t)
  const pace = { shrinkAfterMs: 300, ageMs: 50 }
  const writer = await WriterProcess.start(path, { autoCheckpoint: 20, pace, log: () => {} })
  t.teardown(() => writer.stop('the test is over'))
  const db = await open(path)
  t.teardown(() => db.close())
  const map = await db.map<number, string>('m', MAP)
  await map.put(0, 'before')
  const snapshot = db.snapshot()
  for (let key = 0; key < 40; key++) await map.put(key, 'x'.repeat(20_000))
  const long = statSync(`${path}-wal`).size
  t.true(long > 40 * 20_000)
  t.is(snapshot.get(map, 0), 'before')
  snapshot.close()
  // A trickle, as the log is started over by commits.
  for (let turn = 0; statSync(`${path}-wal`).size > long / 4; turn++) await map.put(100 + (turn % 50), 'y')
  t.is(map.get(39), 'x'.repeat(20_000))
})
