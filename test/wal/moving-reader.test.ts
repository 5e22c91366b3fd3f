/** A checkpoint that waits for readers, beside one whose next read begins before the last one ends, so that its slot is never free. */
import { join } from 'node:path'
import test from 'ava'
import { checkpoint, runSync } from '../../src/wal/index.js'
import { ClockVfs } from '../support/clock-vfs.js'
import { connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('a checkpoint goes on once the reader has moved to the end of the log, and a writer starts that over', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const vfs = new ClockVfs()
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1)
  const reader = connect(path)
  t.teardown(() => reader.vanish())
  t.teardown(() => writer.vanish())
  let held = reader.pager.acquire()
  let readCount = 0
  vfs.whileBlocked = () => {
    reader.pager.release(held)
    held = reader.pager.acquire()
    readCount++
  }
  const before = writer.salts()
  writer.fillSync([2, 3], 2)
  const { busy } = runSync(checkpoint(writer.wal, { mode: 'restart', synchronous: 'full', timeoutMs: 1000 }))
  t.false(busy)
  t.true(readCount > 1)
  t.true(vfs.now() < 100, `${vfs.now()} ms`)
  writer.fillSync([2], 3)
  t.not(writer.salts(), before)
  reader.pager.release(held)
  t.deepEqual(reader.contents(), [3, 2])
})
