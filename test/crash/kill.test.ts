/**
 * `kill -9` of writers at random moments: every commit they were told about is there afterwards, no commit is
 * there in part, and the next process goes on without repair by hand. In some rounds one of the two writers
 * is SQLite.
 *
 * What was acknowledged is recorded outside the database. The number of a lane's last step tells what the
 * lane's rows must be (lane.ts), so the whole content is compared; `integrity_check` alone proves nothing.
 *
 * SQLite's `integrity_check` is asked after each round, while whoever was the first to open the file still has it open: of the log
 * and the wal-index as they were recovered, not of a file that the last closer has cleaned up. In every other round it is asked
 * between the two kills as well; not in all, since the second writer lives on for it, and both are to die at nearly the same moment too.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type OpenOptions, open } from '../../src/index.js'
import { type Random, seededRandom } from '../support/random.js'
import { REFEREE_NODE, type StandingReferee, startStandingReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import type { KillWriterStart } from './kill-writer.js'
import { LANE_COUNT, laneAfter, openLaneTables } from './lane.js'

const ROUNDS = 200
const RUN_MS_MAX = 120
/** A second writer outlives the first by up to so much, and meets what it left behind. */
const OUTLIVE_MS_MAX = 40
/** The second writer is SQLite, and SQLite is the first to open what was left behind, in one round of so many. */
const SQLITE_WRITES_EVERY = 3
const SQLITE_READS_EVERY = 10
const CREATIONS = 30
const CREATE_MS_MAX = 25
const WRITER_FILE = fileURLToPath(new URL('./kill-writer.js', import.meta.url))
const SQLITE_WRITER_FILE = fileURLToPath(new URL('./kill-sqlite-writer.js', import.meta.url))

interface Content {
  readonly rows: [string, string][]
  readonly lastSteps: [number, number][]
  readonly accounts: [number, number][]
}

test(`what was acknowledged is there after each of ${ROUNDS} kills`, async (t) => {
  t.timeout(300_000)
  const random = seededRandom(t)
  const referee = startStandingReferee(t)
  const files = filesIn(temporaryFolder(t))
  let stands: LastSteps = new Map()
  let waiting = startWriters(t, startEndmarkWriter)

  for (let round = 0; round < ROUNDS; round++) {
    const writers = await waiting
    waiting = startWriters(t, (round + 1) % SQLITE_WRITES_EVERY === 0 ? startSqliteWriter : startEndmarkWriter)
    await Promise.all(writers.map((writer, index) => start(writer, files, optionsFrom(random), lanesOf(index))))
    await Promise.all(writers.map(saysRunning))
    await kill(writers[0], random.below(RUN_MS_MAX))
    if (round % 2 === 1) t.is(await referee.integrityCheck(files.path), 'ok')
    await kill(writers[1], random.below(OUTLIVE_MS_MAX))
    // The next to open the file after a kill is SQLite at times and Endmark at others.
    const judge = round % SQLITE_READS_EVERY === 0 ? judgedBySqlite : judgedByEndmark
    const { content, integrity } = await judge(referee, files.path)
    t.is(integrity, 'ok')
    stands = assertContent(t, content, { acknowledged: lastAcknowledged(files), before: stands })
  }
  const steps = [...lastAcknowledged(files).values()].reduce((sum, step) => sum + step, 0)
  t.log(`${steps} commits acknowledged`)
  t.true(steps > ROUNDS)
})

test(`a writer killed while it creates a database leaves nothing to trip over, ${CREATIONS} times`, async (t) => {
  const random = seededRandom(t)
  const referee = startStandingReferee(t)
  const folder = temporaryFolder(t)
  let waiting = startWriters(t, startEndmarkWriter)
  for (let round = 0; round < CREATIONS; round++) {
    const writers = await waiting
    waiting = startWriters(t, startEndmarkWriter)
    const files = filesIn(folder, `${round}-`)
    await start(writers[0], files, {}, lanesOf(0))
    await kill(writers[0], random.below(CREATE_MS_MAX))
    // The second is the one that must not trip.
    await start(writers[1], files, {}, lanesOf(1))
    await saysRunning(writers[1])
    await kill(writers[1], random.below(CREATE_MS_MAX))
    const { content, integrity } = await judgedByEndmark(referee, files.path)
    t.is(integrity, 'ok')
    assertContent(t, content, { acknowledged: lastAcknowledged(files), before: new Map() })
  }
})

/** Lane to the number of its last step. */
type LastSteps = ReadonlyMap<number, number>

interface Files {
  readonly path: string
  readonly acknowledgedPath: string
}

function filesIn(folder: string, prefix = ''): Files {
  const files = { path: join(folder, `${prefix}a.db`), acknowledgedPath: join(folder, `${prefix}acknowledged.txt`) }
  writeFileSync(files.acknowledgedPath, '')
  return files
}

/** Two processes that have loaded and wait for their start, so that loading overlaps with other work. */
async function startWriters(
  t: ExecutionContext<unknown>,
  startSecond: () => ChildProcess,
): Promise<[ChildProcess, ChildProcess]> {
  const writers: [ChildProcess, ChildProcess] = [startEndmarkWriter(), startSecond()]
  t.teardown(() => writers.forEach((writer) => void writer.kill('SIGKILL')))
  await Promise.all(writers.map((writer) => once(writer, 'message')))
  return writers
}

function startEndmarkWriter(): ChildProcess {
  return fork(WRITER_FILE)
}

function startSqliteWriter(): ChildProcess {
  return fork(SQLITE_WRITER_FILE, { execPath: REFEREE_NODE })
}

function optionsFrom(random: Random): OpenOptions {
  const synchronous = random.pick(['off', 'normal', 'full'] as const)
  return { synchronous, autoCheckpoint: random.pick([5, 30, 200]) }
}

function lanesOf(writer: number): number[] {
  return Array.from({ length: LANE_COUNT / 2 }, (_, index) => 2 * index + writer)
}

function start(writer: ChildProcess, files: Files, options: OpenOptions, lanes: readonly number[]): Promise<void> {
  const message: KillWriterStart = { ...files, options, lanes }
  return new Promise((resolve, reject) => writer.send(message, (error) => (error ? reject(error) : resolve())))
}

async function saysRunning(writer: ChildProcess): Promise<void> {
  await Promise.race([once(writer, 'message'), failWhenEnded(writer)])
}

async function failWhenEnded(writer: ChildProcess): Promise<never> {
  const [code, signal] = await once(writer, 'exit')
  throw new Error(`a writer ended before it ran (${signal ?? code})`)
}

async function kill(writer: ChildProcess, afterMs: number): Promise<void> {
  await delay(afterMs)
  if (writer.exitCode !== null) throw new Error(`a writer ended by itself with exit code ${writer.exitCode}`)
  const exited = once(writer, 'exit')
  writer.kill('SIGKILL')
  await exited
}

interface Judged {
  readonly content: Content
  /** What SQLite says. */
  readonly integrity: string
}

/** Endmark opens the file first, SQLite while it is open. */
async function judgedByEndmark(referee: StandingReferee, path: string): Promise<Judged> {
  const db = await open(path)
  const { rows, lastSteps, accounts } = await openLaneTables(db)
  const content = db.read((snapshot) => ({
    rows: [...snapshot.range(rows)],
    lastSteps: [...snapshot.range(lastSteps)],
    accounts: [...snapshot.range(accounts)],
  }))
  const integrity = await referee.integrityCheck(path)
  await db.close()
  return { content, integrity }
}

function judgedBySqlite(referee: StandingReferee, path: string): Promise<Judged> {
  return referee.call((openAt, at) => {
    const db = openAt(at)
    try {
      const read = (table: string) => db.prepare(`SELECT key, value FROM ${table} ORDER BY key`).raw().all() as never
      const readAll = () => ({ rows: read('rows'), lastSteps: read('last_steps'), accounts: read('accounts') })
      return {
        content: db.transaction(readAll)(),
        integrity: db.pragma('integrity_check', { simple: true }) as string,
      }
    } finally {
      db.close()
    }
  }, path)
}

/** A line is one small write, so only the last could be cut short. */
function lastAcknowledged({ acknowledgedPath }: Files): LastSteps {
  const lines = readFileSync(acknowledgedPath, 'utf8').split('\n').slice(0, -1)
  return new Map(lines.map((line) => line.split(' ').map(Number) as [number, number]))
}

/**
 * @param before the lanes' last steps when the writers of this round started
 * @returns the same, now
 */
function assertContent(
  t: ExecutionContext<unknown>,
  content: Content,
  { acknowledged, before }: { readonly acknowledged: LastSteps; readonly before: LastSteps },
): LastSteps {
  const lastSteps = new Map(content.lastSteps)
  const amounts = new Map(content.accounts)
  const accounts = new Map<number, number>()
  const rows: [string, string][] = []
  for (let lane = 0; lane < LANE_COUNT; lane++) {
    const lastStep = lastSteps.get(lane) ?? 0
    // A commit may have reached the log whose acknowledgement the kill cut off.
    const known = Math.max(acknowledged.get(lane) ?? 0, before.get(lane) ?? 0)
    t.true(lastStep === known || lastStep === known + 1, `lane ${lane}: step ${lastStep} where ${known} was known`)
    const expected = laneAfter(lane, lastStep)
    rows.push(...expected.rows)
    add(accounts, lane, -expected.moved)
    add(accounts, (lane + 1) % LANE_COUNT, expected.moved)
  }
  t.deepEqual(new Map(content.rows), new Map(rows))
  for (let lane = 0; lane < LANE_COUNT; lane++) t.is(amounts.get(lane) ?? 0, accounts.get(lane) ?? 0)
  return lastSteps
}

function add(accounts: Map<number, number>, lane: number, amount: number): void {
  accounts.set(lane, (accounts.get(lane) ?? 0) + amount)
}
