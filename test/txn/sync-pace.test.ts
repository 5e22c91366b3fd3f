/** Which syncs are waited for on the calling thread: those of a disk that is fast, and of one that was slow only now and then. */
import test from 'ava'
import { SyncPace } from '../../src/txn/sync-pace.js'
import type { Wal } from '../../src/wal/index.js'
import { Random } from '../support/random.js'

const INLINE = { sizeBytes: 4096, syncInline: true }
const IN_POOL = { sizeBytes: 4096, syncInline: false }

function pace() {
  const clock = { nowMs: 1000 }
  const vfs = { now: () => clock.nowMs } as Wal['vfs']
  return { clock, pace: new SyncPace({ vfs } as Wal) }
}

/** @returns after how many syncs the answer is another one */
function syncsUntil(of: SyncPace, durationMs: number, isDone: () => boolean): number {
  let count = 0
  while (!isDone() && count < 1000) {
    of.measure({ durationMs: durationMs, ...INLINE })
    count++
  }
  return count
}

test('nothing is known before the first sync, which may be made anywhere', (t) => {
  for (const how of [INLINE, IN_POOL]) {
    const fast = pace().pace
    t.false(fast.isFast)
    fast.measure({ durationMs: 0.1, ...how })
    t.true(fast.isFast)
    const slow = pace().pace
    slow.measure({ durationMs: 60, ...how })
    t.false(slow.isFast)
  }
})

test('a fast disk stays fast if now and then three syncs in a row take long, and one in ten is too slow', (t) => {
  const { pace: own } = pace()
  for (let i = 1; i <= 10_000; i++) {
    own.measure({ durationMs: i % 100 < 3 ? 10 : i % 10 === 0 ? 1 : 0.15, ...INLINE })
    t.true(own.isFast, `sync ${i}`)
  }
})

test('a disk of which a tenth of the syncs is slow is fast for most of the time, whatever its worst moments are', (t) => {
  const random = new Random(7)
  const { pace: own, clock } = pace()
  let [fastMs, allMs] = [0, 0]
  while (allMs < 3_600_000) {
    const before = clock.nowMs
    if (own.isFast || allMs === 0) {
      const durationMs = random.below(400_000) === 0 ? 60 : random.below(10) === 0 ? 2.2 : 0.15
      clock.nowMs += durationMs
      own.measure({ durationMs, ...INLINE })
      fastMs += clock.nowMs - before
    } else clock.nowMs += 100
    allMs += clock.nowMs - before
  }
  t.true(fastMs > allMs * 0.9, `${Math.round((fastMs / allMs) * 100)} % of an hour`)
})

test('a disk that becomes slow is noticed soon, the sooner the slower it is', (t) => {
  for (const [durationMs, syncsMax] of [
    [60, 1],
    [3, 18],
    [0.6, 30],
    [0.52, 35],
  ] as const) {
    const { pace: own } = pace()
    for (let i = 0; i < 100; i++) own.measure({ durationMs: 0.1, ...INLINE })
    const count = syncsUntil(own, durationMs, () => !own.isFast)
    t.true(count <= syncsMax, `${count} syncs of ${durationMs} ms`)
  }
})

test('how long a sync takes in the pool makes no disk slow, nor fast again', (t) => {
  const { pace: own } = pace()
  own.measure({ durationMs: 0.1, ...INLINE })
  for (let i = 0; i < 100; i++) own.measure({ durationMs: 60, ...IN_POOL })
  t.true(own.isFast)
  syncsUntil(own, 60, () => !own.isFast)
  for (let i = 0; i < 100; i++) own.measure({ durationMs: 0.1, ...IN_POOL })
  t.false(own.isFast)
})

test('a slow disk is tried again after two seconds, after twice as long each time it still is, and at once believed when it is fast', (t) => {
  const { pace: own, clock } = pace()
  own.measure({ durationMs: 0.1, ...INLINE })
  syncsUntil(own, 60, () => !own.isFast)
  for (const slowMs of [2000, 4000, 8000]) {
    clock.nowMs += slowMs - 1
    t.false(own.isFast)
    clock.nowMs += 1
    t.true(own.isFast)
    t.is(
      syncsUntil(own, 60, () => !own.isFast),
      1,
      'one sync is enough',
    )
  }
  clock.nowMs += 16_000 + 16_001
  t.true(own.isFast)
  syncsUntil(own, 60, () => !own.isFast)
  clock.nowMs += 2000
  t.true(own.isFast, 'it was fast for longer than it was not tried')
})

test('what is large may take longer', (t) => {
  const { pace: own } = pace()
  for (let i = 0; i < 100; i++) own.measure({ durationMs: 0.9, sizeBytes: 64 * 4096, syncInline: true })
  t.true(own.isFast)
  for (let i = 0; i < 100; i++) own.measure({ durationMs: 1.2, sizeBytes: 64 * 4096, syncInline: true })
  t.false(own.isFast)
})

test('whoever has nothing else to do waits longer', (t) => {
  const { pace: own } = pace()
  own.dedicate()
  for (let i = 0; i < 100; i++) own.measure({ durationMs: 0.9, ...INLINE })
  t.true(own.isFast)
  t.true(syncsUntil(own, 2, () => !own.isFast) <= 20)
})

test('whoever must be brief hears that syncs are slow, and then tries again', (t) => {
  const { pace: own, clock } = pace()
  own.keepBrief(true)
  t.true(own.isFast, 'a guess')
  t.false(own.isSlow)
  for (const slowMs of [2000, 4000]) {
    t.true(syncsUntil(own, 20, () => own.isSlow) <= 15)
    clock.nowMs += slowMs - 1
    t.true(own.isSlow)
    clock.nowMs += 1
    t.false(own.isSlow)
    t.true(own.isFast)
  }
  syncsUntil(own, 20, () => own.isSlow)
  own.keepBrief(false)
  t.false(own.isSlow, 'nobody asks any more')
})
