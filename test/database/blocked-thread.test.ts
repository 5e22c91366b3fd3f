/**
 * A thread that blocks comes to no end of a turn. What it holds for reads of this turn, on no one's behalf, must not keep a checkpoint
 * waiting for whose end it waits itself (LOCK-1).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { ClockVfs } from '../support/clock-vfs.js'
import { type Connection, connect } from '../support/connection.js'
import { temporaryPath } from '../support/open-database.js'
import { openOver } from '../support/open-hooked.js'

/** The read locks that others hold, as this connection sees them. */
function heldSlots({ wal: { locks } }: Connection): number[] {
  return [0, 1, 2, 3, 4].filter((slot) => {
    const isFree = locks.tryReadExclusive(slot)
    if (isFree) locks.releaseReadExclusive(slot)
    return !isFree
  })
}

test('a commit that blocks in the turn of a read holds no read lock while it waits for WRITE', async (t) => {
  const path = temporaryPath(t)
  const vfs = new ClockVfs()
  const db = await openOver(vfs, path, { autoCheckpoint: 0 })
  t.teardown(() => db.close())
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.put(1, 1)
  await nextTurn()
  const other = connect(path)
  t.teardown(() => other.vanish())
  map.get(1)
  const seen: number[][] = []
  t.true(other.wal.tryLockWrite())
  vfs.whileBlocked = () => {
    seen.push(heldSlots(other))
    if (seen.length === 2) other.wal.locks.releaseExclusive('WRITE')
  }
  db.transactionSync((tx) => tx.put(map, 1, 2))
  t.deepEqual(seen, [[], []])
})
