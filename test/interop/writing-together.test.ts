/** Both write the same file, in turn and at once: no update is lost, no commit fails. */
import { join } from 'node:path'
import test from 'ava'
import { open } from '../../src/index.js'
import { startEndmark } from '../support/endmark-process.js'
import { integrityCheck, startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('a thousand commits of each, one after the other, all see what the other did before', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path, { synchronous: 'normal', autoCheckpoint: 200 })
  const map = await db.map<string, number>('counters', { key: 'text', value: 'integer' })
  await map.put('n', 0)
  const referee = await startReferee(t, path)
  await referee.exec('PRAGMA synchronous = NORMAL')

  for (let turn = 0; turn < 1000; turn++) {
    t.is(map.get('n'), 2 * turn)
    await map.put('n', 2 * turn + 1)
    const changes = await referee.run('UPDATE counters SET value = value + 1 WHERE value = ?', 2 * turn + 1)
    t.is(changes.changes, 1)
    if (turn % 50 === 0) t.is(await referee.integrityCheck(), 'ok')
  }
  t.is(map.get('n'), 2000)
  t.is(await referee.integrityCheck(), 'ok')
  await db.close()
  await referee.close()
  t.is(await integrityCheck(t, path), 'ok')
})

const COMMITS_AT_ONCE = 1500
const COUNTER_COUNT = 20

test('two SQLite and two Endmark processes that count at once lose no update', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const first = await startEndmark(t, path, { synchronous: 'normal' })
  await first.call(async (db, count) => {
    const map = await db.map<number, number>('counters', { key: 'integer', value: 'integer' })
    await db.transaction((tx) => {
      for (let key = 0; key < count; key++) tx.put(map, key, 0)
    })
  }, COUNTER_COUNT)
  const second = await startEndmark(t, path, { synchronous: 'normal' })
  const referees = [await startReferee(t, path), await startReferee(t, path)]

  const endmarks = [first, second].map((process) =>
    process.call(
      async (db, commits, counters) => {
        const map = await db.map<number, number>('counters')
        for (let done = 0; done < commits; done++) {
          await db.transaction((tx) => tx.put(map, done % counters, (tx.get(map, done % counters) ?? 0) + 1))
        }
      },
      COMMITS_AT_ONCE,
      COUNTER_COUNT,
    ),
  )
  const sqlites = referees.map((referee) =>
    referee.call(
      (db, commits, counters) => {
        db.pragma('synchronous = NORMAL')
        const read = db.prepare('SELECT value FROM counters WHERE key = ?').pluck()
        const write = db.prepare('UPDATE counters SET value = ? WHERE key = ?')
        const count = db.transaction((key: number) => write.run((read.get(key) as number) + 1, key))
        for (let done = 0; done < commits; done++) count.immediate(done % counters)
      },
      COMMITS_AT_ONCE,
      COUNTER_COUNT,
    ),
  )
  await Promise.all([...endmarks, ...sqlites])

  const expected = Array.from({ length: COUNTER_COUNT }, (_, key) => ({
    key,
    value: (4 * COMMITS_AT_ONCE) / COUNTER_COUNT,
  }))
  const [referee] = referees
  t.deepEqual(await referee?.all('SELECT key, value FROM counters ORDER BY key'), expected)
  t.is(await referee?.integrityCheck(), 'ok')
  for (const process of [first, second, ...referees]) await process.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('trees that both grow and shrink at once stay whole', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const endmark = await startEndmark(t, path, { synchronous: 'off', autoCheckpoint: 100 })
  await endmark.call(async (db) => {
    await db.map('m', { key: 'integer', value: 'text' })
  })
  const referee = await startReferee(t, path)

  // Even keys are Endmark's and odd ones SQLite's; each adds two and removes one, in leaps over the key range.
  const [, byEndmark] = await Promise.all([
    referee.call((db) => {
      db.pragma('synchronous = OFF')
      const put = db.prepare('INSERT OR REPLACE INTO m VALUES (?, ?)')
      const drop = db.prepare('DELETE FROM m WHERE key = ?')
      for (let step = 0; step < 600; step++) {
        db.transaction(() => {
          put.run(((step * 7919) % 10_000) * 2 + 1, `sqlite ${step} `.repeat(step % 400))
          put.run(step * 2 + 1, `sqlite ${step}`)
          drop.run((step >> 1) * 2 + 1)
        }).immediate()
      }
    }),
    endmark.call(async (db) => {
      const map = await db.map<number, string>('m')
      for (let step = 0; step < 600; step++) {
        await db.transaction((tx) => {
          tx.put(map, ((step * 7919) % 10_000) * 2, `endmark ${step} `.repeat(step % 400))
          tx.put(map, step * 2, `endmark ${step}`)
          tx.delete(map, (step >> 1) * 2)
        })
      }
      return [...map.entries()].filter(([key]) => key % 2 === 0)
    }),
  ])

  const bySqlite = (await referee.all('SELECT key, value FROM m')).map(({ key, value }) => [key, value])
  t.deepEqual(
    bySqlite.filter(([key]) => (key as number) % 2 === 0),
    byEndmark,
  )
  t.deepEqual(byEndmark, modelEntries('endmark'))
  t.deepEqual(
    bySqlite.filter(([key]) => (key as number) % 2 === 1).map(([key, value]) => [(key as number) - 1, value]),
    modelEntries('sqlite'),
  )
  t.is(await referee.integrityCheck(), 'ok')
})

/** What the steps of the test above leave behind, with even keys. */
function modelEntries(writer: string): [number, string][] {
  const model = new Map<number, string>()
  for (let step = 0; step < 600; step++) {
    model.set(((step * 7919) % 10_000) * 2, `${writer} ${step} `.repeat(step % 400))
    model.set(step * 2, `${writer} ${step}`)
    model.delete((step >> 1) * 2)
  }
  return [...model].sort(([a], [b]) => a - b)
}
