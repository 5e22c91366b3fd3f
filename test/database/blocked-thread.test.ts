/**
 * A thread that blocks comes to no end of a turn. What it holds for reads of this turn, on no one's behalf, must not keep a checkpoint
 * waiting for whose end it waits itself (LOCK-1).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/index.js'
import type { OrderedMap } from '../../src/store/index.js'
import type { WalLockName } from '../../src/wal/wal-locks.js'
import { ClockVfs } from '../support/clock-vfs.js'
import { type Connection, connect } from '../support/connection.js'
import { temporaryPath } from '../support/open-database.js'
import { openOver } from '../support/open-hooked.js'

/** Something happens whenever somebody waits, and time passes with that. */
class BlockedVfs extends ClockVfs {
  whileWaiting = () => {}

  override delaySync(milliseconds: number): void {
    this.whileWaiting()
    super.delaySync(milliseconds)
  }
}

interface Parts {
  readonly db: Database
  readonly map: OrderedMap<number, number>
}

/** The read locks that others hold, as this connection sees them. */
function heldSlots({ wal: { locks } }: Connection): number[] {
  return [0, 1, 2, 3, 4].filter((slot) => {
    const isFree = locks.tryReadExclusive(slot)
    if (isFree) locks.releaseReadExclusive(slot)
    return !isFree
  })
}

/** Somebody else holds the lock until `block`, begun in the turn of a read, has waited for it twice. */
async function assertHoldsNothing(
  t: ExecutionContext,
  lock: WalLockName,
  block: (parts: Parts) => void,
): Promise<void> {
  const path = temporaryPath(t)
  const vfs = new BlockedVfs()
  const db = await openOver(vfs, path, { autoCheckpoint: 0 })
  t.teardown(() => db.close())
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.put(1, 1)
  await nextTurn()
  const other = connect(path)
  t.teardown(() => other.vanish())
  map.get(1)
  const seen: number[][] = []
  t.true(lock === 'WRITE' ? other.wal.tryLockWrite() : other.wal.locks.tryExclusive(lock))
  vfs.whileWaiting = () => {
    seen.push(heldSlots(other))
    if (seen.length === 2) other.wal.locks.releaseExclusive(lock)
  }
  block({ db, map })
  t.deepEqual(seen, [[], []])
}

test('a commit that blocks in the turn of a read holds no read lock while it waits for WRITE', (t) =>
  assertHoldsNothing(t, 'WRITE', ({ db, map }) => db.transactionSync((tx) => tx.put(map, 1, 2))))
