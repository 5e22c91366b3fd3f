/** Which syncs are waited for on the calling thread: those of a disk that is fast, and of one that was slow only once. */
import test from 'ava'
import { SyncPace } from '../../src/txn/sync-pace.js'
import type { Wal } from '../../src/wal/index.js'

function pace() {
  const clock = { nowMs: 1000 }
  const vfs = { now: () => clock.nowMs } as Wal['vfs']
  return { clock, pace: new SyncPace({ vfs } as Wal) }
}

/** @returns after how many syncs the answer is another one */
function syncsUntil(of: SyncPace, durationMs: number, isDone: () => boolean): number {
  let count = 0
  while (!isDone() && count < 1000) {
    of.measure(durationMs)
    count++
  }
  return count
}

test('nothing is known before the first sync, and the first one decides', (t) => {
  const fast = pace().pace
  t.false(fast.isFast)
  fast.measure(0.1)
  t.true(fast.isFast)
  const slow = pace().pace
  slow.measure(5)
  t.false(slow.isFast)
})

test('one sync that takes long changes nothing, a disk that is slow is noticed soon, and one that is fast again as well', (t) => {
  const { pace: own } = pace()
  own.measure(0.1)
  own.measure(10_000)
  t.true(own.isFast)
  t.true(syncsUntil(own, 50, () => !own.isFast) <= 4)
  t.true(syncsUntil(own, 1, () => own.isFast) === 1000, 'a disk that stays slow stays in the pool')
  t.true(syncsUntil(own, 0.1, () => own.isFast) <= 20)
})

test('whoever must be brief hears for two seconds that syncs are slow, and then tries again', (t) => {
  const { pace: own, clock } = pace()
  own.keepBrief(true)
  t.true(own.isFast, 'a guess')
  for (let round = 0; round < 3; round++) {
    t.true(syncsUntil(own, 20, () => own.isSlow) <= 4)
    clock.nowMs += 1999
    t.true(own.isSlow)
    clock.nowMs += 1
    t.false(own.isSlow)
    t.true(own.isFast)
  }
  syncsUntil(own, 20, () => own.isSlow)
  own.keepBrief(false)
  t.false(own.isSlow, 'nobody asks any more')
})
