/** `db.watch` as its users meet it: what is told when, filters, ends, and what a watch does not hold (WATCH-1, WATCH-3). */
import { execFile } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import type { Change, Database, WatchOptions } from '../../src/index.js'
import { ClockVfs, openWithClock } from '../support/clock-vfs.js'
import { openDatabase, temporaryPath, throws } from '../support/open-database.js'
import { startReferee } from '../support/referee.js'

const INLINE = { writer: 'inline', synchronous: 'off' } as const
const MAP = { key: 'integer', value: 'text' } as const
const LIBRARY = new URL('../../src/index.js', import.meta.url).href
const run = promisify(execFile)

function openMap(db: Database, name = 'm') {
  return db.map(name, MAP)
}

async function nextOf(watch: AsyncIterator<Change>): Promise<Change> {
  const { value, done } = await watch.next()
  if (done) throw new Error('the watch has ended')
  return value as Change
}

async function watchedMap(t: ExecutionContext<unknown>, options?: WatchOptions) {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await openMap(db)
  return { db, map, watch: db.watch(options) }
}

test('a loop gets each commit once, in order, from the call on', async (t) => {
  const { db, map } = await watchedMap(t)
  await map.put(0, 'before')
  const watch = db.watch()
  const told: unknown[] = []
  const reading = (async () => {
    let endMark = db.read((snapshot) => snapshot.endMark)
    for await (const change of watch) {
      t.is(change.from, endMark)
      t.is(change.commits, 1)
      endMark = change.endMark
      told.push(...change.stores!.get('m')!.keys!)
      if (told.length === 20) break
    }
  })()
  for (let key = 1; key <= 20; key++) await map.put(key, 'after')
  await reading
  t.deepEqual(
    told,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  t.deepEqual(await watch.next(), { done: true, value: undefined })
})

test('what is told can be read, and its token names that state', async (t) => {
  const { db, map, watch } = await watchedMap(t)
  await map.put(1, 'one')
  await map.put(1, 'two')
  const first = await nextOf(watch)
  const second = await nextOf(watch)
  const then = db.snapshot({ token: first.token })
  t.is(then.get(map, 1), 'one')
  t.is(then.endMark, first.endMark)
  then.close()
  const newest = db.snapshot()
  t.is(newest.token, second.token)
  newest.close()
})

test('a watch of some stores is told only of those, by handle, by name, and before they are there', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await openMap(db)
  const other = await openMap(db, 'other')
  const byHandle = db.watch({ stores: [other] })
  const byName = db.watch({ stores: ['LATER', 'other'] })
  for (let key = 0; key < 100; key++) await map.put(key, 'x')
  await other.put(7, 'x')
  const change = await nextOf(byHandle)
  t.deepEqual([...change.stores!], [['other', { keys: [7] }]])
  t.deepEqual([...(await nextOf(byName)).stores!], [['other', { keys: [7] }]])
  const later = await openMap(db, 'later')
  t.deepEqual([...(await nextOf(byName)).stores!], [['later', { keys: undefined }]])
  await db.transaction((tx) => {
    tx.put(map, 1, 'y')
    tx.put(later, 2, 'y')
  })
  t.deepEqual([...(await nextOf(byName)).stores!], [['later', { keys: [2] }]])
})

test('keys of every kind come as their stores take them', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const big = 2n ** 60n
  const blobs = await db.map('blobs', { key: 'blob', value: 'json' })
  const reals = await db.map('reals', { key: 'real', value: 'any' })
  const rows = await db.table('rows', { columns: { id: 'integer', name: 'text' }, primaryKey: 'id' })
  const pairs = await db.table('pairs', { columns: { v: 'any', b: 'text', a: 'integer' }, primaryKey: ['a', 'b'] })
  const watch = db.watch()
  await db.transaction((tx) => {
    tx.put(blobs, Uint8Array.of(1, 2), { x: 1 })
    tx.put(reals, 3, 'whole')
    tx.put(rows, { id: big, name: 'x' })
    tx.put(pairs, { a: 5, b: 'b', v: null })
  })
  const { stores } = await nextOf(watch)
  t.deepEqual(stores!.get('blobs')!.keys, [Uint8Array.of(1, 2)])
  t.deepEqual(stores!.get('reals')!.keys, [3])
  t.deepEqual(stores!.get('rows')!.keys, [big])
  t.deepEqual(stores!.get('pairs')!.keys, [[5, 'b']])
  for (const [name, { keys }] of stores!) for (const key of keys!) t.true((await db.table(name)).has(key), name)
})

test('a watch that waits keeps no log from being started over', async (t) => {
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, temporaryPath(t), { synchronous: 'off' })
  const map = await openMap(db)
  const waiting = nextOf(db.watch())
  await clock.waited()
  const checkpoint = clock.passUntil(db.checkpoint({ mode: 'truncate' }))
  t.deepEqual(await checkpoint, { busy: 0, log: 0, checkpointed: 0 })
  // It looks at the empty log, finds nothing and waits on.
  clock.pass(1000)
  t.is(clock.waitingCount, 1)
  await map.put(1, 'x')
  const change = await waiting
  t.deepEqual([...change.stores!], [['m', { keys: [1] }]])
})

test('a restart of the log hides nothing from a watch that has seen all before it', async (t) => {
  const { db, map, watch } = await watchedMap(t)
  const sqlite = await startReferee(t, db.path)
  for (let round = 0; round < 6; round++) {
    await map.put(round, 'x')
    t.deepEqual([...(await nextOf(watch)).stores!.get('m')!.keys!], [round])
    if (round % 2 === 0) await db.checkpoint({ mode: 'truncate' })
    else await sqlite.checkpoint(round === 1 ? 'restart' : 'truncate')
    if (round === 3) await sqlite.checkpoint('truncate')
    await sqlite.run('UPDATE m SET value = ? WHERE key = ?', 'from SQLite', round)
    t.deepEqual([...(await nextOf(watch)).stores!.get('m')!.keys!], [round])
  }
})

test('commits that the log no longer has are told as one change without stores', async (t) => {
  const { db, map, watch } = await watchedMap(t)
  const from = db.read((snapshot) => snapshot.endMark)
  for (let key = 0; key < 10; key++) await map.put(key, 'lost')
  await db.checkpoint({ mode: 'truncate' })
  await map.put(100, 'kept')
  const change = await nextOf(watch)
  t.like(change, { from, commits: undefined, stores: undefined })
  t.is(db.snapshot({ token: change.token }).get(map, 100), 'kept')
  await map.put(101, 'next')
  t.deepEqual([...(await nextOf(watch)).stores!.get('m')!.keys!], [101])
})

test('commits behind which a checkpoint has run are told with what is still known', async (t) => {
  const { db, map } = await watchedMap(t)
  await db.checkpoint({ mode: 'truncate' })
  const watch = db.watch()
  for (let key = 0; key < 5; key++) await map.put(key, 'x')
  await db.checkpoint({ mode: 'full' })
  const first = await nextOf(watch)
  t.is(first.commits, 1)
  // Its page before came from the main file, which has the newest version by now; those of the next are both in the log.
  t.deepEqual([...first.stores!], [['m', { keys: undefined }]])
  t.deepEqual([...(await nextOf(watch)).stores!.get('m')!.keys!], [1])
})

test('a consumer that lags is told everything later, while the log has it', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), { ...INLINE, autoCheckpoint: 0 })
  const map = await openMap(db)
  const watch = db.watch()
  for (let key = 0; key < 2000; key++) await map.put(key, 'x')
  for (let key = 0; key < 2000; key++) t.deepEqual((await nextOf(watch)).stores!.get('m')!.keys, [key])
})

test('several watches each get every change', async (t) => {
  const { db, map } = await watchedMap(t)
  const watches = Array.from({ length: 5 }, () => db.watch())
  const all = Promise.all(watches.map(async (watch) => [(await nextOf(watch)).endMark, (await nextOf(watch)).endMark]))
  await map.put(1, 'x')
  await map.put(2, 'x')
  const [first, ...others] = await all
  for (const other of others) t.deepEqual(other, first)
})

test('calls of next that are not awaited are answered in their order', async (t) => {
  const { map, watch } = await watchedMap(t)
  const calls = [nextOf(watch), nextOf(watch), nextOf(watch)]
  for (const key of [1, 2, 3]) await map.put(key, 'x')
  const keys = (await Promise.all(calls)).map(({ stores }) => stores!.get('m')!.keys![0])
  t.deepEqual(keys, [1, 2, 3])
})

/** A watch that nobody awaited was forgotten on closing, and its listener kept the Database for as long as the signal lived. */
test('a Database that is closed leaves no listener on the signals of its watches', async (t) => {
  const controller = new AbortController()
  const { signal } = controller
  const db = await openDatabase(t, temporaryPath(t), { writer: 'inline' })
  const [awaited, idle, returned] = [db.watch({ signal }), db.watch({ signal }), db.watch({ signal })]
  const next = awaited.next()
  await returned.return()
  t.is(getEventListeners(signal, 'abort').length, 2)
  await db.close()
  t.is(getEventListeners(signal, 'abort').length, 0)
  controller.abort()
  t.true((await next).done)
  t.true((await idle.next()).done)
})

test('a signal ends the watch with an AbortError', async (t) => {
  const { db } = await watchedMap(t)
  const controller = new AbortController()
  const watch = db.watch({ signal: controller.signal })
  const waiting = watch.next()
  controller.abort(new Error('enough'))
  const error = await t.throwsAsync(waiting, { name: 'AbortError', code: 'ABORT_ERR' })
  t.is((error?.cause as Error | undefined)?.message, 'enough')
  t.deepEqual(await watch.next(), { done: true, value: undefined })
  const late = db.watch({ signal: controller.signal })
  await t.throwsAsync(late.next(), { name: 'AbortError' })
  t.deepEqual(await late.next(), { done: true, value: undefined })
})

test('closing the database ends its watches, and there are no new ones', async (t) => {
  const { db, watch } = await watchedMap(t)
  const waiting = watch.next()
  await db.close()
  t.deepEqual(await waiting, { done: true, value: undefined })
  t.deepEqual(await watch.next(), { done: true, value: undefined })
  throws(t, () => db.watch(), 'ENDMARK_CLOSED')
})

test('return ends what is awaited', async (t) => {
  const { watch } = await watchedMap(t)
  const waiting = watch.next()
  t.deepEqual(await watch.return!(), { done: true, value: undefined })
  t.deepEqual(await waiting, { done: true, value: undefined })
})

test('options that make no sense are refused', async (t) => {
  const { db } = await watchedMap(t)
  const elsewhere = await watchedMap(t)
  const bad = (options: unknown) => throws(t, () => db.watch(options as WatchOptions), 'ENDMARK_INVALID_ARGUMENT')
  bad(null)
  bad({ store: 'm' })
  bad({ stores: 'm' })
  bad({ stores: [] })
  bad({ stores: [7] })
  bad({ signal: {} })
  bad({ stores: [elsewhere.map] })
})

test('a Database that only reads watches as well', async (t) => {
  const { db, map } = await watchedMap(t)
  const reader = await openDatabase(t, db.path, { readOnly: true })
  const watch = reader.watch()
  await map.put(5, 'x')
  t.deepEqual([...(await nextOf(watch)).stores!], [['m', { keys: [5] }]])
})

test('a worker thread watches what the main thread commits', async (t) => {
  const { db, map } = await watchedMap(t)
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.endmark).then(async ({ open }) => {
      const db = await open(workerData.path, { writer: 'inline' })
      const watch = db.watch()
      parentPort.postMessage('ready')
      for await (const change of watch) {
        parentPort.postMessage(change.stores.get('m').keys)
        break
      }
      await db.close()
    })`
  const worker = new Worker(source, { eval: true, workerData: { endmark: LIBRARY, path: db.path } })
  t.teardown(() => worker.terminate())
  const told = await new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (message) => {
      if (message === 'ready') void map.put(42, 'x')
      else resolve(message)
    })
  })
  t.deepEqual(told, [42])
})

test('a process lives while a change is awaited, and no longer', async (t) => {
  const { db, map } = await watchedMap(t)
  const code = (body: string) => `
    import { open } from ${JSON.stringify(LIBRARY)}
    const db = await open(${JSON.stringify(db.path)}, { writer: 'inline' })
    const watch = db.watch()
    ${body}`
  const start = (body: string) => run(process.execPath, ['--input-type=module', '-e', code(body)], { timeout: 20_000 })
  await t.notThrowsAsync(start('watch[Symbol.asyncIterator]()'))
  // The interval keeps no process alive: it comes so often only if the watch does.
  const waiting = start(`
    let count = 0
    setInterval(() => ++count === 50 && console.log('alive'), 1).unref()
    console.log((await watch.next()).value.stores.get('m').keys)`)
  t.teardown(() => waiting.child.kill('SIGKILL'))
  await Promise.race([once(waiting.child.stdout!, 'data'), waiting])
  await map.put(9, 'x')
  t.is((await waiting).stdout, 'alive\n[ 9 ]\n')
})
