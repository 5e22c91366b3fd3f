/**
 * The stress tool: processes that share one database and are killed at random moments, with a history outside the
 * database that is checked for lost and phantom commits and for strict serializability. Exits with 1 if anything was wrong; the
 * history and the files are kept then. Exits with 2 if the command line is wrong.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkHistory } from './check-history.js'
import { Coordinator } from './coordinator.js'
import type { History } from './history.js'
import { commandFor, isSeed, parseOptions, type StressOptions, USAGE, UsageError } from './options.js'
import { formatSummary, type StressSummary } from './summary.js'

/** What is kept of a run that went wrong. */
interface Kept {
  readonly summary: StressSummary
  /** Of the segment in which it went wrong. */
  readonly history: History
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(USAGE)
  else process.exitCode = await runStress(options)
} catch (error) {
  const isUsage = error instanceof UsageError
  console.error(isUsage ? `stress: ${error.message}; --help shows the options` : error)
  process.exitCode = isUsage ? 2 : 1
}

async function runStress(given: StressOptions): Promise<number> {
  const options = given.replay === undefined || isSeed(given.replay) ? given : replayed(given.replay, given)
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'endmark-stress-'))
  mkdirSync(folder, { recursive: true })
  const { seed } = options
  console.log(`${firstLine(options)}, in ${folder}`)
  console.log(`again: ${commandFor(options)}`)

  let last: Kept | null = null
  const startMs = performance.now()
  const coordinator = new Coordinator(join(folder, `stress-${seed}.db`), options, (summary, history) => {
    last = { summary, history }
    if (!options.json) console.log(progress(summary, performance.now() - startMs))
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      coordinator.abandon()
      process.exit(1)
    })
  }
  const summary = await coordinator.run()
  console.log(formatSummary(summary))
  const isSound = summary.violations.length === 0
  if (!isSound) {
    const file = join(folder, `history-${seed}.json`)
    writeFileSync(file, JSON.stringify({ ...(last ?? {}), summary }))
    console.log(`kept in ${folder}; again: --replay ${file}`)
  } else if (options.folder === undefined) rmSync(folder, { recursive: true })
  if (options.json) console.log(JSON.stringify(summary))
  return isSound ? 0 : 1
}

/** All that a run depends on: whoever replays a seed alone must see with what. */
function firstLine({ seed, processes, sqlite, mode, killProbability, replay }: StressOptions): string {
  const what = isSeed(replay)
    ? `replay of seed ${seed}, with the options given and not those of the run before`
    : `seed ${seed}`
  return `${what}: ${processes} processes${sqlite ? ', every second one SQLite' : ''}, ${mode}, kill probability ${killProbability}`
}

/** Says what the history of an earlier run shows. @returns the options of that run */
function replayed(file: string, { json, folder }: StressOptions): StressOptions {
  const { summary, history } = readKept(file)
  for (const what of summary.violations) console.log(`then: ${what}`)
  for (const what of checkHistory(history)) console.log(`in its history: ${what}`)
  return { ...summary.options, json, folder, replay: undefined }
}

/** @throws UsageError if there is no such file, or it is none of this tool */
function readKept(file: string): Kept {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Partial<Kept> | null
    const { summary, history } = kept ?? {}
    const parts = [summary?.violations, history?.before, history?.after, history?.entries]
    if (typeof summary?.options?.seed === 'number' && parts.every(Array.isArray)) return kept as Kept
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) {
      throw new UsageError(`--replay ${file}: ${(error as Error).message}`)
    }
  }
  throw new UsageError(`--replay ${file}: this is no seed, and the file is no history that a run has kept`)
}

function progress({ commits, snapshots, workerKills, violations }: StressSummary, ms: number): string {
  return `${Math.round(ms / 1000)} s: ${commits} commits, ${snapshots} snapshots, ${workerKills} kills, ${violations.length} violations`
}
