/** Checkpoints: what they report, against SQLite in the same situations, and the order of writes and syncs (WAL-3). */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { checkpoint, runAsync } from '../../src/wal/index.js'
import { ClockVfs } from '../support/clock-vfs.js'
import { type Connection, connect } from '../support/connection.js'
import { HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { integrityCheck } from '../support/referee.js'
import { smallMaps } from '../support/small-maps.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = smallMaps(nodeVfs())
const MODES = ['passive', 'full', 'restart', 'truncate'] as const

/** What else goes on, by two connections; the second has not done anything yet. */
const SITUATIONS: Readonly<Record<string, (one: Connection, two: Connection) => void>> = {
  'nobody in the way': (one) => one.fillSync([2, 3], 1, 'off'),
  'an empty log': () => {},
  'all backfilled already': (one) => {
    one.fillSync([2, 3], 1, 'off')
    one.checkpointSync()
  },
  'a reader before the end': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    two.pager.acquire()
    one.fillSync([3, 4], 2, 'off')
  },
  'a reader at the end': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    two.pager.acquire()
  },
  'a reader of the main file alone': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    one.checkpointSync()
    two.pager.acquire()
    one.fillSync([2], 2, 'off')
  },
  'a writer in the way': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    two.wal.locks.tryExclusive('WRITE')
  },
  'a writer in the way and a reader before the end': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    two.pager.acquire()
    one.fillSync([3, 4], 2, 'off')
    two.wal.locks.tryExclusive('WRITE')
  },
  'another checkpoint': (one, two) => {
    one.fillSync([2, 3], 1, 'off')
    two.wal.locks.tryExclusive('CKPT')
  },
}

interface Outcome {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
  readonly logSize: number
  /** SQLite's view of it: the next commit starts the log over. */
  readonly isRestarted: boolean
}

/** Makes the situation, runs the checkpoint, and lets the first connection commit once more. */
function outcomeOf(
  t: ExecutionContext,
  situation: string,
  run: (path: string, one: Connection) => { busy: number | boolean; log: number; checkpointed: number },
): Outcome {
  const path = join(temporaryFolder(t), 'app.db')
  const one = connect(path, { vfs })
  const two = connect(path, { vfs })
  SITUATIONS[situation]!(one, two)
  const { busy, log, checkpointed } = run(path, one)
  const logSize = statSync(`${path}-wal`).size
  two.vanish()
  const salts = one.salts()
  one.fillSync([2], 9, 'off')
  const isRestarted = one.salts() !== salts
  one.close()
  return { busy: Number(busy), log, checkpointed, logSize, isRestarted }
}

for (const situation of Object.keys(SITUATIONS)) {
  test(`with ${situation}, every mode does and reports what SQLite does and reports`, (t) => {
    for (const mode of MODES) {
      const ours = outcomeOf(t, situation, (_path, one) => one.checkpointSync(mode))
      const theirs = outcomeOf(t, situation, (path) =>
        sqliteNow(
          path,
          (db, word) => {
            db.pragma('busy_timeout = 0')
            return (db.pragma(`wal_checkpoint(${word})`) as { busy: number; log: number; checkpointed: number }[])[0]!
          },
          mode,
        ),
      )
      t.deepEqual(ours, theirs, mode)
    }
  })
}

type Step = string

/** Names the operations that matter for the order, in a form that can be read in the test. */
function recordSteps(hooked: HookedVfs): Step[] {
  const steps: Step[] = []
  hooked.hook = ({ when, operation, path, offset, length }: VfsEvent) => {
    if (when !== 'before' || !['write', 'datasync', 'truncate', 'syncDirectory'].includes(operation)) return
    const file = path.endsWith('-wal') ? 'log' : path.endsWith('-shm') ? 'index' : 'main'
    const what = operation === 'syncDirectory' ? 'sync folder' : `${operation} ${file}`
    steps.push(
      operation === 'write' ? `${what} ${offset}+${length}` : operation === 'truncate' ? `${what} ${offset}` : what,
    )
  }
  return steps
}

const FRAME = 24 + 4096

test('a checkpoint syncs the log before its first write to the main file, and that before it publishes', (t) => {
  const hooked = new HookedVfs(vfs)
  const connection = connect(join(temporaryFolder(t), 'app.db'), { vfs: hooked })
  connection.fillSync([2, 3, 4, 5, 9, 20], 1, 'off')
  connection.fillSync([4], 2, 'off')
  const steps = recordSteps(hooked)
  const record = hooked.hook
  hooked.hook = (event) => {
    record(event)
    if (event.operation === 'datasync') t.is(Number(connection.wal.index.backfill), 0, 'published before the sync')
  }
  const { log, checkpointed } = connection.checkpointSync()
  t.is(checkpointed, log)
  t.deepEqual(steps, ['sync folder', 'datasync log', `write main 0+${20 * 4096}`, 'datasync main'])
  connection.close()
})

test('neighbours are written together, others apart, each page once and in its newest version', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(vfs)
  const connection = connect(path, { vfs: hooked })
  connection.fillSync([40], 1, 'off')
  connection.checkpointSync()
  connection.fillSync([5, 6, 9], 2, 'off')
  connection.fillSync([7, 30, 5], 3, 'off')
  connection.fillSync([30], 4, 'off')
  const steps = recordSteps(hooked)
  connection.checkpointSync()
  t.deepEqual(
    steps.filter((step) => step.startsWith('write main')),
    [`write main ${4 * 4096}+${3 * 4096}`, `write main ${8 * 4096}+4096`, `write main ${29 * 4096}+4096`],
  )
  const main = readFileSync(path)
  t.deepEqual(
    [5, 6, 7, 9, 30].map((page) => main[(page - 1) * 4096]),
    [3, 2, 3, 2, 4],
  )
  connection.close()
})

test('a restarted log gets its header, durable, before any frame overwrites an old one', (t) => {
  const hooked = new HookedVfs(vfs)
  const connection = connect(join(temporaryFolder(t), 'app.db'), { vfs: hooked })
  connection.fillSync([2, 3], 1)
  connection.checkpointSync()
  const steps = recordSteps(hooked)
  connection.fillSync([2], 2)
  t.deepEqual(steps, ['write log 0+32', 'datasync log', `write log 32+${FRAME}`, 'datasync log'])
  steps.length = 0
  connection.fillSync([3], 3)
  t.deepEqual(steps, [`write log ${32 + FRAME}+${FRAME}`, 'datasync log'])
  connection.close()
})

test('each mode of synchronous syncs when SQLite does', (t) => {
  for (const [synchronous, expected] of [
    ['off', 0],
    ['normal', 0],
    ['full', 1],
    ['extra', 1],
  ] as const) {
    const hooked = new HookedVfs(vfs)
    const connection = connect(join(temporaryFolder(t), 'app.db'), { vfs: hooked })
    connection.fillSync([2, 3], 1, synchronous)
    const steps = recordSteps(hooked)
    connection.fillSync([2], 2, synchronous)
    t.is(steps.filter((step) => step === 'datasync log').length, expected, synchronous)
    connection.checkpointSync()
    steps.length = 0
    connection.fillSync([2], 3, synchronous)
    // A new generation: its header is durable first in all modes but off.
    t.is(
      steps.filter((step) => step === 'datasync log').length,
      expected + (synchronous === 'off' ? 0 : 1),
      synchronous,
    )
    connection.close()
  }
})

test('a database that SQLite made smaller is cut to its new length by a checkpoint, and grows again', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  sqliteNow(path, (db) => {
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, filler BLOB)')
    const insert = db.prepare('INSERT INTO t VALUES (?, randomblob(3000))')
    db.transaction(() => {
      for (let id = 1; id <= 200; id++) insert.run(id)
    })()
  })
  const ours = connect(path)
  sqliteNow(path, (db) => db.exec("INSERT INTO t VALUES (201, 'one more')"))
  const held = ours.pager.acquire()
  const before = held.pages.pageCount
  const last = pageNumber(before)
  t.is(held.pages.page(last).bytes.length, 4096)
  sqliteNow(path, (db) => {
    db.exec('DELETE FROM t WHERE id > 10')
    db.exec('VACUUM')
  })
  const shrunk = ours.pager.acquire()
  t.throws(
    () => shrunk.pages.page(last),
    { code: 'ENDMARK_CORRUPT' },
    'what is cached of longer states is not of this one',
  )
  ours.pager.release(shrunk)
  t.is(ours.checkpointSync().checkpointed, Number(held.snapshot.endMark))
  t.is(statSync(path).size, before * 4096, 'a reader still needs the long file')
  t.is(held.pages.page(last).bytes.length, 4096)
  ours.pager.release(held)
  const { log, checkpointed } = ours.checkpointSync()
  t.is(checkpointed, log)
  const small = ours.pager.acquire()
  t.true(small.pages.pageCount < 20)
  t.is(statSync(path).size, small.pages.pageCount * 4096)
  t.throws(() => small.pages.page(last), { code: 'ENDMARK_CORRUPT' })
  ours.pager.release(small)
  sqliteNow(path, (db) => {
    const insert = db.prepare('INSERT INTO t VALUES (?, randomblob(3000))')
    for (let id = 1001; id <= 1100; id++) insert.run(id)
  })
  const grown = ours.pager.acquire()
  for (let page = 1; page <= grown.pages.pageCount; page++) t.is(grown.pages.page(pageNumber(page)).bytes.length, 4096)
  ours.pager.release(grown)
  ours.checkpointSync('truncate')
  t.is(ours.close(), null)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a checkpoint that waits gets on when the reader goes, and one that is aborted stops', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const clock = new ClockVfs(vfs)
  const one = connect(path, { vfs: clock })
  const two = connect(path, { vfs })
  await one.fill([2], 1, 'off')
  const held = two.pager.acquire()
  await one.fill([2], 2, 'off')
  const waiting = one.checkpoint('restart', 5000)
  await clock.waited()
  two.pager.release(held)
  t.deepEqual(await clock.passUntil(waiting), { busy: false, log: 3, checkpointed: 3 })
  const again = two.pager.acquire()
  await one.fill([2], 3, 'off')
  const controller = new AbortController()
  const options = { mode: 'full', synchronous: 'full', timeoutMs: 5000, signal: controller.signal } as const
  const aborted = runAsync(checkpoint(one.wal, options))
  await clock.waited()
  controller.abort()
  await t.throwsAsync(aborted, { name: 'AbortError' })
  two.pager.release(again)
  await one.fill([2], 4, 'off')
  t.deepEqual(one.checkpointSync('truncate'), { busy: false, log: 0, checkpointed: 0 })
  two.close()
  one.close()
})

/**
 * Once, all frames of the log were looked at in one go: after ten minutes under a reader, 21 GB that were not in memory any more,
 * commits of the same process waited for 42 s.
 */
test('a checkpoint of a long log lets the event loop turn while it looks for the newest frames', (t) => {
  const connection = connect(join(temporaryFolder(t), 'app.db'), { vfs, pageSize: 512 })
  connection.fillSync([2, 3, 4, 5, 6, 7, 8, 9], 0, 'off')
  for (let value = 1; value <= 200; value++) connection.fillSync([2, 3, 4, 5, 6, 7, 8, 9], value, 'off')
  const frameCount = connection.wal.header.endMark
  t.true(frameCount > 1600)
  const steps = checkpoint(connection.wal, { mode: 'passive', synchronous: 'off', timeoutMs: 0 })
  let turns = 0
  let result = steps.next()
  for (; !result.done; result = steps.next()) {
    // Commits go on in between.
    if (turns++ === 3) connection.fillSync([2], 201, 'off')
    result.value.sync()
  }
  t.true(turns >= Math.floor(frameCount / 256), `${turns} turns in ${frameCount} frames`)
  t.deepEqual(result.value, { busy: false, log: frameCount, checkpointed: frameCount })
  t.deepEqual(connection.contents(), [201, 200, 200, 200, 200, 200, 200, 200])
  t.is(connection.close(), null)
})
