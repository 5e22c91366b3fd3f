/**
 * LOG-1: past `walLimit` a batch waits before it begins, holding no lock and no thread, until the log has been started over,
 * and fails whole with ENDMARK_WAL_FULL if that takes longer than `timeout`.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Database, open } from '../../src/index.js'
import { ClockVfs, openWithClock } from '../support/clock-vfs.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { startServe } from '../support/serve-process.js'
import { until } from '../support/until.js'

const MAP = { key: 'integer', value: 'text' } as const
const FRAME_BYTES = 4096 + 24
const LIMIT_FRAMES = 50
const LIMIT = { walLimit: LIMIT_FRAMES * FRAME_BYTES, synchronous: 'off', writer: 'inline' } as const

interface Limits {
  readonly timeout: number
  readonly autoCheckpoint?: number
}

/** A limited Database with a map, and another one, without a limit, that reads. */
async function setUp(t: ExecutionContext, limits: Limits) {
  const path = temporaryPath(t)
  return withReader(t, path, await openDatabase(t, path, { ...LIMIT, ...limits }))
}

/** The same; the limited Database waits for as long as the test lets time pass. */
async function setUpWithClock(t: ExecutionContext, limits: Limits) {
  const path = temporaryPath(t)
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, path, { ...LIMIT, ...limits })
  return { ...(await withReader(t, path, db)), clock }
}

async function withReader(t: ExecutionContext, path: string, db: Database) {
  const map = await db.map<number, string>('m', MAP)
  const other = await openDatabase(t, path, { synchronous: 'off', autoCheckpoint: 0, writer: 'inline' })
  const otherMap = await other.map<number, string>('m', MAP)
  return { path, db, map, other, otherMap }
}

type SetUp = Awaited<ReturnType<typeof setUp>>

/** Commits under a snapshot of the other Database until the log is full. @returns how many commits that took */
async function fill({ db, map, other }: SetUp) {
  await map.put(-1, 'before')
  const reader = other.snapshot()
  let key = 0
  while (db.stats().logFrames < LIMIT_FRAMES) await map.put(key++, 'x')
  return { reader, count: key }
}

for (const autoCheckpoint of [0, 10, 1000]) {
  test(`without readers the log is started over at its limit (autoCheckpoint ${autoCheckpoint})`, async (t) => {
    const { path, db, map } = await setUp(t, { timeout: 2000, autoCheckpoint })
    for (let key = 0; key < 500; key++) {
      await map.put(key, `value ${key}`)
      t.true(db.stats().logFrames < LIMIT_FRAMES + 5, `${db.stats().logFrames} frames`)
    }
    for (let key = 0; key < 200; key++) db.transactionSync((tx) => tx.put(map, key, 'blocking'))
    t.true(db.stats().logFrames < LIMIT_FRAMES + 5)
    t.is(map.count(), 500)
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('past the limit a commit waits off the event loop, holding no lock, and goes on when the reader has gone', async (t) => {
  const state = await setUpWithClock(t, { timeout: 20_000 })
  const { path, db, map, otherMap, clock } = state
  const { reader } = await fill(state)
  let isDone = false
  const waiting = map.put(1000, 'waited').then(() => {
    isDone = true
  })
  for (let attempts = 0; attempts < 30; attempts++) {
    await clock.waited()
    clock.pass(20)
  }
  await clock.waited()
  t.false(isDone)
  await otherMap.put(2000, 'somebody without a limit')
  t.is(map.get(2000), 'somebody without a limit', 'nobody kept WRITE from him')
  reader.close()
  await clock.passUntil(waiting)
  t.true(db.stats().logFrames < 10, 'the log was started over')
  t.is(map.get(1000), 'waited')
  t.is(await integrityCheck(t, path), 'ok')
})

test('after timeout it fails with ENDMARK_WAL_FULL, whole, and later commits go through', async (t) => {
  const state = await setUp(t, { timeout: 150 })
  const { path, db, map } = state
  const { reader, count } = await fill(state)
  const frames = db.stats().logFrames
  const failing = db.transaction((tx) => {
    tx.put(map, 1, 'half')
    tx.put(map, 5000, 'done')
  })
  const error = await rejects(t, failing, 'ENDMARK_WAL_FULL', /walLimit is \d+ bytes.* within 150 ms/)
  t.is(error.file, `${path}-wal`)
  t.is(db.stats().logFrames, frames)
  t.is(map.get(1), 'x')
  t.is(map.count(), count + 1)
  reader.close()
  await map.put(5000, 'now')
  t.is(map.get(5000), 'now')
  t.is(await integrityCheck(t, path), 'ok')
})

test('a blocking commit waits by blocking, and fails alike', async (t) => {
  const state = await setUp(t, { timeout: 120 })
  const { db, map } = state
  const { reader } = await fill(state)
  const startMs = performance.now()
  throws(t, () => db.transactionSync((tx) => tx.put(map, 1, 'no')), 'ENDMARK_WAL_FULL')
  t.true(performance.now() - startMs >= 119)
  t.is(map.get(1), 'x')
  reader.close()
  db.transactionSync((tx) => tx.put(map, 1, 'yes'))
  t.is(map.get(1), 'yes')
})

test('each commit has its own timeout: one that comes later does not fail with those before it', async (t) => {
  const state = await setUpWithClock(t, { timeout: 400 })
  const { map, clock } = state
  const { reader } = await fill(state)
  const first = rejects(t, map.put(1, 'first'), 'ENDMARK_WAL_FULL')
  await clock.waited()
  clock.pass(200)
  const second = rejects(t, map.put(2, 'second'), 'ENDMARK_WAL_FULL')
  await clock.waited()
  clock.pass(190)
  const third = map.put(3, 'third')
  await clock.waited()
  clock.pass(10)
  await first
  await clock.waited()
  clock.pass(200)
  await second
  await clock.waited()
  reader.close()
  await clock.passUntil(third)
  t.deepEqual(map.getMany([1, 2, 3]), ['x', 'x', 'third'])
})

test('a commit that waits for room can be cancelled', async (t) => {
  const state = await setUpWithClock(t, { timeout: 20_000 })
  const { reader } = await fill(state)
  const controller = new AbortController()
  const waiting = state.map.put(1, 'no', { signal: controller.signal })
  await state.clock.waited()
  controller.abort()
  await t.throwsAsync(waiting, { name: 'AbortError' })
  t.is(state.clock.waitingCount, 0)
  reader.close()
  await state.map.put(2, 'yes')
  t.is(state.map.get(1), 'x')
})

test('a snapshot of the Database itself is in its way like any other, and close ends the wait', async (t) => {
  const state = await setUpWithClock(t, { timeout: 20_000 })
  const { db, map, clock } = state
  await map.put(0, 'before')
  db.snapshot()
  for (let key = 0; db.stats().logFrames < LIMIT_FRAMES; key++) await map.put(key, 'x')
  const waiting = map.put(1000, 'waited')
  await clock.waited()
  const closing = db.close()
  await clock.passUntil(waiting)
  await clock.passUntil(closing)
  t.is(state.otherMap.get(1000), 'waited')
})

test('many commits that wait at the limit all go through once, while readers come and go', async (t) => {
  const { path, db, map, other, otherMap } = await setUp(t, { timeout: 20_000 })
  let isOver = false
  const reading = (async () => {
    while (!isOver) {
      const snapshot = other.snapshot()
      await delay(3)
      snapshot.close()
    }
  })()
  let frames = 0
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 10 }, (_, i) => map.put(round * 10 + i, `value ${round}`)))
    frames = Math.max(frames, db.stats().logFrames)
  }
  isOver = true
  await reading
  t.true(frames < LIMIT_FRAMES + 20, `${frames} frames`)
  t.is(otherMap.count(), 400)
  t.is(await integrityCheck(t, path), 'ok')
})

test('through a writer process its limit counts, and clients get the error with its code', async (t) => {
  const path = temporaryPath(t)
  await startServe(t, path, '--wal-limit', String(LIMIT.walLimit))
  const options = { timeout: 20_000, autoCheckpoint: 0, synchronous: 'off' } as const
  const db = await openDatabase(t, path, options)
  const beside = await openDatabase(t, path, options)
  const map = await db.map<number, string>('m', MAP)
  const mapBeside = await beside.map<number, string>('m', MAP)
  await Promise.all([map.put(0, 'x'), mapBeside.put(1, 'x')])
  await until(() => db.stats().writer.mode !== 'inline' && beside.stats().writer.mode !== 'inline', 'connections')
  const reader = db.snapshot()
  let error: unknown
  for (let key = 0; error === undefined && key < 3000; key += 2) {
    const both = await Promise.allSettled([map.put(key, 'x'), mapBeside.put(key + 1, 'x')])
    error = both.map((one) => (one.status === 'rejected' ? (one.reason as unknown) : undefined)).find((one) => one)
  }
  t.is((error as { code?: string } | undefined)?.code, 'ENDMARK_WAL_FULL')
  reader.close()
  await map.put(9999, 'after')
  t.is(map.get(9999), 'after')
})

test('a writer process that is started by open has the limit of whoever started it', async (t) => {
  const path = temporaryPath(t)
  const db = await open(path, { ...LIMIT, writer: 'process', timeout: 20_000, autoCheckpoint: 1000 })
  t.teardown(async () => {
    const { pid } = db.stats().writer
    await db.close()
    if (pid !== null) process.kill(pid)
  })
  const map = await db.map<number, string>('m', MAP)
  for (let key = 0; key < 300; key++) {
    await Promise.all([map.put(key, 'a'), map.put(key + 1, 'b'), map.put(key + 2, 'c')])
    t.true(db.stats().logFrames < LIMIT_FRAMES + 10)
  }
})

test('inline, a log that a reader has let grow goes back to a usual length when the reader has gone', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { synchronous: 'off', autoCheckpoint: 100, writer: 'inline' })
  const map = await db.map<number, string>('m', MAP)
  const other = await openDatabase(t, path, { writer: 'inline' })
  await map.put(0, 'before')
  const reader = other.snapshot()
  let nextKey = 1
  while (db.stats().logFrames < 9000) {
    await db.transaction((tx) => {
      for (let i = 0; i < 2000; i++) tx.put(map, nextKey++, 'x'.repeat(200))
    })
  }
  const { logSizeBytes } = db.stats()
  t.true(logSizeBytes > 9000 * FRAME_BYTES)
  reader.close()
  const startMs = performance.now()
  await until(() => db.stats().logSizeBytes < logSizeBytes / 10, 'a short log')
  t.true(performance.now() - startMs < 5000, 'although nobody commits')
  await map.put(1, 'after')
  t.is(await integrityCheck(t, path), 'ok')
})

test('inline, a log file that was needed once is cut after a while, although nobody commits', async (t) => {
  const path = temporaryPath(t)
  const clock = new ClockVfs()
  const db = await openWithClock(t, clock, path, { synchronous: 'off', autoCheckpoint: 100 })
  const map = await db.map<number, string>('m', MAP)
  await map.put(0, 'before')
  const reader = db.snapshot()
  for (let key = 1; db.stats().logFrames < 700; key++) await clock.passUntil(map.put(key, 'x'.repeat(3000)))
  reader.close()
  const { logSizeBytes } = db.stats()
  t.true(logSizeBytes > 700 * FRAME_BYTES)
  let passedMs = 0
  for (; db.stats().logSizeBytes === logSizeBytes && passedMs < 100_000; passedMs += 500) {
    clock.pass(500)
    for (let turn = 0; turn < 20; turn++) await nextTurn()
  }
  t.true(db.stats().logSizeBytes < logSizeBytes / 10)
  t.true(passedMs >= 30_000, 'it might have been needed again')
  await clock.passUntil(map.put(1, 'after'))
  t.is(await integrityCheck(t, path), 'ok')
})
