/** Group commit, TXN-1 to TXN-3: one append and one sync for all that wait, each transaction undone alone if it throws. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { WritePages } from '../../src/pager/index.js'
import { pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { ClockVfs } from '../support/clock-vfs.js'
import { type Connection, connect, fillPages } from '../support/connection.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { readLogFile } from '../support/independent-wal-reader.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const FULL = { synchronous: 'full' } as const

function setUp(t: ExecutionContext, { pageSize = 4096 } = {}) {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(smallMaps(nodeVfs()))
  const connection = connect(path, { vfs: hooked, pageSize })
  t.teardown(() => connection.vanish())
  return { path, hooked, connection }
}

/** Counts writes and syncs of the log from now on. */
function countLogCalls(hooked: HookedVfs): { writes: number; syncs: number } {
  const count = { writes: 0, syncs: 0 }
  hooked.hook = ({ when, operation, path }) => {
    if (when !== 'before' || !path.endsWith('-wal')) return
    if (operation === 'write') count.writes++
    if (operation === 'datasync') count.syncs++
  }
  return count
}

test('64 commits that wait make one append and one sync', async (t) => {
  const { path, hooked, connection } = setUp(t)
  await connection.fill([2], 1)
  const count = countLogCalls(hooked)
  await Promise.all(Array.from({ length: 64 }, (_, i) => connection.fill([2, i + 3], i + 1)))
  t.deepEqual(count, { writes: 2, syncs: 1 }, 'the frames, and room for the next ones behind them')
  t.deepEqual(connection.contents(), [64, ...Array.from({ length: 64 }, (_, i) => i + 1)])
  const { frames } = readLogFile(`${path}-wal`)!
  t.is(frames.length, 2 + 66, 'page 2, which all of them changed, is there once')
  t.is(frames.filter(({ commitMark }) => commitMark > 0).length, 2)
})

test('transactions of a batch see what those before them did, and resolve with their own values', async (t) => {
  const { connection } = setUp(t)
  const increment = (pages: WritePages) => {
    while (pages.pageCount < 2) pages.grow()
    const { bytes } = pages.writable(pageNumber(2))
    bytes.fill(bytes[0]! + 1)
    return bytes[0]!
  }
  const values = await Promise.all(Array.from({ length: 20 }, () => connection.commits.run(increment, FULL)))
  t.deepEqual(
    values,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  t.deepEqual(connection.contents(), [20])
})

test('one that throws is undone alone, with its pages, page count and freelist, and the others commit', async (t) => {
  const { connection } = setUp(t)
  await connection.fill([2, 3, 4, 5], 1)
  await connection.commits.run((pages) => pages.free(pageNumber(5)), FULL)
  const header = () => {
    const held = connection.pager.acquire()
    const bytes = held.pages.page(pageNumber(1)).bytes.slice(28, 40)
    connection.pager.release(held)
    return Buffer.from(bytes).toString('hex')
  }
  const before = header()
  const run = (work: (pages: WritePages) => unknown) => connection.commits.run(work, FULL)
  const results = await Promise.allSettled([
    run((pages) => fillPages(pages, [2], 5)),
    run((pages) => {
      t.is(pages.page(pageNumber(2)).bytes[0], 5)
      pages.writable(pageNumber(2)).bytes.fill(66)
      pages.writable(pageNumber(3)).bytes.fill(66)
      pages.savepoint()
      pages.writable(pageNumber(3)).bytes.fill(67)
      t.is(pages.allocate().number, pageNumber(5), 'the free page')
      pages.release()
      pages.free(pageNumber(4))
      t.is(pages.allocate().number, pageNumber(4))
      fillPages(pages, [9], 66)
      t.is(pages.pageCount, 9)
      throw new Error('undo this one')
    }),
    run((pages) => {
      t.is(pages.pageCount, 5)
      t.deepEqual(
        [2, 3, 4].map((page) => pages.page(pageNumber(page)).bytes[0]),
        [5, 1, 1],
      )
      fillPages(pages, [3], 7)
    }),
  ])
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.like(results[1], { reason: { message: 'undo this one' } })
  t.is(header(), before)
  t.deepEqual(connection.contents().slice(0, 3), [5, 7, 1])
})

test('savepoints nest: the inner one is undone alone, kept by its outer one, or undone with it', async (t) => {
  const { connection } = setUp(t)
  await connection.fill([2, 3], 1)
  const at = (pages: WritePages, page: number) => pages.page(pageNumber(page)).bytes[0]
  await connection.commits.run((pages) => {
    pages.savepoint()
    fillPages(pages, [2], 10)
    pages.savepoint()
    fillPages(pages, [2, 3, 6], 20)
    pages.rollback()
    t.deepEqual([at(pages, 2), at(pages, 3), pages.pageCount], [10, 1, 3])
    pages.savepoint()
    fillPages(pages, [3, 4], 30)
    pages.release()
    t.deepEqual([at(pages, 2), at(pages, 3), pages.pageCount], [10, 30, 4])
    pages.rollback()
    t.deepEqual([at(pages, 2), at(pages, 3), pages.pageCount], [1, 1, 3])
    t.throws(() => pages.page(pageNumber(4)), { code: 'ENDMARK_CORRUPT' })
    fillPages(pages, [3], 40)
  }, FULL)
  t.deepEqual(connection.contents(), [1, 40])
})

test('the page count stands in the file header whenever it changed', async (t) => {
  const { connection } = setUp(t)
  await connection.fill([7], 1)
  const held = connection.pager.acquire()
  const { bytes } = held.pages.page(pageNumber(1))
  t.is(Buffer.from(bytes).readUInt32BE(28), 7)
  t.deepEqual(bytes.slice(24, 28), bytes.slice(92, 96), 'and is marked as valid')
  connection.pager.release(held)
})

test('a batch that changes nothing writes nothing', async (t) => {
  const { hooked, connection } = setUp(t)
  const count = countLogCalls(hooked)
  t.is(await connection.commits.run((pages) => pages.pageCount, FULL), 1)
  t.deepEqual(count, { writes: 0, syncs: 0 })
})

test('an abort before its batch rejects the transaction, which is not run', async (t) => {
  const { connection } = setUp(t)
  const aborted = AbortSignal.abort()
  await t.throwsAsync(
    connection.commits.run(() => t.fail(), { ...FULL, signal: aborted }),
    { name: 'AbortError' },
  )
  const controller = new AbortController()
  const cancelled = connection.commits.run(() => t.fail(), { ...FULL, signal: controller.signal })
  const kept = connection.fill([2], 3)
  controller.abort()
  await t.throwsAsync(cancelled, { name: 'AbortError', code: 'ABORT_ERR' })
  await kept
  t.deepEqual(connection.contents(), [3])
})

test('an abort while waiting for the WRITE lock ends the wait', async (t) => {
  const { path } = setUp(t)
  const clock = new ClockVfs()
  const connection = connect(path, { vfs: clock })
  const writer = connect(path)
  t.true(writer.wal.locks.tryExclusive('WRITE'))
  const controller = new AbortController()
  const waiting = connection.commits.run(() => t.fail(), { ...FULL, signal: controller.signal })
  await clock.waited()
  controller.abort()
  await t.throwsAsync(waiting, { name: 'AbortError' })
  t.is(clock.waitingCount, 0)
  // Beside others it leaves the batch, which waits on.
  const second = new AbortController()
  const cancelled = connection.commits.run(() => t.fail(), { ...FULL, signal: second.signal })
  const kept = connection.fill([2], 4)
  await clock.waited()
  second.abort()
  await t.throwsAsync(cancelled, { name: 'AbortError' })
  writer.wal.locks.releaseExclusive('WRITE')
  await clock.passUntil(kept)
  t.deepEqual(connection.contents(), [4])
  writer.close()
  connection.close()
})

test('a writer that does not make way in time fails all who wait with ENDMARK_BUSY', async (t) => {
  const { path } = setUp(t)
  const writer = connect(path)
  const patient = connect(path, { timeoutMs: 30 })
  t.true(writer.wal.locks.tryExclusive('WRITE'))
  const results = await Promise.allSettled([patient.fill([2], 1), patient.fill([3], 1)])
  for (const result of results) t.like(result, { status: 'rejected', reason: { code: 'ENDMARK_BUSY' } })
  writer.wal.locks.releaseExclusive('WRITE')
  await patient.fill([2], 2)
  t.deepEqual(writer.contents(), [2])
  patient.close()
  writer.close()
})

test('a blocking commit is refused while another one of the connection is under way', async (t) => {
  const { hooked, connection } = setUp(t)
  await connection.fill([2], 1)
  let refused = 0
  hooked.hook = ({ when, operation }) => {
    if (when !== 'before' || operation !== 'datasync') return
    t.throws(() => connection.fillSync([2], 9), { code: 'ENDMARK_BUSY' })
    refused++
  }
  await connection.fill([2], 2)
  t.is(refused, 1)
  hooked.hook = () => {}
  connection.commits.runSync(() => t.throws(() => connection.fillSync([2], 9), { code: 'ENDMARK_BUSY' }), FULL)
  const queued = connection.fill([3], 4)
  connection.fillSync([2], 3)
  await queued
  t.deepEqual(connection.contents(), [3, 4])
})

test('a batch whose sync fails rejects all of it, shows nothing, and leaves those who failed by themselves as they are', async (t) => {
  const { path, hooked, connection } = setUp(t)
  await connection.fill([2, 3], 1)
  hooked.hook = failOn(({ operation }) => operation === 'datasync')
  const throwing = () => {
    throw new Error('my own')
  }
  const results = await Promise.allSettled([
    connection.fill([2], 2),
    connection.commits.run(throwing, FULL),
    connection.fill([3], 2, 'off'),
  ])
  t.like(results[0], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.like(results[1], { status: 'rejected', reason: { message: 'my own' } })
  t.like(results[2], { status: 'rejected', reason: { code: 'ENDMARK_IO' } })
  t.deepEqual(connection.contents(), [1, 1])
  const other = connect(path)
  t.deepEqual(other.contents(), [1, 1])
  await other.fill([2], 5)
  t.deepEqual(connection.contents(), [5, 1])
  other.close()
})

test('the strongest mode of a batch counts, of those that were not undone', async (t) => {
  const { hooked, connection } = setUp(t)
  await connection.fill([2], 1)
  const count = countLogCalls(hooked)
  await Promise.all([connection.fill([2], 2, 'off'), connection.fill([3], 2, 'normal')])
  t.is(count.syncs, 0)
  await Promise.all([
    connection.fill([2], 3, 'off'),
    connection.fill([3], 3, 'full'),
    connection.fill([4], 3, 'normal'),
  ])
  t.is(count.syncs, 1)
  const undone = connection.commits.run((pages) => {
    fillPages(pages, [2], 9)
    throw new Error('undone')
  }, FULL)
  await Promise.allSettled([undone, connection.fill([3], 4, 'off')])
  t.is(count.syncs, 1)
  t.deepEqual(connection.contents(), [3, 4, 3])
})

test('what is more than 8 MiB is committed in several batches, in order', async (t) => {
  const { hooked, connection } = setUp(t, { pageSize: 65536 })
  const count = countLogCalls(hooked)
  const work = (i: number) =>
    connection.fill(
      Array.from({ length: 60 }, (_, k) => 2 + i * 60 + k),
      i + 1,
      'full',
    )
  const order: number[] = []
  await Promise.all([0, 1, 2, 3, 4, 5].map((i) => work(i).then(() => order.push(i))))
  t.deepEqual(order, [0, 1, 2, 3, 4, 5])
  // Two batches of three, and the sync of the new log's header.
  t.is(count.syncs, 3)
  const held = connection.pager.acquire()
  t.is(held.pages.pageCount, 361)
  connection.pager.release(held)
})

test('drain waits for all that was queued', async (t) => {
  const { connection } = setUp(t)
  const done: number[] = []
  for (let i = 1; i <= 5; i++) void connection.fill([2], i).then(() => done.push(i))
  await connection.commits.drain()
  await Promise.resolve()
  t.deepEqual(done, [1, 2, 3, 4, 5])
})

test('what is committed in a loop holds up a turn of the event loop for a millisecond at most', async (t) => {
  const clock = new ClockVfs()
  const connection = connect(join(temporaryFolder(t), 'app.db'), { vfs: clock })
  t.teardown(() => connection.vanish())
  await connection.fill([2], 1)
  let turns = 0
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  for (let i = 1; i <= 60; i++) {
    await connection.fill([2], i, 'off')
    clock.pass(0.3)
  }
  clearImmediate(next)
  t.true(turns >= 60 / 5, `${turns} turns of the event loop`)
  t.true(turns <= 60 / 2, `${turns} turns: a lone caller waits for the end of each`)
})

test('who comes with others is committed with them, also after commits of a lone caller', async (t) => {
  const { connection } = setUp(t)
  for (let i = 1; i <= 5; i++) await connection.fill([2], i, 'off')
  const before = connection.commits.counts.batches
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      // As messages of clients come in: each in a callback of its own, in one turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve))
      await connection.fill([2, i + 3], i, 'off')
    }),
  )
  t.is(connection.commits.counts.batches, before + 1)
})

test('callers who take turns come to share a batch, and nobody waits for one who stays away', async (t) => {
  const { hooked, connection } = setUp(t)
  const [a, b] = [{}, {}]
  const commit = (caller: object) =>
    connection.commits.run((pages) => fillPages(pages, [2], 1), { synchronous: 'full', caller })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  let nowMs = 100
  hooked.now = () => nowMs
  for (const caller of [a, b, a]) {
    await commit(caller)
    nowMs += 1
  }
  nowMs -= 1
  const { batches } = connection.commits.counts
  const first = commit(a)
  for (let i = 0; i < 5; i++) await turn()
  t.is(connection.commits.counts.batches, batches, 'the other is on its way back')
  await Promise.all([first, commit(b)])
  t.is(connection.commits.counts.batches, batches + 1)
  const alone = commit(a)
  for (let i = 0; i < 5; i++) await turn()
  t.is(connection.commits.counts.batches, batches + 1)
  nowMs += 0.45
  await alone
  t.is(connection.commits.counts.batches, batches + 2)
  const last = commit(b)
  await connection.commits.drain()
  await last
  t.is(connection.commits.counts.batches, batches + 3, 'whoever waits for the end waits for nobody else')
})

test('a published batch is committed, whatever fails when the connection takes it over', async (t) => {
  // The caches follow each own commit; an error there used to reject a batch that everyone could see already.
  const { connection } = setUp(t)
  await connection.fill([2], 1)
  const { pager } = connection as { pager: Connection['pager'] }
  const endWrite = pager.endWrite
  pager.endWrite = () => {
    throw new Error('no memory left')
  }
  await connection.fill([2, 3], 2)
  pager.endWrite = endWrite
  t.deepEqual(connection.contents(), [2, 2])
})
