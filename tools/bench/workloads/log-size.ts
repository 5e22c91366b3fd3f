/** How long the log becomes while one reader holds a snapshot and a writer goes on, and what bounds it. */
import { statSync } from 'node:fs'
import { withAgents } from '../agents.js'
import { type Bench, FULL_TEXT, resultRow, type Workload } from '../bench.js'
import { COMMIT_FIGURES, commitFigures, type Whistle, whistle } from '../commits.js'
import type { Contender } from '../contenders.js'
import { only } from '../figures.js'
import type { OpenSettings } from '../peers/peer.js'
import type { ResultRow, Series } from '../results.js'
import { sharedNow } from '../tasks/timing.js'

const LIMIT_BYTES = 32 * 2 ** 20
const SAMPLE_MS = 100
const OUTSTANDING = 64
/** Parts of the whole time after which the snapshot begins and ends; in a long run it is held for all but these seconds. */
const HELD_FROM = 0.2
const HELD_TO = 0.7
const BEFORE_SECONDS_MAX = 5
const AFTER_SECONDS_MAX = 10

interface Variant {
  readonly name: string
  readonly store: string
  readonly settings: Partial<OpenSettings>
}

const VARIANTS: readonly Variant[] = [
  { name: 'endmark', store: 'endmark inline', settings: {} },
  { name: 'endmark, walLimit', store: 'endmark inline', settings: { walLimit: LIMIT_BYTES } },
  {
    name: 'endmark, walLimit and snapshotTimeout',
    store: 'endmark inline',
    settings: { walLimit: LIMIT_BYTES, snapshotTimeout: 1000 },
  },
  { name: 'better-sqlite3', store: 'better-sqlite3', settings: {} },
  { name: 'node:sqlite', store: 'node:sqlite', settings: {} },
]

export const logSize: Workload = {
  name: 'log-size',
  title: 'The log under a long reader',
  about:
    'One process commits rows with 64 commits outstanding, synchronous normal, while another holds a snapshot from a fifth of the time on ' +
    'to seven tenths. With `walLimit` (32 MB) commits wait rather than let the log grow; with `snapshotTimeout` (1 s) as well, the ' +
    'snapshot is ended instead. “until short again” is the time from the end of the snapshot until the log is as long as before it at most, or ' +
    'to the end of the run. Endmark cuts a log file that has become far longer than it is used; SQLite keeps its length.',

  async run(bench) {
    const rows: ResultRow[] = []
    const series: Series[] = []
    for (const variant of VARIANTS) {
      const contender = bench.contenders.find(({ name }) => name === variant.store)
      if (contender === undefined) continue
      bench.progress(`log under a long reader: ${variant.name}`)
      const done = await oneVariant(bench, variant, { ...contender, name: variant.name })
      rows.push(done.row)
      series.push(done.series)
    }
    return { rows, series }
  },
}

async function oneVariant(
  { databases, options }: Bench,
  { name, settings }: Variant,
  contender: Contender,
): Promise<{ readonly row: ResultRow; readonly series: Series }> {
  const { rowCount, logSizeSeconds } = options
  const kind = { rowCount, purpose: 'log-size' }
  const path = await databases.pathFor(contender, kind)
  const start = { peer: contender.peer, path, settings: { ...FULL_TEXT, synchronous: 'normal', ...settings } as const }
  const run = whistle(0, logSizeSeconds)
  const held = { ...holding(run), row: rowCount >> 1 }
  const [written, expired, points] = await withAgents([start, start], ([writer, holder]) =>
    Promise.all([
      writer!.run('commitLoop', { ...run, rowCount, seed: 1, outstanding: OUTSTANDING }),
      holder!.run('holdSnapshot', held),
      sample(`${path}-wal`, run),
    ]),
  )
  const figures = {
    ...only(commitFigures([written]), COMMIT_FIGURES),
    logMb: longest(points),
    shortAgainSeconds: secondsUntilShort(points, held, run),
    expired: Number(expired),
  }
  const conditions = { synchronous: 'normal', processes: 2, outstanding: OUTSTANDING } as const
  const row = resultRow({ case: 'long reader', contender, data: path, rowCount, rounds: [figures], ...conditions })
  databases.remove(path)
  return { row, series: { name, points } }
}

/** When the snapshot is held. */
function holding({ startTime, endTime }: Whistle) {
  const atPart = (part: number) => startTime + (endTime - startTime) * part
  return {
    startTime: Math.min(atPart(HELD_FROM), startTime + BEFORE_SECONDS_MAX * 1000),
    endTime: Math.max(atPart(HELD_TO), endTime - AFTER_SECONDS_MAX * 1000),
  }
}

/** Seconds since the start, MB. */
type Point = readonly [number, number]

function longest(points: readonly Point[]): number {
  return points.reduce((max, [, mb]) => Math.max(max, mb), 0)
}

function secondsUntilShort(points: readonly Point[], held: ReturnType<typeof holding>, run: Whistle): number {
  const [from, to, end] = [held.startTime, held.endTime, run.endTime].map((time) => (time - run.startTime) / 1000)
  const usualMb = longest(points.filter(([seconds]) => seconds < from!))
  const [short = end!] = points.find(([seconds, mb]) => seconds >= to! && mb <= usualMb) ?? []
  return short - to!
}

async function sample(logPath: string, { startTime, endTime }: Whistle): Promise<Point[]> {
  const points: Point[] = []
  for (let next = startTime; next <= endTime; next += SAMPLE_MS) {
    await new Promise((resolve) => setTimeout(resolve, next - sharedNow()))
    const size = statSync(logPath, { throwIfNoEntry: false })?.size ?? 0
    points.push([(next - startTime) / 1000, size / 2 ** 20])
  }
  return points
}
