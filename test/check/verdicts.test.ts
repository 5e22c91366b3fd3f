/**
 * The verdict of `db.check()` on damaged copies of sound databases is that of SQLite's integrity_check, and nothing that is
 * tried on them crashes, hangs, or takes much memory. ENDMARK_TEST_CHECK_ROUNDS sets how many copies.
 */
import test, { type ExecutionContext } from 'ava'
import { seededRandom } from '../support/random.js'
import { type SoundDatabase, soundDatabases } from './corpus.js'
import { verdicts } from './verdict-process.js'
import type { Verdict, VerdictTask } from './verdict-process-main.js'

const ROUNDS = Number(process.env.ENDMARK_TEST_CHECK_ROUNDS ?? 330)
/** Milliseconds for one copy, on a busy machine, and for making the databases. */
const ROUND_MS = 1000
const START_MS = 60_000
const MEMORY_FACTOR_MAX = 3

test('the verdict on a damaged copy is that of SQLite', async (t) => {
  const { databases, task } = await prepare(t, ROUNDS)
  const judges = ['endmark', 'sqlite'] as const
  const [ours = [], theirs = []] = await Promise.all(judges.map((judge) => verdicts(t, { ...task, judge })))
  t.is(ours.length, ROUNDS + databases.length)
  t.is(theirs.length, ours.length)
  for (const [i, verdict] of ours.entries()) {
    t.is(verdict.failure, null, describe(verdict))
    if (verdict.round < 0) t.true(verdict.ok, describe(verdict))
    if (!isExpected(verdict, theirs[i]!))
      t.fail(`${describe(verdict)}; SQLite: ${theirs[i]!.findings.slice(0, 3).join('; ')}`)
  }
  t.true(theirs.some(({ ok, round }) => ok && round >= 0))
  assertMemory(t, ours, databases)
})

test('nothing that is tried on a damaged copy crashes, hangs, or fails without a typed error', async (t) => {
  const { databases, task } = await prepare(t, Math.ceil(ROUNDS / 2))
  const trials = await verdicts(t, { ...task, judge: 'operations' })
  t.is(trials.length, task.rounds + databases.length)
  for (const trial of trials) t.is(trial.failure, null, describe(trial))
  assertMemory(t, trials, databases)
})

async function prepare(
  t: ExecutionContext<unknown>,
  rounds: number,
): Promise<{
  readonly databases: SoundDatabase[]
  readonly task: Omit<VerdictTask, 'judge' | 'folder'>
}> {
  t.timeout(START_MS + rounds * ROUND_MS)
  const databases = await soundDatabases(t)
  return { databases, task: { databases, seed: seededRandom(t).next32(), rounds } }
}

/** Whether ours is as theirs, or differs as docs/testing.md says. */
function isExpected(ours: Verdict, theirs: Verdict): boolean {
  if (ours.ok === theirs.ok) return true
  if (ours.ok) return theirs.findings.every(isOfExpression)
  return ours.findings.every(isStricter) || (ours.database === 'a log' && ours.findings.every(isOfLayout))
}

/**
 * Which entry a row has by an expression, and whether it has one by the condition of a partial index: only SQLite can compute that.
 * That there are as many entries as rows, where there is no condition, and that each belongs to a row, is found here too.
 */
function isOfExpression(finding: string): boolean {
  return OF_EXPRESSION.some((pattern) => pattern.test(finding))
}

const OF_EXPRESSION = [
  /^row \d+ missing from index (adults|people_by_half|computed_by_b)$/,
  /^row \d+ values differ from index (adults|people_by_half|computed_by_b)$/,
  /^index people_by_half stores an imprecise floating-point value for row \d+$/,
  /^wrong # of entries in index adults$/,
]

/** SQLite goes by page 1 of the log alone; `open` refuses a main file with another layout of pages. */
function isOfLayout(finding: string): boolean {
  return /the log has pages of|another layout of pages/.test(finding)
}

/**
 * Header fields that SQLite does not look at, values that the format reserves, a file that ends inside a page, and a primary key that
 * differs in its letters' case only, behind the columns of an index.
 */
function isStricter(finding: string): boolean {
  return STRICTER.some((pattern) => pattern.test(finding))
}

const STRICTER = [
  /schema format \d+/,
  /text encoding \d+/,
  /UTF-16 text/,
  /reserved serial type/,
  /read version/,
  /reading a rollback-journal database/,
  /: sqlite_schema row \d+: unknown type/,
  /its SQL is that of|it belongs to table/,
  /row has other values than its entry in index "words_by_meaning"/,
]

function assertMemory(
  t: ExecutionContext<unknown>,
  all: readonly Verdict[],
  databases: readonly SoundDatabase[],
): void {
  const soundPeak = all[databases.length - 1]!.memoryPeak
  const peak = all.at(-1)!.memoryPeak
  t.true(peak < MEMORY_FACTOR_MAX * soundPeak, `${peak} bytes of memory, ${soundPeak} for the sound files`)
}

function describe({ round, database, changes, findings }: Verdict): string {
  return `round ${round}, ${database}: ${changes.join('; ')}: ${findings.slice(0, 3).join('; ') || 'sound'}`
}
