/**
 * The WAL-reset race (WAL-1). SQLite 3.7.0 to 3.51.2 could lose acknowledged commits while `integrity_check` said "ok":
 * a checkpointer reads the header, whose end mark L is backfilled already; before it looks at the backfill, a writer
 * restarts the log, which sets the backfill to 0, and commits a few frames; the checkpointer then publishes L as the
 * backfill of the new log, and the frames up to L that come later are never copied.
 *
 * Both sides are forced into exactly that schedule here. What was acknowledged is kept outside of the database.
 */
import { join } from 'node:path'
import test from 'ava'
import { frameNumber } from '../../src/units.js'
import { runSync } from '../../src/wal/index.js'
import { type Connection, connect } from '../support/connection.js'
import { integrityCheck } from '../support/referee.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** Commits rows `from` to `to`, one by one, in a SQLite process; each fills a page or so. Returns them as acknowledged. */
function insertRows(path: string, from: number, to: number): number[] {
  return sqliteNow(
    path,
    (db, first, last) => {
      db.pragma('synchronous = off')
      db.exec('CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, filler BLOB)')
      const insert = db.prepare('INSERT INTO rows VALUES (?, randomblob(3000))')
      const acknowledged: number[] = []
      for (let id = first; id <= last; id++) {
        insert.run(id)
        acknowledged.push(id)
      }
      return acknowledged
    },
    from,
    to,
  )
}

function readRows(path: string): number[] {
  return sqliteNow(path, (db) =>
    (db.prepare('SELECT id FROM rows ORDER BY id').all() as { id: number }[]).map((r) => r.id),
  )
}

/** Runs `between` when this connection's next checkpoint has read the header, and before it looks at anything else. */
function afterNextRefresh({ wal }: Connection, between: () => void): void {
  const refresh = wal.refresh.bind(wal)
  wal.refresh = function* (held) {
    yield* refresh(held)
    wal.refresh = refresh
    between()
  }
}

for (const { rows, title } of [
  { rows: 2, title: 'a few frames' },
  { rows: 60, title: 'more frames than the old log had' },
]) {
  test(`a checkpointer that was overtaken by a restart of the log and ${title} publishes nothing`, async (t) => {
    const path = join(temporaryFolder(t), 'app.db')
    const acknowledged = insertRows(path, 1, 2)
    const ours = connect(path)
    acknowledged.push(...insertRows(path, 3, 20))
    const { log, checkpointed } = ours.checkpointSync()
    t.is(checkpointed, log)
    t.true(log >= 18)
    const salts = ours.salts()

    afterNextRefresh(ours, () => {
      // This writer restarts the log without taking CKPT, as every SQLite before 3.51.3 did.
      acknowledged.push(...insertRows(path, 21, 20 + rows))
    })
    ours.checkpointSync()

    t.not(ours.salts(), salts, 'the writer did restart the log')
    t.is(Number(ours.wal.index.backfill), 0, 'the old backfill was published for the new log')
    acknowledged.push(...insertRows(path, 21 + rows, 30 + rows))
    ours.checkpointSync()
    t.is(ours.close(), null)
    t.deepEqual(readRows(path), acknowledged)
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('a writer does not restart the log while somebody holds CKPT, so that an overtaken checkpointer does no harm', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const ours = connect(path)
  for (let value = 1; value <= 10; value++) ours.fillSync([2, 3], value)
  t.is(ours.checkpointSync().checkpointed, ours.wal.header.endMark)
  const salts = ours.salts()

  // An old checkpointer: it has CKPT and the header, and does not look again at what it relies on.
  const old = connect(path)
  t.true(old.wal.locks.tryExclusive('CKPT'))
  runSync(old.wal.refresh())
  const { endMark } = old.wal.header

  ours.fillSync([2, 4], 11)
  ours.fillSync([3], 12)
  t.is(ours.salts(), salts, 'the log was restarted under a checkpointer')
  t.true(ours.wal.header.endMark > endMark)

  old.wal.index.backfill = frameNumber(endMark)
  old.wal.locks.releaseExclusive('CKPT')
  ours.fillSync([4], 13)
  ours.checkpointSync()
  ours.fillSync([5], 14)
  t.not(ours.salts(), salts, 'with CKPT free the next commit restarts the log')

  old.close()
  t.is(ours.close(), null)
  const after = connect(path)
  t.deepEqual(after.contents(), [11, 12, 13, 14])
  after.close()
})
