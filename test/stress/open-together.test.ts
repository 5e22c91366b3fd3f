/** Twelve fresh processes open, and create, one new file at the same instant: no error, one database. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { askSqlite } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import type { OpenWorkerStart } from './open-worker.js'

const ROUNDS = 30
const PROCESSES = 12
/** Time for the message to reach all of them before they start. */
const NOTICE_MS = 30
const WORKER_FILE = fileURLToPath(new URL('./open-worker.js', import.meta.url))

test(`${PROCESSES} processes that create one file at once all succeed, ${ROUNDS} times`, async (t) => {
  t.timeout(300_000)
  const folder = temporaryFolder(t)
  const expected = Array.from({ length: PROCESSES }, (_, name) => ({ key: name, value: `process ${name}` }))
  let waiting = startWorkers(t)
  for (let round = 0; round < ROUNDS; round++) {
    const workers = await waiting
    const path = join(folder, `${round}.db`)
    const startTime = Date.now() + NOTICE_MS
    const outcomes = workers.map((worker, name) => openAndPut(worker, { path, name, startTime }))
    t.deepEqual(
      await Promise.all(outcomes),
      expected.map(({ value }) => value),
    )
    waiting = startWorkers(t)
    const found = await askSqlite(t, path, (db) => ({
      rows: db.prepare('SELECT key, value FROM names ORDER BY key').all(),
      integrity: db.pragma('integrity_check', { simple: true }),
    }))
    t.deepEqual(found, { rows: expected, integrity: 'ok' })
  }
})

async function startWorkers(t: ExecutionContext<unknown>): Promise<ChildProcess[]> {
  const workers = Array.from({ length: PROCESSES }, () => fork(WORKER_FILE))
  t.teardown(() => {
    for (const worker of workers) worker.kill('SIGKILL')
  })
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  return workers
}

/** @returns what the worker read back after it had put its row, or how it ended */
async function openAndPut(worker: ChildProcess, start: OpenWorkerStart): Promise<unknown> {
  let answer: unknown
  worker.on('message', (message) => {
    answer = message
  })
  worker.send(start)
  // Not `exit`: that may come before the last message has been read.
  const [code, signal] = await once(worker, 'close')
  return code === 0 ? answer : `ended with ${signal ?? code}`
}
