/** A checkpoint that waits for readers, beside one who reads in every turn of its event loop and so never leaves. */
import { join } from 'node:path'
import test from 'ava'
import { TurnPages } from '../../src/pager/index.js'
import { checkpoint, runSync } from '../../src/wal/index.js'
import { ClockVfs } from '../support/clock-vfs.js'
import { connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { TurnVfs } from '../support/turn-vfs.js'

/** Something happens whenever somebody waits, and time passes with that. */
class WaitingVfs extends ClockVfs {
  whileWaiting = () => {}

  override delaySync(milliseconds: number): void {
    this.whileWaiting()
    super.delaySync(milliseconds)
  }
}

test('a checkpoint goes on once the reader has moved to the end of the log, and a writer starts that over', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const [vfs, turns] = [new WaitingVfs(), new TurnVfs()]
  const writer = connect(path, { vfs })
  writer.fillSync([2, 3], 1)
  const reader = connect(path, { vfs: turns })
  t.teardown(() => reader.vanish())
  t.teardown(() => writer.vanish())
  const turn = new TurnPages(reader.wal, reader.pager)
  let readCount = 0
  const read = () => {
    turns.endTurn()
    turn.current()
    readCount++
  }
  read()
  const before = writer.salts()
  writer.fillSync([2, 3], 2)
  vfs.whileWaiting = read
  const { busy } = runSync(checkpoint(writer.wal, { mode: 'restart', synchronous: 'full', timeoutMs: 1000 }))
  t.false(busy)
  t.true(readCount > 1)
  t.true(vfs.now() < 100, `${vfs.now()} ms`)
  writer.fillSync([2], 3)
  t.not(writer.salts(), before)
  read()
  t.deepEqual(reader.contents(), [3, 2])
})
