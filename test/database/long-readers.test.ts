/**
 * Who holds the log: `stats().readers`, the event 'long-reader', and `snapshotTimeout`. READER-2: a snapshot is ended by its
 * owner only, and every read of it throws from then on, whatever has happened to the log meanwhile.
 */
import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { LongReader } from '../../src/index.js'
import { LONG_READER_MS } from '../../src/txn/held-snapshots.js'
import { ClockVfs, openWithClock } from '../support/clock-vfs.js'
import { startEndmark } from '../support/endmark-process.js'
import { openDatabase, temporaryPath, throws } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { startServe } from '../support/serve-process.js'
import { until } from '../support/until.js'

const MAP = { key: 'integer', value: 'text' } as const
const FRAME_BYTES = 4096 + 24
const INLINE = { synchronous: 'off', writer: 'inline' } as const

test('a snapshot that is older than a second is listed by every process, with its label, until it is closed', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  const map = await db.map<number, string>('m', MAP)
  await map.put(1, 'a')
  const beganMs = Date.now()
  const snapshot = db.snapshot({ label: 'the report' })
  t.deepEqual(db.stats().readers, [])
  t.false(existsSync(`${path}-readers`), 'short snapshots leave no trace')
  await map.put(2, 'b')
  const other = await startEndmark(t, path, INLINE)
  const listed = () => other.call((database) => database.stats().readers)
  await until(async () => (await listed()).length > 0, 'the snapshot to be listed')
  const [reader] = await listed()
  t.like(reader, { pid: process.pid, thread: 0, endMark: snapshot.endMark, label: 'the report', framesHeld: 1 })
  t.true(Math.abs(reader!.sinceMs - beganMs) < 200)
  snapshot.close()
  t.deepEqual(await listed(), [])
  await other.close()
  await db.close()
  t.false(existsSync(`${path}-readers`), 'the last one out removes it')
})

test('a reader that is killed disappears from the list by itself', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  await (await db.map<number, string>('m', MAP)).put(1, 'a')
  const other = await startEndmark(t, path, INLINE)
  await other.call((database) => void database.snapshot())
  await until(() => db.stats().readers.length === 1, 'the reader')
  await other.kill()
  await until(() => db.stats().readers.length === 0, 'its end')
  t.true(existsSync(`${path}-readers`))
})

test('a folder in the place of the registry harms nobody', async (t) => {
  const path = temporaryPath(t)
  mkdirSync(`${path}-readers`)
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, path, { synchronous: 'off' })
  await (await db.map<number, string>('m', MAP)).put(1, 'a')
  const snapshot = db.snapshot()
  clock.pass(1300)
  clock.pass(1300)
  t.deepEqual(db.stats().readers, [])
  snapshot.close()
  await db.close()
  t.false(existsSync(`${path}-wal`), 'closed in order')
  rmdirSync(`${path}-readers`)
})

test('short snapshots and iterators never touch the registry', async (t) => {
  const path = temporaryPath(t)
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, path, { synchronous: 'off' })
  const map = await db.map<number, string>('m', MAP)
  for (let round = 0; round < 10; round++) {
    await map.put(1, 'a')
    db.read((snapshot) => snapshot.get(map, 1))
    const snapshot = db.snapshot()
    for (const _ of map.keys()) clock.pass(LONG_READER_MS - 1)
    snapshot.close()
    clock.pass(LONG_READER_MS - 1)
  }
  t.false(existsSync(`${path}-readers`))
  const snapshot = db.snapshot()
  clock.pass(LONG_READER_MS)
  t.true(existsSync(`${path}-readers`), 'the first that is not short')
  snapshot.close()
})

test('whoever writes hears of a reader that keeps the log from being started over, at most once a second', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { ...INLINE, autoCheckpoint: 20 })
  const map = await db.map<number, string>('m', MAP)
  const heard: { atMs: number; reader: LongReader }[] = []
  const listener = (reader: LongReader) => heard.push({ atMs: performance.now(), reader })
  t.is(db.on('long-reader', listener), db)
  const other = await openDatabase(t, path, INLINE)
  await map.put(0, 'a')
  const snapshot = other.snapshot({ label: 'slow' })
  for (const startMs = performance.now(); heard.length < 2 && performance.now() - startMs < 15_000; await delay(5)) {
    await map.put(1, 'x')
  }
  t.is(heard.length, 2)
  t.like(heard[0]!.reader, { pid: process.pid, label: 'slow', endMark: snapshot.endMark })
  t.true(heard[0]!.reader.ageMs >= 1000 && heard[0]!.reader.framesHeld > 0)
  t.true(heard[1]!.atMs - heard[0]!.atMs > 900)
  snapshot.close()
  db.off('long-reader', listener)
  for (let key = 0; key < 100; key++) await map.put(key, 'y')
  t.is(heard.length, 2)
  throws(t, () => db.on('other' as 'long-reader', listener), 'ENDMARK_INVALID_ARGUMENT')
})

test('a Database that commits through a writer process is told of a reader that holds the log, too', async (t) => {
  const path = temporaryPath(t)
  const reading = await openDatabase(t, path, INLINE)
  await (await reading.map<number, string>('m', MAP)).put(0, 'a')
  await startServe(t, path)
  const options = { synchronous: 'off', autoCheckpoint: 10 } as const
  const [db, other] = [await openDatabase(t, path, options), await openDatabase(t, path, options)]
  const maps = [await db.map<number, string>('m', MAP), await other.map<number, string>('m', MAP)]
  const putSome = () => Promise.all(Array.from({ length: 32 }, (_, key) => maps[key % 2]!.put(key, 'x')))
  // A client that is alone commits by itself.
  while (db.stats().writer.mode !== 'remote') await putSome()
  const heard: LongReader[] = []
  db.on('long-reader', (reader) => heard.push(reader))
  const snapshot = reading.snapshot({ label: 'slow' })
  while (heard.length === 0) await putSome()
  t.is(db.stats().writer.mode, 'remote')
  t.like(heard[0], { pid: process.pid, label: 'slow', endMark: snapshot.endMark })
  t.true(heard[0]!.framesHeld >= 10)
  t.true(db.stats().readers[0]!.framesHeld >= 10)
  snapshot.close()
})

test('a reader that is asked to end is told of, though nobody was listed at a look shortly before', async (t) => {
  const clock = new ClockVfs()
  const limits = { autoCheckpoint: 10, walLimit: 30 * FRAME_BYTES, snapshotTimeout: 1500, timeout: 20_000 }
  const db = await openWithClock(t, clock, temporaryPath(t), { synchronous: 'off', ...limits })
  const map = await db.map<number, string>('m', MAP)
  const heard: LongReader[] = []
  db.on('long-reader', (reader) => heard.push(reader))
  await map.put(0, 'a')
  const snapshot = db.snapshot({ label: 'slow' })
  clock.pass(900)
  for (let count = 0; count < 12; count++) await map.put(1, 'x')
  t.deepEqual(heard, [])
  clock.pass(350)
  t.is(db.stats().readers.length, 1)
  for (let count = 0; count < 30; count++) await clock.passUntil(map.put(1, 'y'))
  throws(t, () => snapshot.get(map, 0), 'ENDMARK_SNAPSHOT_EXPIRED')
  t.is(heard.length, 1)
  t.like(heard[0], { label: 'slow', pid: process.pid })
})

test('a snapshot past snapshotTimeout that blocks a full log is ended by its owner, and never reads again', async (t) => {
  const path = temporaryPath(t)
  const limits = { walLimit: 30 * FRAME_BYTES, snapshotTimeout: 1200, timeout: 20_000 }
  const db = await openDatabase(t, path, { ...INLINE, ...limits })
  const map = await db.map<number, string>('m', MAP)
  for (let key = 0; key < 10; key++) await map.put(key, 'before')
  const reader = await startEndmark(t, path, INLINE)
  await reader.call(async (database) => {
    const state = globalThis as unknown as Record<string, unknown>
    const store = await database.map<number, string>('m')
    const snapshot = database.snapshot({ label: 'too long' })
    Object.assign(state, { store, snapshot, iterator: snapshot.range(store), own: store.keys() })
    ;(state.iterator as Iterator<unknown>).next()
    ;(state.own as Iterator<unknown>).next()
  })
  const own = db.snapshot({ label: 'own' })
  const keys = map.keys()
  keys.next()
  const startMs = performance.now()
  for (let key = 0; performance.now() - startMs < 4000 && db.stats().readers.length < 5; key++) {
    await map.put(key % 10, 'after')
    if (key > 100) break
  }
  t.true(performance.now() - startMs > 1000, 'nobody is ended before his time')
  t.true(db.stats().logFrames < 60)
  throws(t, () => own.get(map, 1), 'ENDMARK_SNAPSHOT_EXPIRED', /snapshotTimeout/)
  throws(t, () => keys.next(), 'ENDMARK_SNAPSHOT_EXPIRED')
  own.close()
  const codes = await reader.call(() => {
    const { store, snapshot, iterator, own } = globalThis as unknown as {
      store: object
      snapshot: { get(store: object, key: number): unknown; count(store: object): number }
      iterator: Iterator<unknown>
      own: Iterator<unknown>
    }
    const attempts = [
      () => snapshot.get(store, 1),
      () => snapshot.count(store),
      () => iterator.next(),
      () => own.next(),
    ]
    return attempts.map((attempt) => {
      try {
        return `read ${JSON.stringify(attempt())}`
      } catch (error) {
        return (error as { code: string }).code
      }
    })
  })
  t.deepEqual(codes, Array(4).fill('ENDMARK_SNAPSHOT_EXPIRED'))
  t.is(await integrityCheck(t, path), 'ok')
})

test('a thread that does not come back to its event loop keeps its snapshot and the log, and reads what it always read', async (t) => {
  const path = temporaryPath(t)
  const limits = { walLimit: 30 * FRAME_BYTES, snapshotTimeout: 1, timeout: 300 }
  const db = await openDatabase(t, path, { ...INLINE, ...limits })
  const map = await db.map<number, string>('m', MAP)
  await map.put(1, 'before')
  const reader = await startEndmark(t, path, INLINE)
  await reader.call(async (database) => {
    Object.assign(globalThis, { store: await database.map('m'), snapshot: database.snapshot() })
  })
  await until(() => db.stats().readers.length === 1, 'the reader')
  const pid = await reader.call(() => process.pid)
  const mark = `${path}-reading`
  const reading = reader.call((_, file) => {
    const { store, snapshot } = globalThis as unknown as {
      store: object
      snapshot: { get(store: object, key: number): unknown }
    }
    const { existsSync, writeFileSync } = process.getBuiltinModule('node:fs')
    const values = new Set<unknown>()
    writeFileSync(file, '')
    const startMs = performance.now()
    while (existsSync(file) && performance.now() - startMs < 20_000) values.add(snapshot.get(store, 1))
    return [...values]
  }, mark)
  await until(() => existsSync(mark), 'the reader that blocks its thread')
  let failure: { code?: string; message?: string } = {}
  for (let key = 0; key < 200 && failure.code === undefined; key++) {
    await map.put(1, `after ${key}`).catch((error: { code: string }) => {
      failure = error
    })
  }
  t.is(failure.code, 'ENDMARK_WAL_FULL')
  rmSync(mark)
  t.regex(failure.message!, new RegExp(`process ${pid} \\(thread 0\\) has read at end mark \\d+ for \\d+ ms`))
  t.deepEqual(await reading, ['before'])
  await map.put(1, 'now')
  t.is(map.get(1), 'now')
})

test('a writer process reports long readers, and ends them where it is told to', async (t) => {
  const path = temporaryPath(t)
  const limit = String(40 * FRAME_BYTES)
  const serve = await startServe(
    t,
    path,
    ...['--wal-limit', limit, '--snapshot-timeout', '1500', '--auto-checkpoint', '10'],
  )
  const options = { synchronous: 'off', timeout: 20_000 } as const
  const [a, b] = [await openDatabase(t, path, options), await openDatabase(t, path, options)]
  const mapA = await a.map<number, string>('m', MAP)
  const mapB = await b.map<number, string>('m', MAP)
  await Promise.all([mapA.put(0, 'x'), mapB.put(1, 'x')])
  await until(() => a.stats().writer.mode !== 'inline' && b.stats().writer.mode !== 'inline', 'connections')
  const snapshot = a.snapshot({ label: 'slow' })
  let isExpired = false
  for (const startMs = performance.now(); !isExpired && performance.now() - startMs < 15_000; ) {
    await Promise.all([mapA.put(0, 'y'), mapB.put(1, 'y')])
    try {
      snapshot.get(mapA, 0)
    } catch (error) {
      isExpired = (error as { code: string }).code === 'ENDMARK_SNAPSHOT_EXPIRED'
    }
  }
  t.true(isExpired)
  t.like(await serve.event('long reader'), { reader: process.pid, label: 'slow' })
})
