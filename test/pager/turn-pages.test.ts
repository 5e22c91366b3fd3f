/** The state that autocommit reads share: how long it is held, and when it is brought up to date. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { EndmarkError } from '../../src/errors.js'
import { TurnPages } from '../../src/pager/index.js'
import { type Connection, connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { TurnVfs } from '../support/turn-vfs.js'

interface Pair {
  readonly vfs: TurnVfs
  readonly reader: Connection
  readonly turn: TurnPages
  /** Commits, and is another process as far as locks go. */
  readonly writer: Connection
}

function pair(t: ExecutionContext): Pair {
  const path = join(temporaryFolder(t), 'app.db')
  const vfs = new TurnVfs()
  const writer = connect(path)
  writer.fillSync([2, 3], 1)
  const reader = connect(path, { vfs })
  t.teardown(() => reader.vanish())
  t.teardown(() => writer.vanish())
  return { vfs, reader, turn: new TurnPages(reader.wal, reader.pager), writer }
}

/** The read locks that others hold, as this connection sees them. */
function heldSlots({ wal: { locks } }: Connection): number[] {
  return [0, 1, 2, 3, 4].filter((slot) => {
    const isFree = locks.tryReadExclusive(slot)
    if (isFree) locks.releaseReadExclusive(slot)
    return !isFree
  })
}

test('a state is held for as long as every turn has a read, and let go after one without', (t) => {
  const { vfs, turn, writer } = pair(t)
  const calls: string[] = []
  turn.current()
  const held = heldSlots(writer)
  t.is(held.length, 1)
  vfs.hook = ({ operation }) => calls.push(operation)
  for (let i = 0; i < 3; i++) {
    vfs.endTurn()
    t.deepEqual(heldSlots(writer), held)
    turn.current()
  }
  t.deepEqual(calls, [])
  vfs.endTurn()
  t.deepEqual(heldSlots(writer), held)
  vfs.endTurn()
  t.deepEqual(heldSlots(writer), [])
  t.deepEqual(vfs.callbacks, [])
})

test('after a while there is a moment in which nothing is held', (t) => {
  const { vfs, turn, writer } = pair(t)
  for (let round = 0; round < 3; round++) {
    turn.current()
    vfs.nowMs += 4
    vfs.endTurn()
    turn.current()
    t.is(heldSlots(writer).length, 1)
    vfs.nowMs += 1
    vfs.endTurn()
    t.deepEqual(heldSlots(writer), [])
  }
})

test('the end of a turn with a read brings the state up to date', (t) => {
  const { vfs, reader, turn, writer } = pair(t)
  turn.current()
  writer.fillSync([3], 2)
  vfs.endTurn()
  const [slot] = heldSlots(writer)
  t.is(writer.wal.index.readMark(slot!), Number(writer.wal.header.endMark))
  vfs.hook = () => t.fail('nothing is left for the read to do')
  t.is(turn.current().endMark, writer.wal.header.endMark)
  vfs.hook = () => {}
  t.deepEqual(reader.contents(), [1, 2])
})

test('a reader of every turn lets a writer start the log over', (t) => {
  const { vfs, turn, writer } = pair(t)
  const generations = new Set<string>()
  for (let i = 0; i < 10; i++) {
    turn.current()
    writer.fillSync([2, 3], i)
    turn.current()
    vfs.endTurn()
    t.is(writer.checkpointSync().checkpointed, Number(writer.wal.header.endMark))
    turn.current()
    vfs.endTurn()
    t.deepEqual(heldSlots(writer), [0])
    generations.add(writer.salts())
  }
  t.is(generations.size, 10)
})

test('a state that cannot be brought up to date is let go, and the next read says why', (t) => {
  const { vfs, turn, writer } = pair(t)
  turn.current()
  writer.fillSync([3], 2)
  vfs.hook = ({ operation }) => {
    if (operation === 'tryLock') throw new EndmarkError('ENDMARK_IO', 'no locks here')
  }
  vfs.endTurn()
  t.deepEqual(heldSlots(writer), [])
  t.deepEqual(vfs.callbacks, [])
  t.throws(() => turn.current(), { code: 'ENDMARK_IO' })
  vfs.hook = () => {}
  t.is(turn.current().endMark, writer.wal.header.endMark)
})

test('a state that is let go in the midst of a turn is not taken up again at its end', (t) => {
  const { vfs, turn, writer } = pair(t)
  turn.current()
  turn.release()
  vfs.endTurn()
  t.deepEqual(heldSlots(writer), [])
  t.deepEqual(vfs.callbacks, [])
})
