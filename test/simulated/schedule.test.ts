/**
 * Random schedules of processes that commit, read, checkpoint, join, leave, are killed and lose power, against a model
 * (WAL-1 to WAL-6, SNAP-1 to SNAP-5, DUR-1 to DUR-3, INDEX-1 to INDEX-3, TXN-1, TXN-3, TXN-8, WATCH-1, WATCH-2).
 * ENDMARK_TEST_FULL=1 runs many more.
 */
import test from 'ava'
import { testSeed } from '../support/random.js'
import { type Hunt, hunt, Schedule } from './schedule.js'

const IS_FULL = process.env.ENDMARK_TEST_FULL === '1'
const RUNS = IS_FULL ? 4000 : 100
const WATCH_RUNS = IS_FULL ? 1500 : 25
const GROUP_RUNS = IS_FULL ? 1500 : 60
const RACE_RUNS = IS_FULL ? 1000 : 40

function assertNothingFound({ failure }: Hunt): void {
  if (failure === null) return
  throw new Error(`ENDMARK_TEST_SEED=${failure.seed} repeats it: ${failure.error}`, { cause: failure.error })
}

// One after the other: they make a step of every atomic operation of this thread.
test.serial('no schedule loses a commit, shows half of one, or changes a snapshot', async (t) => {
  const found = await hunt(testSeed(), RUNS)
  const { runs, counts } = found
  t.log({ runs, ...counts })
  assertNothingFound(found)
  t.true(counts.commits > runs && counts.kills > runs / 10 && counts.powerLosses > runs / 10)
})

test.serial('no schedule loses a commit of a batch, shows part of one, or leaves a caller waiting', async (t) => {
  const found = await hunt(testSeed(), GROUP_RUNS, { groups: true })
  const { runs, counts } = found
  t.log({ runs, ...counts })
  assertNothingFound(found)
  t.true(counts.commits > runs * 10 && counts.kills > runs / 10 && counts.powerLosses > runs / 10)
  t.true(counts.failedSyncs > runs / 10)
})

for (const [races, what] of [
  ['writers', 'an old SQLite starts the log over without CKPT'],
  ['checkpointers', 'an old SQLite checkpoints without comparing the salts'],
] as const) {
  test.serial(`no schedule loses a commit where ${what} (WAL-1)`, async (t) => {
    const found = await hunt(testSeed(), RACE_RUNS, { races })
    t.log({ runs: found.runs, ...found.counts })
    assertNothingFound(found)
    t.true(found.counts.commits > found.runs * 5)
  })
}

test.serial('the same seed gives the same run', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    for (const options of [{}, { groups: true }, { races: 'writers' }] as const) {
      t.deepEqual(await new Schedule(seed, options).run(), await new Schedule(seed, options).run())
    }
  }
})

test.serial('no schedule hides a commit from a watch, or tells it of a page that was another', async (t) => {
  let told = 0
  for (let seed = testSeed(); seed < testSeed() + WATCH_RUNS; seed++) {
    const schedule = new Schedule(seed, { watches: true })
    await t.notThrowsAsync(schedule.run(), `ENDMARK_TEST_SEED=${seed} repeats it`)
    told += schedule.watched.told
  }
  t.true(told > WATCH_RUNS * 10)
})
