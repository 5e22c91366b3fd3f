/**
 * A process died while it started the log over, after publishing the new header and before setting `backfill` back. The
 * others went on with a log whose backfill was that of the log before: readers found no slot, and when the new log had
 * grown as long, it passed for copied and was started over with acknowledged commits in it. WAL-6.
 */
import { join } from 'node:path'
import test from 'ava'
import { frameNumber } from '../../src/units.js'
import { connect } from '../support/connection.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const FRAMES = 8

test('backfill goes back before the header of the new log is published', (t) => {
  const connection = connect(join(temporaryFolder(t), 'app.db'))
  for (let value = 1; value <= FRAMES; value++) connection.fillSync([2], value)
  connection.checkpointSync()
  const { index } = connection.wal
  const publish = index.publish.bind(index)
  const backfills: number[] = []
  index.publish = (header) => {
    backfills.push(index.backfill)
    publish(header)
  }
  connection.fillSync([2], 99)
  t.deepEqual(backfills, [0, 0], 'for the restart, then for the commit')
  connection.close()
})

test('a backfill that a dead SQLite left past the end of a new log is not believed', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const [one, two] = [connect(path), connect(path)]
  for (let value = 1; value <= FRAMES; value++) one.fillSync([2], value)
  one.checkpointSync()
  const stale = one.wal.index.backfill
  one.fillSync([2], 50)
  t.is(one.wal.header.endMark, frameNumber(1))
  // As it stood between the two stores of a SQLite that died: the header of the new log, the backfill of the old one.
  one.wal.index.backfill = stale
  t.is(two.valueOf(2), 50, 'a reader that comes before the next writer')
  for (let value = 51; value < 51 + 2 * FRAMES; value++) {
    two.fillSync([2], value)
    t.is(one.valueOf(2), value)
  }
  one.checkpointSync()
  one.close()
  two.close()
  t.deepEqual(
    sqliteNow(path, (db) => db.pragma('wal_checkpoint')),
    [{ busy: 0, log: 0, checkpointed: 0 }],
  )
  const again = connect(path)
  t.is(again.valueOf(2), 50 + 2 * FRAMES)
  again.close()
})

test('a reader finds a slot in an empty log although READ(0) is taken from it', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const [reader, other] = [connect(path, { timeoutMs: 200 }), connect(path)]
  t.true(other.wal.locks.tryReadExclusive(0))
  t.notThrows(() => reader.pager.release(reader.pager.acquire()))
  other.wal.locks.releaseReadExclusive(0)
  reader.close()
  other.close()
})
