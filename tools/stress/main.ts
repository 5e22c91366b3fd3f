/**
 * The stress tool: processes that share one database and are killed at random moments, with a history outside the
 * database that is checked for lost and phantom commits and for strict serializability. Exits with 1 if anything was wrong; the
 * history and the files are kept then.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkHistory } from './check-history.js'
import { Coordinator } from './coordinator.js'
import type { History } from './history.js'
import { isSeed, parseOptions, type StressOptions, USAGE } from './options.js'
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
  console.error(error)
  process.exitCode = 1
}

async function runStress(given: StressOptions): Promise<number> {
  const options = given.replay === undefined || isSeed(given.replay) ? given : replayed(given.replay, given)
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'endmark-stress-'))
  mkdirSync(folder, { recursive: true })
  const { seed, processes, sqlite, mode } = options
  console.log(`seed ${seed}: ${processes} processes${sqlite ? ', every second one SQLite' : ''}, ${mode}, in ${folder}`)

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

/** Says what the history of an earlier run shows. @returns the options of that run */
function replayed(file: string, { json, folder }: StressOptions): StressOptions {
  const { summary, history } = JSON.parse(readFileSync(file, 'utf8')) as Kept
  for (const what of summary.violations) console.log(`then: ${what}`)
  for (const what of checkHistory(history)) console.log(`in its history: ${what}`)
  return { ...summary.options, json, folder, replay: undefined }
}

function progress({ commits, snapshots, workerKills, violations }: StressSummary, ms: number): string {
  return `${Math.round(ms / 1000)} s: ${commits} commits, ${snapshots} snapshots, ${workerKills} kills, ${violations.length} violations`
}
