/**
 * SQLite polls for WRITE with sleeps of up to 100 ms. Beside a writer process that always has something to commit it must
 * come to it all the same: no SQLITE_BUSY within its usual timeout, and a useful number of commits each second.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { startReferee } from '../support/referee.js'
import { startServe } from '../support/serve-process.js'

const COMMITS = 1000
const RATE_MIN = 20

test('a SQLite process makes its commits beside a saturated writer process', async (t) => {
  const path = temporaryPath(t)
  await startServe(t, path)
  const db = await openDatabase(t, path)
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  await map.put(0, 'x')
  const main = fileURLToPath(new URL('./saturating-client-main.js', import.meta.url))
  const clients = [0, 1].map((index) => fork(main, [path, String(index)]))
  t.teardown(async () => {
    for (const client of clients) {
      client.kill('SIGKILL')
      if (client.exitCode === null && client.signalCode === null) await once(client, 'exit')
    }
  })
  await Promise.all(clients.map((client) => once(client, 'message')))
  const sqlite = await startReferee(t, path, { timeoutMs: 5000 })
  const { busy, seconds, waitMax } = await sqlite.call((database, count) => {
    database.exec('CREATE TABLE own (n INTEGER PRIMARY KEY, v TEXT)')
    const insert = database.prepare('INSERT INTO own VALUES (?, ?)')
    const startMs = performance.now()
    let busy = 0
    let waitMax = 0
    for (let n = 0; n < count; n++) {
      const beforeMs = performance.now()
      try {
        insert.run(n, String(n))
      } catch {
        busy++
      }
      waitMax = Math.max(waitMax, performance.now() - beforeMs)
    }
    return { busy, seconds: (performance.now() - startMs) / 1000, waitMax }
  }, COMMITS)
  t.log(`${(COMMITS / seconds).toFixed(0)} commits/s, the longest took ${waitMax.toFixed(0)} ms`)
  t.is(busy, 0)
  t.true(COMMITS / seconds >= RATE_MIN, `${COMMITS / seconds} commits/s`)
})
