/** Durability modes and failing disks, seen from the Database: what is synced when, and what a failure costs. */
import { constants } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/database.js'
import { READ_LOCK_BYTE, WRITE_LOCK_BYTE } from '../../src/format/index.js'
import { type EndmarkError, type OpenOptions, type OrderedMap, open } from '../../src/index.js'
import type { Synchronous } from '../../src/units.js'
import { failOn, type HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { openHooked } from '../support/open-hooked.js'
import { integrityCheck } from '../support/referee.js'

type Numbers = OrderedMap<number, number>

interface Hooked {
  readonly path: string
  readonly vfs: HookedVfs
  readonly db: Database
  readonly numbers: Numbers
}

async function openNumbers(t: ExecutionContext<unknown>, given: OpenOptions = {}): Promise<Hooked> {
  const path = temporaryPath(t)
  const { vfs, db } = await openHooked(t, path, given)
  const numbers = await db.map<number, number>('numbers', { key: 'integer', value: 'integer' })
  return { path, vfs, db, numbers }
}

const isLog = ({ path }: VfsEvent) => path.endsWith('-wal')
const isMain = ({ path }: VfsEvent) => path.endsWith('.db')
const isSync = ({ operation }: VfsEvent) => operation === 'datasync'
const isWrite = ({ operation }: VfsEvent) => operation === 'write'

/** Counts syncs of the log and of the main file while `work` runs. */
async function syncsOf({ vfs }: Hooked, work: () => Promise<unknown>): Promise<{ log: number; main: number }> {
  const counts = { log: 0, main: 0 }
  vfs.hook = (event) => {
    if (event.when !== 'before' || !isSync(event)) return
    if (isLog(event)) counts.log++
    else if (isMain(event)) counts.main++
  }
  await work()
  vfs.hook = () => {}
  return counts
}

const SYNCS_PER_COMMIT: readonly (readonly [Synchronous, number])[] = [
  ['off', 0],
  ['normal', 0],
  ['full', 1],
  ['extra', 1],
]

for (const [synchronous, syncs] of SYNCS_PER_COMMIT) {
  test(`a commit in mode ${synchronous} syncs the log ${syncs} times`, async (t) => {
    const hooked = await openNumbers(t, { synchronous })
    const { numbers, db } = hooked
    await numbers.put(0, 0)
    const one = await syncsOf(hooked, () => numbers.put(1, 1))
    t.deepEqual(one, { log: syncs, main: 0 })
    const many = await syncsOf(hooked, () => Promise.all([2, 3, 4, 5].map((key) => numbers.put(key, key))))
    t.deepEqual(many, { log: syncs, main: 0 }, 'one sync for all that wait')
    const blocking = await syncsOf(hooked, async () => db.transactionSync((tx) => tx.put(numbers, 6, 6)))
    t.deepEqual(blocking, { log: syncs, main: 0 })
    const nothing = await syncsOf(hooked, () => db.transaction(() => 1))
    t.deepEqual(nothing, { log: 0, main: 0 })
  })
}

test('a transaction may ask for another mode, and the strongest of a batch counts for all', async (t) => {
  const hooked = await openNumbers(t, { synchronous: 'off' })
  const { numbers } = hooked
  await numbers.put(0, 0)
  t.deepEqual(await syncsOf(hooked, () => numbers.put(1, 1, { synchronous: 'full' })), { log: 1, main: 0 })
  const mixed = () => Promise.all([numbers.put(1, 1), numbers.put(2, 2, { synchronous: 'full' }), numbers.put(3, 3)])
  t.deepEqual(await syncsOf(hooked, mixed), { log: 1, main: 0 })
  t.deepEqual(await syncsOf(hooked, () => numbers.put(1, 1, { synchronous: 'normal' })), { log: 0, main: 0 })
})

for (const [synchronous] of SYNCS_PER_COMMIT) {
  test(`a checkpoint in mode ${synchronous} syncs ${synchronous === 'off' ? 'nothing' : 'log, then main file'}`, async (t) => {
    const hooked = await openNumbers(t, { synchronous })
    const { numbers, db, vfs } = hooked
    await numbers.put(1, 1)
    const order: string[] = []
    vfs.hook = (event) => {
      if (event.when !== 'before' || !(isSync(event) || isWrite(event)) || event.path.endsWith('-shm')) return
      const step = `${event.operation} ${isLog(event) ? 'log' : 'main'}`
      if (order.at(-1) !== step) order.push(step)
    }
    await db.checkpoint()
    t.deepEqual(order, synchronous === 'off' ? ['write main'] : ['datasync log', 'write main', 'datasync main'])
  })
}

test('a failed sync of the log rejects its batch, publishes nothing, and stops writes until reopened', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  await numbers.put(1, 1)
  const other = await openDatabase(t, path)
  const seen = await other.map<number, number>('numbers')
  vfs.hook = failOn((event) => isSync(event) && isLog(event))
  const outcomes = await Promise.allSettled([numbers.put(1, 2), numbers.put(2, 2), db.transaction(() => 1)])
  for (const outcome of outcomes) {
    const { code, cause } = (outcome as PromiseRejectedResult).reason as EndmarkError
    t.is(code, 'ENDMARK_IO')
    t.is(causeCode(cause), 'EIO')
  }
  for (const map of [numbers, seen]) t.deepEqual([...map.entries()], [[1, 1]])
  // The disk works again, and still no write goes through.
  vfs.hook = () => {}
  await rejects(t, numbers.put(3, 3), 'ENDMARK_IO', /reopen/)
  await rejects(
    t,
    db.transaction(() => 1),
    'ENDMARK_IO',
  )
  await rejects(t, db.checkpoint(), 'ENDMARK_IO')
  t.throws(() => db.transactionSync(() => 1), { code: 'ENDMARK_IO' })
  t.is(numbers.get(1), 1)
  t.is(db.snapshot().count(numbers), 1)
  // Others go on.
  await seen.put(4, 4)
  t.is(numbers.get(4), 4)
  await db.close()
  const again = await openDatabase(t, path)
  const reopened = await again.map<number, number>('numbers')
  await reopened.put(5, 5)
  t.deepEqual([...reopened.keys()], [1, 4, 5])
  await Promise.all([again.close(), other.close()])
  t.is(await integrityCheck(t, path), 'ok')
})

const unlocks = (from: number, to: number, andLater: boolean) =>
  failOn(({ operation, offset = 0 }) => operation === 'unlock' && offset >= from && offset <= to, { andLater })

test('a lock that cannot be let go at first is let go, and nobody notices', async (t) => {
  const { path, vfs, numbers } = await openNumbers(t)
  const other = await openDatabase(t, path)
  const others = await other.map<number, number>('numbers')
  vfs.hook = unlocks(WRITE_LOCK_BYTE, WRITE_LOCK_BYTE, false)
  await numbers.put(1, 1)
  await others.put(2, 2)
  await numbers.put(3, 3)
  t.deepEqual([...others.keys()], [1, 2, 3])
})

test('where WRITE cannot be let go, the commit stays done, and writes stop until reopened', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  vfs.hook = unlocks(WRITE_LOCK_BYTE, WRITE_LOCK_BYTE, true)
  await numbers.put(1, 1)
  t.is(numbers.get(1), 1)
  await refusesUntilReopened(t, { path, vfs, db, numbers })
})

test('where a read mark cannot be let go, reads go on, and writes stop until reopened', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  await numbers.put(1, 1)
  vfs.hook = unlocks(READ_LOCK_BYTE, READ_LOCK_BYTE + 4, true)
  t.is(numbers.get(1), 1)
  // The end of a turn lets go of what was read in it.
  await new Promise(setImmediate)
  await refusesUntilReopened(t, { path, vfs, db, numbers })
})

async function refusesUntilReopened(
  t: ExecutionContext,
  { path, vfs, db, numbers }: Awaited<ReturnType<typeof openNumbers>>,
): Promise<void> {
  await rejects(t, numbers.put(2, 2), 'ENDMARK_IO', /let go.*reopen/)
  t.deepEqual([...numbers.keys()], [1])
  vfs.hook = () => {}
  await db.close()
  const again = await openDatabase(t, path)
  const reopened = await again.map<number, number>('numbers')
  await reopened.put(3, 3)
  t.deepEqual([...reopened.keys()], [1, 3])
  await again.close()
  t.is(await integrityCheck(t, path), 'ok')
}

test('what a failed sync rejected is not there after recovery either', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  await numbers.put(1, 1)
  vfs.hook = failOn((event) => isSync(event) && isLog(event))
  await rejects(t, numbers.put(1, 2), 'ENDMARK_IO')
  vfs.hook = () => {}
  // The only connection, and it may not clean up: the next one recovers from the log.
  await db.close()
  const again = await open(path)
  t.is((await again.map<number, number>('numbers')).get(1), 1)
  await again.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a full disk rejects only the batch that met it', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  await numbers.put(1, 1)
  const { logFrames } = db.stats()
  for (let nth = 1; nth <= 2; nth++) {
    vfs.hook = failOn((event) => isWrite(event) && isLog(event), { nth: 1, errno: constants.errno.ENOSPC })
    const outcomes = await Promise.allSettled([numbers.put(1, 2), numbers.put(2, 2)])
    for (const outcome of outcomes) {
      const { code, cause } = (outcome as PromiseRejectedResult).reason as EndmarkError
      t.is(code, 'ENDMARK_IO')
      t.is(causeCode(cause), 'ENOSPC')
    }
    vfs.hook = () => {}
    t.is(db.stats().logFrames, logFrames)
    t.deepEqual([...numbers.entries()], [[1, 1]])
  }
  await Promise.all([numbers.put(3, 3), numbers.put(4, 4)])
  t.deepEqual([...numbers.keys()], [1, 3, 4])
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a full disk while the wal-index grows rejects the batch and later commits work', async (t) => {
  const { path, vfs, db } = await openNumbers(t, { autoCheckpoint: 0, synchronous: 'off', pageSize: 512 })
  const blobs = await db.map<number, Uint8Array>('blobs', { key: 'integer', value: 'blob' })
  // Some 4,000 frames: the next blob needs the second block of the wal-index.
  await blobs.put(1, new Uint8Array(4050 * 508))
  vfs.hook = failOn((event) => isWrite(event) && event.path.endsWith('-shm'), { errno: constants.errno.ENOSPC })
  await rejects(t, blobs.put(2, new Uint8Array(100 * 508)), 'ENDMARK_IO', /ENOSPC/)
  t.deepEqual([...blobs.keys()], [1])
  vfs.hook = () => {}
  await blobs.put(3, new Uint8Array(100 * 508).fill(3))
  t.deepEqual([...blobs.keys()], [1, 3])
  t.is(blobs.get(3)?.[50_000], 3)
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
})

const CHECKPOINT_FAILURES: readonly (readonly [string, (event: VfsEvent) => boolean])[] = [
  ['writing the main file', (event) => isWrite(event) && isMain(event)],
  ['syncing the main file', (event) => isSync(event) && isMain(event)],
]

for (const [what, predicate] of CHECKPOINT_FAILURES) {
  test(`a checkpoint that fails by ${what} leaves everything readable, and a later one succeeds`, async (t) => {
    const { path, vfs, db, numbers } = await openNumbers(t, { autoCheckpoint: 5 })
    await db.checkpoint({ mode: 'truncate' })
    vfs.hook = failOn(predicate, { andLater: true })
    for (let key = 0; key < 30; key++) await numbers.put(key, key)
    const error = await rejects(t, db.checkpoint(), 'ENDMARK_IO')
    t.is(causeCode(error.cause), 'EIO')
    const { checkpointFailure, backfilled, logFrames } = db.stats()
    t.is((checkpointFailure as EndmarkError).code, 'ENDMARK_IO')
    t.is(backfilled, 0)
    t.true(logFrames >= 30)
    t.is(numbers.count(), 30)
    vfs.hook = () => {}
    const report = await db.checkpoint()
    t.is(report.busy, 0)
    t.is(report.checkpointed, report.log)
    for (let key = 30; key < 60; key++) await numbers.put(key, key)
    await db.checkpoint({ mode: 'truncate' })
    t.is(db.stats().checkpointFailure, null)
    await db.close()
    const again = await openDatabase(t, path)
    t.is((await again.map('numbers')).count(), 60)
    await again.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('the last closer that cannot copy the log says so, and the next opener has everything', async (t) => {
  const { path, vfs, db, numbers } = await openNumbers(t)
  await numbers.put(1, 1)
  vfs.hook = failOn((event) => isWrite(event) && isMain(event), { andLater: true })
  await rejects(t, db.close(), 'ENDMARK_IO')
  vfs.hook = () => {}
  const again = await openDatabase(t, path)
  t.is((await again.map<number, number>('numbers')).get(1), 1)
})

test('checkpoint modes report as SQLite does', async (t) => {
  const { db, numbers } = await openNumbers(t, { autoCheckpoint: 0, timeout: 20 })
  await numbers.put(1, 1)
  const { logFrames } = db.stats()
  const snapshot = db.snapshot()
  await numbers.put(1, 2)
  t.deepEqual(await db.checkpoint({ mode: 'passive' }), { busy: 0, log: logFrames + 1, checkpointed: logFrames })
  t.deepEqual(await db.checkpoint({ mode: 'full' }), { busy: 1, log: logFrames + 1, checkpointed: logFrames })
  snapshot.close()
  t.deepEqual(await db.checkpoint({ mode: 'full' }), { busy: 0, log: logFrames + 1, checkpointed: logFrames + 1 })
  t.deepEqual(await db.checkpoint({ mode: 'restart' }), { busy: 0, log: logFrames + 1, checkpointed: logFrames + 1 })
  await numbers.put(1, 3)
  t.true(db.stats().logFrames < logFrames)
  t.deepEqual(await db.checkpoint({ mode: 'truncate' }), { busy: 0, log: 0, checkpointed: 0 })
  t.is(db.stats().logSizeBytes, 0)
  for (const mode of ['fast', 1, null]) {
    await rejects(t, db.checkpoint({ mode } as never), 'ENDMARK_INVALID_ARGUMENT', new RegExp(String(mode)))
  }
})

/** The code of the system's error, at whatever depth of causes. */
function causeCode(cause: unknown): string | undefined {
  const { code, cause: deeper } = (cause ?? {}) as { code?: string; cause?: unknown }
  return code === 'ENDMARK_IO' ? causeCode(deeper) : code
}
