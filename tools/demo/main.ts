/**
 * The demo: the cities of the world in one database file. Writer processes move inhabitants between random
 * cities, so that their sum never changes; reader processes check just that, snapshot after snapshot. One process more, the
 * writer process, commits for all, or each commits by itself. At the end SQLite itself checks the file. Exits with 1 if
 * anything was seen that must not be, 2 for wrong options; on SIGINT and SIGTERM it ends its processes first.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Database, EndmarkError, open } from '../../src/index.js'
import { isUsageError } from '../cli/usage.js'
import { type CityTable, loadCities, openCities } from './cities.js'
import { LiveTable } from './live-table.js'
import type { WorkerStart } from './messages.js'
import { type DemoOptions, parseOptions, USAGE } from './options.js'
import { Serving } from './serving.js'
import { type Totals, Workers } from './workers.js'

const WHO_COMMITS = {
  process: 'a writer process commits for them',
  inline: 'each commits by itself',
} as const satisfies Record<DemoOptions['mode'], string>

const DEFAULT_PATH = '.demo/cities.db'

interface Summary {
  readonly path: string
  readonly cities: number
  readonly inhabitants: number
  readonly mode: DemoOptions['mode']
  readonly seconds: number
  readonly commits: number
  /** Those that the writer process made, and in how many appends to the log; null if there was none. */
  readonly writerProcessCommits: number | null
  readonly writerProcessBatches: number | null
  readonly reads: number
  readonly scans: number
  readonly checkpoints: number
  /** The longest time that the event loop of a worker kept others waiting, and what 99 of 100 looks did not exceed in the worst worker. */
  readonly stallMaxMs: number
  readonly stallP99Ms: number
  readonly violations: number
  readonly integrity: string
}

/** What was seen while the processes ran. */
interface Outcome {
  readonly census: Census
  readonly totals: Totals
  readonly serving: Serving | null
}

const ending = new AbortController()
// A second one ends this process at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort(signal))

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(USAGE)
  else process.exitCode = await runDemo(options, ending.signal)
} catch (error) {
  process.exitCode = fail(error, ending.signal)
}

/** Says why the demo has ended early. @returns the exit code */
function fail(error: unknown, { aborted, reason }: AbortSignal): number {
  if (aborted) return 128 + constants.signals[reason as NodeJS.Signals]
  if (isUsageError(error)) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    return 2
  }
  console.error(error instanceof EndmarkError ? `${error.message} (${error.code})` : error)
  return 1
}

async function runDemo(options: DemoOptions, ending: AbortSignal): Promise<number> {
  const path = preparePath(options.path)
  const { census, totals, serving } = await runProcesses(path, options, ending)
  const { violations } = totals
  const summary: Summary = {
    path,
    cities: census.cityIds.length,
    inhabitants: census.total,
    mode: options.mode,
    seconds: options.seconds,
    commits: totals.commits,
    writerProcessCommits: serving?.latest.commits ?? null,
    writerProcessBatches: serving?.latest.batches ?? null,
    reads: totals.reads,
    scans: totals.scans,
    checkpoints: totals.checkpoints + (serving?.latest.checkpoints ?? 0),
    stallMaxMs: totals.stallMaxMs,
    stallP99Ms: totals.stallP99Ms,
    violations: violations.length,
    integrity: await askSqlite(path),
  }
  print(summary, violations, options.json)
  return summary.violations === 0 && summary.integrity === 'ok' ? 0 : 1
}

/** All processes have ended when it returns or throws, and the writer process has given its last report. */
async function runProcesses(path: string, options: DemoOptions, ending: AbortSignal): Promise<Outcome> {
  const db = await open(path)
  let serving: Serving | null = null
  try {
    const cities = await openCities(db)
    await fill(db, cities)
    const census = count(cities)
    console.log(
      `${format(census.cityIds.length)} cities with ${format(census.total)} inhabitants in ${path}\n` +
        `${options.writers} writers, ${options.readers} readers, ${options.seconds} seconds; ${WHO_COMMITS[options.mode]}\n`,
    )
    if (options.mode === 'process') serving = await Serving.start(path)
    const endTime = Date.now() + options.seconds * 1000
    const workers = await work(db, options, { path, writer: options.mode, ...census, endTime }, { serving, ending })
    const totals = workers.totals()
    const violations = [...totals.violations, ...compare(census, count(cities))]
    const checkpoints = totals.checkpoints + db.stats().checkpoints
    return { census, totals: { ...totals, violations, checkpoints }, serving }
  } finally {
    await db.close()
    await serving?.stop()
  }
}

/** The default file is made anew in each run; a file named by the caller is never removed. */
function preparePath(given: string | undefined): string {
  const path = resolve(given ?? DEFAULT_PATH)
  mkdirSync(dirname(path), { recursive: true })
  if (given === undefined) for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  return path
}

async function fill(db: Database, cities: CityTable): Promise<void> {
  if (cities.count() > 0) return
  const start = performance.now()
  await loadCities(db, cities)
  console.log(`Loaded the data set in one transaction: ${Math.round(performance.now() - start)} ms`)
}

type Census = Pick<WorkerStart, 'cityIds' | 'total'>

function count(cities: CityTable): Census {
  const cityIds: number[] = []
  let total = 0
  for (const city of cities.range()) {
    cityIds.push(city.id)
    total += city.population
  }
  return { cityIds, total }
}

function compare(before: Census, after: Census): string[] {
  const same = before.total === after.total && before.cityIds.length === after.cityIds.length
  return same ? [] : [`${after.total} inhabitants of ${after.cityIds.length} cities at the end`]
}

async function work(
  db: Database,
  options: DemoOptions,
  start: WorkerStart,
  { serving, ending }: { readonly serving: Serving | null; readonly ending: AbortSignal },
): Promise<Workers> {
  ending.throwIfAborted()
  const workers = new Workers()
  ending.addEventListener('abort', () => void workers.stop())
  workers.start('./writer.js', options.writers, start)
  workers.start('./reader.js', options.readers, start)
  const table = new LiveTable(() => ({ ...workers.totals(), stats: db.stats(), serving: serving?.latest ?? null }))
  const timer = setInterval(() => table.printLine(), 1000)
  try {
    await workers.allEnded()
    ending.throwIfAborted()
  } finally {
    clearInterval(timer)
    await workers.stop()
  }
  return workers
}

async function askSqlite(path: string): Promise<string> {
  const file = fileURLToPath(new URL('./integrity.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [file, path])
  return stdout
}

function print(summary: Summary, violations: readonly string[], asJson: boolean): void {
  const {
    commits,
    writerProcessCommits,
    writerProcessBatches,
    reads,
    scans,
    checkpoints,
    stallMaxMs,
    stallP99Ms,
    integrity,
  } = summary
  const served =
    writerProcessCommits === null || writerProcessBatches === null
      ? ''
      : `, ${format(writerProcessCommits)} of them by the writer process in ${format(writerProcessBatches)} appends to the log`
  console.log(`
commits      ${format(commits)}${served}
reads        ${format(reads)}
full sums    ${format(scans)}
checkpoints  ${format(checkpoints)}
event loops  ${formatMs(stallMaxMs)} late at most, ${formatMs(stallP99Ms)} in 99 of 100 looks
violations   ${format(violations.length)}
SQLite says  ${integrity}`)
  for (const violation of violations.slice(0, 10)) console.log(`  ${violation}`)
  if (asJson) console.log(JSON.stringify(summary))
}

function formatMs(value: number): string {
  return `${value.toFixed(1)} ms`
}

function format(value: number): string {
  return value.toLocaleString('en-US')
}
