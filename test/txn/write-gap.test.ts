/**
 * Gaps for writers that are not ours: none when nobody else is there, short ones among ourselves, long ones where SQLite may
 * be, and longer ones while it commits.
 *
 * The question whether others are attached failed after a commit once, and the promises of its batch were never settled.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { WriteGap } from '../../src/txn/write-gap.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect } from '../support/connection.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const STREAK = { startMs: 0, endMs: 1000 }

/** Two connections, the first of which believes what it is told of SQLite. */
function connectTwo(t: ExecutionContext, isSqliteAttached: boolean | null): readonly [Connection, Connection] {
  const path = join(temporaryFolder(t), 'app.db')
  const [one, two] = [connect(path), connect(path)]
  t.teardown(() => {
    one.close()
    two.close()
  })
  one.wal.locks.isSqliteAttached = async () => isSqliteAttached
  return [one, two]
}

function beginBatch({ wal }: Connection, gap: WriteGap): void {
  wal.locks.tryExclusive('WRITE')
  wal.index.readHeader(wal.header)
  gap.locked()
  wal.locks.releaseExclusive('WRITE')
}

/** The gap after a streak in which `two` has committed or not, and before which it was asked for SQLite. */
async function gapAfter(one: Connection, two: Connection | null): Promise<number> {
  const gap = new WriteGap(one.wal)
  const batch = () => beginBatch(one, gap)
  await asked(gap, one.wal.vfs.now())
  batch()
  two?.fillSync([2], 1)
  batch()
  const nowMs = one.wal.vfs.now()
  return gap.after({ startMs: nowMs, endMs: nowMs + 100 })
}

/** The question has been put, and its answer has come. */
async function asked(gap: WriteGap, nowMs: number): Promise<void> {
  gap.after({ startMs: nowMs - 2000, endMs: nowMs - 1000 })
  await new Promise((resolve) => setImmediate(resolve))
}

test('a long streak of batches is followed by a gap if another connection is attached, and only then', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const one = connect(path)
  t.is(new WriteGap(one.wal).after(STREAK), 0)
  const two = connect(path)
  t.true(new WriteGap(one.wal).after(STREAK) > 0)
  t.is(new WriteGap(one.wal).after({ startMs: 0, endMs: 1 }), 0, 'a short one')
  two.close()
  t.is(new WriteGap(one.wal).after(STREAK), 0)
  one.fillSync([2], 1)
  one.close()
})

test('gaps grow with the chance that somebody needs them', async (t) => {
  const gaps: number[] = []
  for (const isSqliteAttached of [false, true]) {
    for (const hasCommitted of [false, true]) {
      const [one, two] = connectTwo(t, isSqliteAttached)
      gaps.push(await gapAfter(one, hasCommitted ? two : null))
    }
  }
  const [amongUs, withOurs, besideSqlite, contended] = gaps as [number, number, number, number]
  t.true(amongUs > 0)
  t.true(withOurs > amongUs)
  t.is(besideSqlite, withOurs)
  t.true(contended > besideSqlite)
})

test('where nobody can tell whether SQLite is attached, it may be', async (t) => {
  const [known, two] = connectTwo(t, true)
  const [unknown] = connectTwo(t, null)
  t.is(await gapAfter(unknown, null), await gapAfter(known, null))
  two.fillSync([2], 1)
})

test('checkpoints and restarts of the log are not taken for commits of others', async (t) => {
  const [one, two] = connectTwo(t, true)
  const expected = await gapAfter(one, null)
  two.fillSync([2], 1)
  const gap = new WriteGap(one.wal)
  const batch = () => beginBatch(one, gap)
  await asked(gap, one.wal.vfs.now())
  batch()
  two.checkpointSync('truncate')
  batch()
  const nowMs = one.wal.vfs.now()
  t.is(gap.after({ startMs: nowMs, endMs: nowMs + 100 }), expected)
})

test('the question whether others are attached leaves the dead-man switch shared, also if a call fails on the way', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(nodeVfs())
  const one = connect(path, { vfs: hooked })
  hooked.hook = failOn(({ operation, mode }) => operation === 'tryLock' && mode === 'shared')
  t.true(one.wal.locks.isAlone())
  const two = connect(path, { timeoutMs: 0 })
  t.false(one.wal.locks.isAlone())
  two.close()
  one.fillSync([2], 1)
  one.close()
})

test('a question that fails leaves the gap and does not fail the batch before it', async (t) => {
  const one = connect(join(temporaryFolder(t), 'app.db'))
  const fail = () => {
    throw new Error('EIO')
  }
  one.wal.locks.isAlone = fail
  one.wal.locks.isSqliteAttached = fail
  const gap = new WriteGap(one.wal)
  t.notThrows(() => t.true(gap.after(STREAK) > 0))
  await asked(gap, 2000)
  t.true(gap.after({ startMs: 2000, endMs: 3000 }) > 0)
  one.close()
})
