/** `snap.token`: the same state in another process, another Database, or later, and never another one (SNAP-6). */
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { startEndmark } from '../support/endmark-process.js'
import { openDatabase, temporaryPath, throws } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'

const MAP = { key: 'integer', value: 'text' } as const
const INLINE = { synchronous: 'off', writer: 'inline' } as const
const LIBRARY = new URL('../../src/index.js', import.meta.url).href

for (const isInMainFile of [true, false]) {
  test(`another process opens the same state while the first holds it (${isInMainFile ? 'main file' : 'log'})`, async (t) => {
    const path = temporaryPath(t)
    const db = await openDatabase(t, path, INLINE)
    const map = await db.map<number, string>('m', MAP)
    for (let key = 0; key < 50; key++) await map.put(key, 'then')
    if (isInMainFile) await db.checkpoint({ mode: 'full' })
    const snapshot = db.snapshot()
    const { token, endMark } = snapshot
    t.is(snapshot.token, token)
    const other = await startEndmark(t, path, INLINE)
    for (let key = 0; key < 50; key++) await map.put(key, 'now')
    await db.checkpoint({ mode: 'passive' })
    const read = (given: string) =>
      other.call(async (database, name) => {
        const store = await database.map<number, string>('m')
        const state = database.snapshot({ token: name, label: 'copy' })
        const values = new Set([...state.range(store)].map(([, value]) => value))
        const result = { values: [...values], count: state.count(store), endMark: state.endMark, token: state.token }
        state.close()
        return { ...result, newest: store.get(1) }
      }, given)
    t.deepEqual(await read(token), { values: ['then'], count: 50, endMark, token, newest: 'now' })
    await db.checkpoint({ mode: 'full' }).catch(() => {})
    t.deepEqual(await read(token), { values: ['then'], count: 50, endMark, token, newest: 'now' })
    snapshot.close()
    await db.checkpoint({ mode: 'truncate' })
    await t.throwsAsync(read(token), { code: 'ENDMARK_SNAPSHOT_EXPIRED' })
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('a worker thread opens the state of the main thread', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  const map = await db.map<number, string>('m', MAP)
  await map.put(1, 'then')
  const snapshot = db.snapshot()
  await map.put(1, 'now')
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.endmark).then(async ({ open }) => {
      const db = await open(workerData.path, { writer: 'inline' })
      const store = await db.map('m')
      const snapshot = db.snapshot({ token: workerData.token })
      const value = snapshot.get(store, 1)
      await db.close()
      parentPort.postMessage(value)
    })`
  const worker = new Worker(source, { eval: true, workerData: { endmark: LIBRARY, path, token: snapshot.token } })
  const value = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await worker.terminate()
  t.is(value, 'then')
  snapshot.close()
})

test('a token outlives its snapshot as long as the log has the state, which then is held by whoever has opened it', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { ...INLINE, autoCheckpoint: 0 })
  const map = await db.map<number, string>('m', MAP)
  const tokens: string[] = []
  for (let value = 0; value < 20; value++) {
    await map.put(1, `value ${value}`)
    tokens.push(db.read((snapshot) => snapshot.token))
  }
  const valueAt = (token: string) => {
    const snapshot = db.snapshot({ token })
    try {
      return snapshot.get(map, 1)
    } finally {
      snapshot.close()
    }
  }
  tokens.forEach((token, value) => void t.is(valueAt(token), `value ${value}`))
  const past = db.snapshot({ token: tokens[7]! })
  await db.checkpoint({ mode: 'passive' })
  t.is(past.get(map, 1), 'value 7')
  t.is(valueAt(tokens[8]!), 'value 8', 'the checkpoint stopped there')
  past.close()
  await db.checkpoint({ mode: 'passive' })
  throws(t, () => valueAt(tokens[8]!), 'ENDMARK_SNAPSHOT_EXPIRED', /no longer has the state/)
  t.is(valueAt(tokens[19]!), 'value 19', 'all of it is copied, and nothing later')
  await map.put(1, 'after')
  throws(t, () => valueAt(tokens[19]!), 'ENDMARK_SNAPSHOT_EXPIRED')
})

test('a snapshot of the Database itself is found again by its token, also when its log has been started over', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  const map = await db.map<number, string>('m', MAP)
  await map.put(1, 'then')
  await db.checkpoint({ mode: 'full' })
  const late = db.snapshot()
  await map.put(1, 'now')
  throws(t, () => late.token, 'ENDMARK_SNAPSHOT_EXPIRED', /too late/)
  const first = db.snapshot()
  const { token } = first
  await map.put(1, 'newer')
  const second = db.snapshot({ token })
  first.close()
  t.is(second.get(map, 1), 'now')
  t.is(late.get(map, 1), 'then')
  second.close()
  throws(t, () => second.token, 'ENDMARK_CLOSED')
})

test('what is no token is refused, and so is the token of another database', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const other = await openDatabase(t, temporaryPath(t), INLINE)
  await db.map('m', MAP)
  await other.map('m', MAP)
  const { token } = other.snapshot()
  throws(t, () => db.snapshot({ token }), 'ENDMARK_SNAPSHOT_EXPIRED')
  for (const wrong of ['', 'x', `${token}0`, token.slice(1), token.toUpperCase(), 7, null, {}]) {
    throws(t, () => db.snapshot({ token: wrong as string }), 'ENDMARK_INVALID_ARGUMENT', /token/)
  }
  throws(t, () => db.snapshot({ label: 7 as unknown as string }), 'ENDMARK_INVALID_ARGUMENT', /label/)
  throws(t, () => db.snapshot({ name: 'x' } as object), 'ENDMARK_INVALID_ARGUMENT', /name/)
  throws(t, () => db.snapshot(null as unknown as object), 'ENDMARK_INVALID_ARGUMENT')
  t.is(db.stats().openSnapshots, 0)
  await db.close()
  throws(t, () => db.snapshot({ token }), 'ENDMARK_CLOSED')
})
