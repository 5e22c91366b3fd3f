/**
 * Commits through a writer as their callers see them: order over every change of ways, exactly once over every loss (TXN-6, TXN-7).
 * The writer is the real request handler over a second Database of the file; its links break where a test says.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Database, OpenOptions, OrderedMap, Transaction } from '../../src/index.js'
import { useWriter } from '../support/commit-modes.js'
import { connect } from '../support/connection.js'
import { type FakeWriter, type Fate, openThrough, startFakeWriter } from '../support/fake-writer.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { seededRandom } from '../support/random.js'
import { integrityCheck } from '../support/referee.js'

type Numbers = OrderedMap<number, number>

interface Setup {
  readonly path: string
  readonly writer: FakeWriter
  readonly db: Database
  readonly numbers: Numbers
}

async function setUp(t: ExecutionContext<unknown>, options: OpenOptions = {}): Promise<Setup> {
  const path = temporaryPath(t)
  const writer = await startFakeWriter(t, path)
  const db = await openThrough(t, writer, options)
  const numbers = await db.map<number, number>('numbers', { key: 'integer', value: 'integer' })
  await useWriter(db)
  return { path, writer, db, numbers }
}

function increment(db: Database, map: Numbers, key: number): Promise<void> {
  return db.transaction((tx) => void tx.put(map, key, (tx.get(map, key) ?? 0) + 1))
}

/** The next request meets this fate, the others are delivered. */
function meet(writer: FakeWriter, fate: Fate): void {
  writer.plan = () => {
    writer.plan = () => 'deliver'
    return fate
  }
}

async function untilMode(db: Database, mode: string, work: () => Promise<unknown>): Promise<void> {
  while (db.stats().writer.mode !== mode) await work()
}

test('whoever is alone commits directly after a while, and goes back once others commit', async (t) => {
  // Without syncs: on a disk that is slow just now nobody commits directly.
  const { path, writer, db, numbers } = await setUp(t, { synchronous: 'normal' })
  const link = writer.links[0]!
  await numbers.put(1, 1)
  const sent = link.sent.length
  t.true(sent > 0)
  writer.othersActive = false
  await untilMode(db, 'direct', () => numbers.put(1, 1))
  const sentBefore = link.sent.length
  for (let i = 0; i < 10; i++) await numbers.put(1, i)
  t.is(link.sent.length, sentBefore, 'nothing is sent')
  const other = await openDatabase(t, path, { writer: 'inline' })
  await (await other.map<number, number>('numbers')).put(2, 2)
  await numbers.put(3, 3)
  t.is(db.stats().writer.mode, 'remote')
  t.is(link.sent.length, sentBefore + 1)
  t.deepEqual([...numbers.keys()], [1, 2, 3])
})

test('writes are committed in the order of their calls, whatever way each of them goes', async (t) => {
  const { path, writer, db } = await setUp(t)
  const rows = await db.table<{ id?: number; name: number }, number>('rows', {
    columns: { id: 'integer', name: 'integer' },
    primaryKey: 'id',
  })
  const other = await openDatabase(t, path, { writer: 'inline' })
  const foreign = await other.map<number, number>('numbers')
  const ids: Promise<number>[] = []
  const modes = new Set<string>()
  let round = 0
  // Until it has changed over often enough: alone for a while, then disturbed.
  for (let changes = 0; changes < 6; round++) {
    writer.othersActive = false
    const { mode } = db.stats().writer
    modes.add(mode)
    for (let i = 0; i < 5; i++) ids.push(rows.insert({ name: ids.length }))
    if (mode === 'direct') {
      changes++
      await foreign.put(0, round)
      for (let i = 0; i < 5; i++) ids.push(rows.insert({ name: ids.length }))
    }
    if (round % 3 === 0) await nextTurn()
    else await ids.at(-1)
  }
  t.deepEqual(
    await Promise.all(ids),
    ids.map((_, i) => i + 1),
  )
  t.true(modes.has('direct') && modes.has('remote'))
  t.deepEqual(
    [...rows.range()].map(({ name }) => name),
    ids.map((_, i) => i),
  )
})

test('of very many calls in one turn no more are sent than the writer keeps outcomes of', async (t) => {
  const { writer, db, numbers } = await setUp(t, { synchronous: 'off' })
  const link = writer.links[0]!
  const before = link.sent.length
  const calls = Array.from({ length: 40_000 }, (_, index) => numbers.delete(index))
  await Promise.resolve()
  await Promise.resolve()
  const sentAtOnce = link.sent.length - before
  t.is(sentAtOnce, 32_768)
  t.true((await Promise.all(calls)).every((existed) => !existed))
  t.is(link.sent.length - before, calls.length)
  t.is(db.stats().writer.failure, null)
})

for (const fate of ['loseUnsent', 'loseQueued', 'loseAnswer', 'loseLate'] as const) {
  test(`what was under way when the link broke (${fate}) is committed once, in order, and commits go on`, async (t) => {
    const { path, writer, db, numbers } = await setUp(t)
    for (let round = 0; round < 5; round++) {
      await useWriter(db)
      const before = numbers.get(1) ?? 0
      const calls = [increment(db, numbers, 1)]
      // The third request, whatever it is.
      let count = 0
      writer.plan = () => (++count === 3 ? fate : 'deliver')
      for (let i = 0; i < 10; i++) {
        calls.push(increment(db, numbers, 2 + i), numbers.put(100, round * 100 + i))
      }
      const deleted = numbers.delete(100)
      calls.push(numbers.put(101, round))
      await Promise.all(calls)
      t.true(await deleted)
      t.false(numbers.has(100))
      t.is(numbers.get(1), before + 1)
      for (let i = 0; i < 10; i++) t.is(numbers.get(2 + i), round + 1)
      await writer.releaseLate()
      t.is(numbers.get(1), before + 1)
      t.is(numbers.get(101), round)
    }
    t.true(db.stats().writer.failure instanceof Error || db.stats().writer.mode === 'remote')
    await db.close()
    await writer.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('a link that breaks again and again, at random points, loses and doubles no increment', async (t) => {
  const path = temporaryPath(t)
  const writer = await startFakeWriter(t, path)
  const random = seededRandom(t)
  const clients = await Promise.all([1, 2, 3].map(() => openThrough(t, writer)))
  const fates: readonly Fate[] = ['loseUnsent', 'loseQueued', 'loseAnswer', 'loseLate']
  writer.plan = () => (random.below(12) === 0 ? fates[random.below(4)]! : 'deliver')
  const expected = new Map<number, number>()
  const run = async (db: Database) => {
    const numbers = await db.map<number, number>('numbers', { key: 'integer', value: 'integer' })
    for (let round = 0; round < 25; round++) {
      const calls: Promise<unknown>[] = []
      for (let i = random.below(8); i >= 0; i--) {
        const key = random.below(4)
        expected.set(key, (expected.get(key) ?? 0) + 1)
        calls.push(increment(db, numbers, key))
        if (random.below(4) === 0) calls.push(numbers.put(50 + random.below(5), round))
      }
      if (random.below(3) === 0) await nextTurn()
      if (random.below(10) === 0) writer.breakLinks()
      await Promise.all(calls)
      if (random.below(3) === 0) await writer.releaseLate()
    }
  }
  await Promise.all(clients.map(run))
  await writer.releaseLate()
  const numbers = await writer.database.map<number, number>('numbers')
  for (const [key, count] of expected) t.is(numbers.get(key), count, `key ${key}`)
  await Promise.all(clients.map((db) => db.close()))
  await writer.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('a link lost while it changes over keeps the order', async (t) => {
  const { path, writer, db, numbers } = await setUp(t)
  const other = await openDatabase(t, path, { writer: 'inline' })
  const foreign = await other.map<number, number>('numbers')
  // To direct: held behind what has no answer yet.
  writer.othersActive = false
  for (let i = 0; db.stats().writer.mode !== 'direct'; i++) {
    void numbers.put(1, i)
    if (i % 7 === 6) await numbers.put(1, i)
  }
  const first = Promise.all([numbers.put(1, 1000), numbers.put(1, 1001)])
  writer.breakLinks()
  const second = Promise.all([numbers.put(1, 1002), numbers.put(1, 1003)])
  await Promise.all([first, second])
  t.is(numbers.get(1), 1003)
  // To remote: held behind direct commits.
  await useWriter(db)
  await untilMode(db, 'direct', () => numbers.put(1, 0))
  await foreign.put(2, 2)
  const calls = [numbers.put(1, 2000), numbers.put(1, 2001)]
  writer.breakLinks()
  calls.push(numbers.put(1, 2002))
  await Promise.all(calls)
  t.is(numbers.get(1), 2002)
})

test('while something is in doubt no new link is used, and what is in doubt waits for the lock as long as it takes', async (t) => {
  const { path, writer, db, numbers } = await setUp(t, { timeout: 30 })
  const link = writer.links[0]!
  const blocker = connect(path)
  t.teardown(() => blocker.vanish())
  t.true(blocker.wal.locks.tryExclusive('WRITE'))
  meet(writer, 'loseUnsent')
  const inDoubt = [1, 2, 3].map((key) => increment(db, numbers, key))
  while (link.isConnected) await nextTurn()
  const { length } = link.sent
  link.wake()
  while (!link.isConnected) await nextTurn()
  // They were never sent, so they may give up.
  await rejects(t, numbers.put(4, 4), 'ENDMARK_BUSY')
  await rejects(t, increment(db, numbers, 4), 'ENDMARK_BUSY')
  t.is(link.sent.length, length)
  const last = increment(db, numbers, 1)
  // The second link breaks as well, unused.
  link.break('again')
  blocker.wal.locks.releaseExclusive('WRITE')
  await Promise.all([...inDoubt, last])
  t.deepEqual(
    [...numbers.entries()],
    [
      [1, 2],
      [2, 1],
      [3, 1],
    ],
  )
})

test('a Database that closes while nobody can write says what is known, and of the rest that it is not known', async (t) => {
  for (const fate of ['loseAnswer', 'loseUnsent'] as const) {
    const { path, writer, db, numbers } = await setUp(t, { timeout: 30 })
    const blocker = connect(path)
    t.teardown(() => blocker.vanish())
    writer.beforeLost = () => t.true(blocker.wal.locks.tryExclusive('WRITE'))
    meet(writer, fate)
    const waiting = numbers.put(1, 1)
    const closed = db.close()
    if (fate === 'loseAnswer') await waiting
    else await rejects(t, waiting, 'ENDMARK_BUSY', /could not be found out/)
    await closed
    blocker.wal.locks.releaseExclusive('WRITE')
  }
})

test('a writer that stands still is given up after the timeout, and does nothing when it goes on', async (t) => {
  const { writer, db, numbers } = await setUp(t, { timeout: 200 })
  const link = writer.links[0]!
  writer.isStopped = true
  writer.isAccepting = false
  const calls = [increment(db, numbers, 1), numbers.put(2, 2), increment(db, numbers, 1)]
  await Promise.all(calls)
  t.regex(link.abandonedBecause ?? '', /200 ms/)
  t.is(db.stats().writer.mode, 'inline')
  await increment(db, numbers, 1)
  writer.isAccepting = true
  writer.resume()
  await useWriter(db)
  await increment(db, numbers, 1)
  t.is(numbers.get(1), 4)
  t.is(numbers.get(2), 2)
})

test('what is too large for a message goes directly, in its place', async (t) => {
  const { writer, db } = await setUp(t)
  const blobs = await db.map<number, Uint8Array>('blobs', { key: 'integer', value: 'blob' })
  await useWriter(db)
  writer.sizeMax = 1000
  const sizes = [10, 5000, 20, 30, 6000, 40]
  await Promise.all(sizes.map((size) => blobs.put(1, new Uint8Array(size))))
  t.is(blobs.get(1)?.length, 40)
  const large = (tx: Transaction) => tx.put(blobs, 1, new Uint8Array(tx.get(blobs, 1)!.length + 5000))
  await Promise.all([db.transaction(large), blobs.put(2, new Uint8Array(1))])
  t.is(blobs.get(1)?.length, 5040)
})

test('a function runs again on a conflict, and gets the lock after three of them', async (t) => {
  const { path, writer, db, numbers } = await setUp(t)
  const other = await openDatabase(t, path, { writer: 'inline' })
  const disturbing = await other.map<number, number>('numbers')
  await numbers.put(1, 0)
  const sent = writer.links[0]!.sent.length
  let runs = 0
  const value = await db.transaction((tx) => {
    runs++
    const seen = tx.get(numbers, 1)!
    // Somebody is always faster, except when this function has the lock.
    if (runs <= 3) other.transactionSync((faster) => faster.put(disturbing, 1, seen + 10))
    tx.put(numbers, 1, seen + 1)
    return seen
  })
  t.is(runs, 4)
  t.is(value, 30)
  t.is(numbers.get(1), 31)
  t.is(writer.links[0]!.sent.length - sent, 3)
})

test('a function that changes nothing, or throws, sends nothing', async (t) => {
  const { writer, db, numbers } = await setUp(t)
  await numbers.put(1, 5)
  const { length } = writer.links[0]!.sent
  t.is(await db.transaction((tx) => tx.get(numbers, 1)), 5)
  const thrown = new Error('mine')
  const failing = db.transaction((tx) => {
    tx.put(numbers, 1, 6)
    throw thrown
  })
  t.is(await t.throwsAsync(failing), thrown)
  await rejects(
    t,
    db.transaction(async (tx) => void tx.put(numbers, 1, 7)),
    'ENDMARK_INVALID_ARGUMENT',
    /async/,
  )
  t.is(writer.links[0]!.sent.length, length)
  t.is(numbers.get(1), 5)
})

test('a function sees what was called before it, also when it only reads or throws', async (t) => {
  const { db, numbers } = await setUp(t)
  for (let round = 1; round <= 20; round++) {
    const put = numbers.put(1, round)
    const seen = db.transaction((tx) => tx.get(numbers, 1))
    const checked = db.transaction((tx) => {
      if (tx.get(numbers, 1) !== round) throw new Error('not there')
      tx.put(numbers, 2, round)
    })
    const throwing = db.transaction((tx) => {
      throw new Error(`saw ${tx.get(numbers, 2)}`)
    })
    t.is(await seen, round)
    await t.throwsAsync(throwing, { message: `saw ${round}` })
    await Promise.all([put, checked])
  }
})

test('an abort rejects what is not begun, and comes too late for the rest', async (t) => {
  const { writer, db, numbers } = await setUp(t)
  const held = new AbortController()
  const notSent = numbers.put(1, 1, { signal: held.signal })
  held.abort()
  await t.throwsAsync(notSent, { name: 'AbortError' })
  writer.isStopped = true
  const sent = new AbortController()
  const cancelled = numbers.put(2, 2, { signal: sent.signal })
  const kept = numbers.put(3, 3)
  await nextTurn()
  sent.abort(new Error('enough'))
  writer.resume()
  const error = await t.throwsAsync(cancelled, { name: 'AbortError' })
  t.like(error, { cause: { message: 'enough' } })
  await kept
  const running = new AbortController()
  await db.transaction(
    (tx) => {
      tx.put(numbers, 4, 4)
      running.abort()
    },
    { signal: running.signal },
  )
  t.deepEqual([...numbers.keys()], [3, 4])
})

test('an aborted request that is in doubt is committed or not, as its promise says', async (t) => {
  const { writer, db, numbers } = await setUp(t)
  for (const fate of ['loseUnsent', 'loseQueued', 'loseAnswer', 'loseLate'] as const) {
    await useWriter(db)
    const { signal, abort } = aborting()
    writer.isStopped = true
    const waiting = numbers.put(1, 1, { signal })
    await nextTurn()
    abort()
    meet(writer, fate)
    writer.resume()
    const isCommitted = await waiting.then(
      () => true,
      (error: Error) => error.name !== 'AbortError',
    )
    await writer.releaseLate()
    t.is(numbers.has(1), isCommitted, fate)
    await numbers.delete(1)
  }
})

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

test('errors and results are those of an inline commit', async (t) => {
  const { path, writer, db, numbers } = await setUp(t)
  const users = await db.table<{ id?: number; name: string }, number>('users', {
    columns: { id: 'integer', name: 'text' },
    primaryKey: 'id',
  })
  const inline = await openDatabase(t, path, { writer: 'inline' })
  const inlineUsers = await inline.table<{ id?: number; name: string }, number>('users')
  for (const lose of [false, true]) {
    await useWriter(db)
    if (lose) meet(writer, 'loseAnswer')
    t.is(await users.insert({ id: 1, name: 'one' }), 1)
    await useWriter(db)
    if (lose) meet(writer, 'loseAnswer')
    t.is(await users.insert({ name: 'two' }), 2)
    t.is(await users.put({ name: 'three' }), 3)
    await useWriter(db)
    if (lose) meet(writer, 'loseAnswer')
    const refused = await rejects(t, users.insert({ id: 1, name: 'again' }), 'ENDMARK_CONSTRAINT')
    const expected = await rejects(t, inlineUsers.insert({ id: 1, name: 'again' }), 'ENDMARK_CONSTRAINT')
    t.is(refused.message, expected.message)
    await useWriter(db)
    if (lose) meet(writer, 'loseAnswer')
    t.true(await users.update(1, { name: 'uno' }))
    t.false(await users.update(10, { name: 'diez' }))
    await useWriter(db)
    if (lose) meet(writer, 'loseAnswer')
    t.true(await users.delete(3))
    t.false(await users.delete(3))
    await Promise.all([users.delete(1), users.delete(2)])
    await rejects(t, db.dropStore('none'), 'ENDMARK_NOT_FOUND')
  }
  await db.dropStore('numbers')
  await rejects(t, numbers.put(1, 1), 'ENDMARK_NOT_FOUND')
})

test('checkpoints are left to the writer while it is connected, and come back without it', async (t) => {
  const { writer, db, numbers } = await setUp(t, { autoCheckpoint: 5, synchronous: 'off' })
  writer.othersActive = false
  await untilMode(db, 'direct', () => numbers.put(1, 1))
  for (let i = 0; i < 20; i++) await numbers.put(1, i)
  t.true(writer.checkpointRequests > 0)
  t.is(db.stats().checkpoints, 0)
  writer.isAccepting = false
  writer.breakLinks()
  for (let i = 0; i < 20 || db.stats().checkpoints === 0; i++) await numbers.put(1, i)
  t.is(db.stats().writer.mode, 'inline')
  t.pass()
})

test('closing waits for all that is under way, also when its link is lost', async (t) => {
  for (const fate of ['deliver', 'loseUnsent', 'loseAnswer'] as const) {
    const { path, writer, db, numbers } = await setUp(t)
    meet(writer, fate)
    const calls = [increment(db, numbers, 1), numbers.put(2, 2), increment(db, numbers, 1)]
    const closed = db.close()
    await rejects(t, numbers.put(3, 3), 'ENDMARK_CLOSED')
    await Promise.all(calls)
    await closed
    const seen = await writer.database.map<number, number>('numbers')
    t.deepEqual(
      [...seen.entries()],
      [
        [1, 2],
        [2, 2],
      ],
    )
    await writer.close()
    t.is(await integrityCheck(t, path), 'ok')
  }
})

test('a blocking commit goes ahead of what waits, and is refused inside a function', async (t) => {
  const { db, numbers } = await setUp(t)
  const queued = numbers.put(1, 1)
  db.transactionSync((tx) => t.is(tx.get(numbers, 1), undefined))
  await queued
  await db.transaction((tx) => {
    t.throws(() => db.transactionSync(() => 1), { code: 'ENDMARK_BUSY' })
    tx.put(numbers, 2, 2)
  })
  t.deepEqual([...numbers.keys()], [1, 2])
})
