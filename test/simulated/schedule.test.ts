/**
 * Random schedules of processes that commit, read, checkpoint, join, leave, are killed and lose power, against a model
 * (WAL-1 to WAL-6, SNAP-1 to SNAP-5, DUR-1, DUR-2, INDEX-1 to INDEX-3, WATCH-1, WATCH-2). ENDMARK_TEST_FULL=1 runs many more.
 */
import test from 'ava'
import { testSeed } from '../support/random.js'
import { hunt, Schedule } from './schedule.js'

const RUNS = process.env.ENDMARK_TEST_FULL === '1' ? 20_000 : 100
const WATCH_RUNS = process.env.ENDMARK_TEST_FULL === '1' ? 5000 : 25

test('no schedule loses a commit, shows half of one, or changes a snapshot', (t) => {
  const { runs, counts, failure } = hunt(testSeed(), RUNS)
  t.log({ runs, ...counts })
  if (failure !== null) {
    throw new Error(`ENDMARK_TEST_SEED=${failure.seed} repeats it: ${failure.error}`, { cause: failure.error })
  }
  t.true(counts.commits > runs && counts.kills > runs / 10 && counts.powerLosses > runs / 10)
})

test('the same seed gives the same run', (t) => {
  for (let seed = 1; seed <= 5; seed++) t.deepEqual(new Schedule(seed).run(), new Schedule(seed).run())
})

test('no schedule hides a commit from a watch, or tells it of a page that was another', (t) => {
  let told = 0
  for (let seed = testSeed(); seed < testSeed() + WATCH_RUNS; seed++) {
    const schedule = new Schedule(seed, { watches: true })
    t.notThrows(() => schedule.run(), `ENDMARK_TEST_SEED=${seed} repeats it`)
    told += schedule.watched.told
  }
  t.true(told > WATCH_RUNS * 10)
})
