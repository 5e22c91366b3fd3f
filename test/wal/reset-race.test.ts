/**
 * The WAL-reset race (WAL-1). SQLite 3.7.0 to 3.51.2 could lose acknowledged commits while `integrity_check` said "ok":
 * a checkpointer reads the header, whose end mark L is backfilled already; before it looks at the backfill, a writer
 * restarts the log, which sets the backfill to 0, and commits a few frames; the checkpointer then publishes L as the
 * backfill of the new log, and the frames up to L that come later are never copied.
 *
 * Both sides are forced into exactly that schedule here, by hooks at locks that the checkpointer tries. It tries one
 * between the header and the backfill only where a read mark is lower than the end mark although all is backfilled: a reader
 * that was overtaken while it raised the mark leaves one (`leaveLowMark`). What was acknowledged is kept outside of the
 * database, and the whole content compared.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { CKPT_LOCK_BYTE, READ_LOCK_BYTE } from '../../src/format/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect } from '../support/connection.js'
import { HookedVfs } from '../support/hooked-vfs.js'
import { integrityCheck } from '../support/referee.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

type Row = readonly [id: number, filler: string]

/** Commits rows `from` to `to`, one by one, in a SQLite process; each fills a page or so. Returns them as acknowledged. */
function insertRows(path: string, from: number, to: number): Row[] {
  return sqliteNow(
    path,
    (db, first, last) => {
      db.pragma('synchronous = off')
      db.exec('CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, filler TEXT)')
      const insert = db.prepare('INSERT INTO rows VALUES (?, ?)')
      const acknowledged: [number, string][] = []
      for (let id = first; id <= last; id++) {
        const filler = `row ${id} `.repeat(400)
        insert.run(id, filler)
        acknowledged.push([id, filler])
      }
      return acknowledged
    },
    from,
    to,
  )
}

function readRows(path: string): Row[] {
  return sqliteNow(
    path,
    (db) => db.prepare('SELECT id, filler FROM rows ORDER BY id').raw().all() as [number, string][],
  )
}

/** Runs `work` once, before a connection over this vfs next tries READ(slot) exclusively. */
function beforeReadLock(vfs: HookedVfs, slot: number, work: () => void): void {
  vfs.hook = ({ when, operation, offset, mode }) => {
    if (when !== 'before' || operation !== 'tryLock') return
    if (offset !== READ_LOCK_BYTE + slot || mode !== 'exclusive') return
    vfs.hook = () => {}
    work()
  }
}

/**
 * Leaves all of the log backfilled, with the mark of slot 1 lower than its end: between the header that a reader goes by and
 * its lock, others commit, and copy it all. The reader then turns to READ(0), and ends.
 * @requires frames that are not backfilled
 */
function leaveLowMark(t: ExecutionContext, { wal, pager }: Connection, vfs: HookedVfs, overtake: () => void): void {
  beforeReadLock(vfs, 1, overtake)
  pager.release(pager.acquire())
  t.is(Number(wal.index.backfill), wal.header.endMark, 'all is backfilled')
  t.true(wal.index.readMark(1) < wal.header.endMark, 'and the mark is lower')
}

/** Whether anybody else could begin a checkpoint. */
function isCkptFree(path: string): boolean {
  const shm = nodeVfs().open(`${path}-shm`, {})
  const isFree = shm.tryLock(CKPT_LOCK_BYTE, 1, 'exclusive')
  shm.close()
  return isFree
}

for (const { rows, title } of [
  { rows: 2, title: 'a few frames' },
  { rows: 60, title: 'more frames than the old log had' },
]) {
  test(`a checkpointer that was overtaken by a restart of the log and ${title} publishes nothing`, async (t) => {
    const path = join(temporaryFolder(t), 'app.db')
    const acknowledged = insertRows(path, 1, 2)
    const vfs = new HookedVfs(nodeVfs())
    const ours = connect(path, { vfs })
    const other = connect(path)
    acknowledged.push(...insertRows(path, 3, 10))
    leaveLowMark(t, ours, vfs, () => {
      acknowledged.push(...insertRows(path, 11, 20))
      const { log, checkpointed } = other.checkpointSync()
      t.is(checkpointed, log)
    })
    const salts = other.salts()
    const { endMark } = other.wal.header
    t.true(endMark >= 18)

    beforeReadLock(vfs, 1, () => {
      t.false(isCkptFree(path))
      // This writer restarts the log without taking CKPT, as every SQLite does.
      acknowledged.push(...insertRows(path, 21, 20 + rows / 2))
      t.not(other.salts(), salts, 'the writer did restart the log')
      beforeReadLock(vfs, 0, () => acknowledged.push(...insertRows(path, 21 + rows / 2, 20 + rows)))
    })
    ours.checkpointSync()

    t.is(acknowledged.length, 20 + rows, 'the checkpointer came as far as READ(0)')
    t.is(Number(ours.wal.index.backfill), 0, 'the old backfill was published for the new log')
    acknowledged.push(...insertRows(path, 21 + rows, 30 + rows))
    ours.checkpointSync()
    t.is(other.close(), null)
    t.is(ours.close(), null)
    t.deepEqual(readRows(path), acknowledged)
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('a writer does not restart the log while a checkpointer has read the header, and its commits are copied by the next', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const vfs = new HookedVfs(nodeVfs())
  const ours = connect(path, { vfs })
  const other = connect(path)
  ours.fillSync([2, 3], 1)
  leaveLowMark(t, ours, vfs, () => {
    for (let value = 2; value <= 10; value++) other.fillSync([2, 3], value)
    t.is(other.checkpointSync().checkpointed, other.wal.header.endMark)
  })
  const salts = other.salts()
  const { endMark } = other.wal.header

  let commits = 0
  beforeReadLock(vfs, 1, () => {
    t.false(isCkptFree(path))
    for (const [page, value] of [
      [2, 11],
      [4, 11],
      [3, 12],
    ] as const) {
      other.fillSync([page], value)
      t.is(other.salts(), salts, 'the log was restarted under a checkpointer')
      commits++
    }
    t.true(other.wal.header.endMark > endMark)
  })
  ours.checkpointSync()
  t.is(commits, 3)
  t.is(Number(ours.wal.index.backfill), endMark, 'what the checkpointer knows is backfilled, and no frame behind it')
  t.deepEqual(ours.contents(), [11, 12, 11])

  other.fillSync([4], 13)
  t.is(ours.checkpointSync().checkpointed, other.wal.header.endMark)
  other.fillSync([5], 14)
  t.not(other.salts(), salts, 'with CKPT free the next commit restarts the log')
  t.is(other.close(), null)
  t.is(ours.close(), null)
  const after = connect(path)
  t.deepEqual(after.contents(), [11, 12, 13, 14])
  after.close()
})
