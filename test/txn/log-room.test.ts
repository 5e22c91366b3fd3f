/** LOG-1, with the parts in reach: what is held while somebody waits for room, and what a failing checkpoint does to that. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { LogRoom } from '../../src/txn/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { runAsync, runSync } from '../../src/wal/index.js'
import { connect } from '../support/connection.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { throws } from '../support/open-database.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const LIMIT_FRAMES = 10

/** A log at its limit, and a room that calls `blocked` after each attempt that failed. */
function setUp(t: ExecutionContext, { blocked = () => {}, timeoutMs = 100 } = {}) {
  const path = join(temporaryFolder(t), 'app.db')
  const hooked = new HookedVfs(smallMaps(nodeVfs()))
  const connection = connect(path, { vfs: hooked, timeoutMs })
  const other = connect(path, { vfs: smallMaps(nodeVfs()), timeoutMs: 100 })
  t.teardown(() => {
    connection.vanish()
    other.vanish()
  })
  const room = new LogRoom(connection.wal, connection.pager, {
    limitBytes: LIMIT_FRAMES * 4120,
    synchronous: 'normal',
    letGo: () => {},
    delegate: () => false,
    blocked: () => {
      blocked()
      return 'somebody'
    },
  })
  connection.fillSync([2], 1, 'off')
  const wait = () => room.wait({ sinceMs: connection.wal.vfs.now(), signal: undefined })
  const fill = () => {
    for (let value = 0; wait() === null; value++) connection.fillSync([2], value, 'off')
  }
  return { hooked, connection, other, wait, fill }
}

test('while it waits it holds neither WRITE nor CKPT, and others commit', async (t) => {
  let attempts = 0
  const { connection, other, wait, fill } = setUp(t, {
    timeoutMs: 10_000,
    blocked: () => {
      attempts++
      t.false(connection.wal.locks.isHeld('WRITE'))
      t.false(connection.wal.locks.isHeld('CKPT'))
      other.fillSync([3], attempts, 'off')
      if (attempts === 4) other.pager.release(reader)
    },
  })
  const reader = other.pager.acquire()
  fill()
  await runAsync(wait()!)
  t.true(attempts >= 4)
  t.is(Number(connection.wal.header.endMark), 0, 'started over')
  t.is(other.valueOf(3), attempts)
})

test('what keeps the checkpoint from copying is the cause of ENDMARK_WAL_FULL, and nothing is lost', (t) => {
  const { hooked, connection, wait, fill } = setUp(t)
  fill()
  const value = connection.valueOf(2)
  hooked.hook = failOn(({ operation, path }) => operation === 'write' && path.endsWith('app.db'), { andLater: true })
  const error = throws(t, () => runSync(wait()!), 'ENDMARK_WAL_FULL', /somebody/)
  t.is((error.cause as { code?: string }).code, 'ENDMARK_IO')
  t.is(connection.valueOf(2), value)
  hooked.hook = () => {}
  runSync(wait()!)
  t.is(wait(), null)
  t.is(connection.valueOf(2), value)
})
