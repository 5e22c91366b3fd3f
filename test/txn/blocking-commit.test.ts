/**
 * A caller who awaited everything still got ENDMARK_BUSY from `transactionSync`, whenever the last pass of an automatic
 * checkpoint happened to hold WRITE: nothing public awaits that. Now the pass is given up.
 */
import test from 'ava'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'

test('a blocking commit never meets a checkpoint that this Database has started by itself', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { autoCheckpoint: 5, synchronous: 'normal' })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  for (let round = 0; round < 1500; round++) {
    await map.put(round % 50, `async ${round}`)
    db.transactionSync((tx) => tx.put(map, 100 + (round % 50), `sync ${round}`))
  }
  t.is(map.get(49), 'async 1499')
  t.is(map.get(149), 'sync 1499')
  t.true(db.stats().checkpoints > 10)
  t.is(db.stats().checkpointFailure, null)
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a signal that aborts while the function of its transaction runs comes too late', async (t) => {
  const db = await openDatabase(t, temporaryPath(t))
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  const abort = new AbortController()
  await db.transaction(
    (tx) => {
      tx.put(map, 1, 1)
      abort.abort()
    },
    { signal: abort.signal },
  )
  t.is(map.get(1), 1)
})
