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
/** Parts of the whole time after which the snapshot begins and ends. */
const HELD_FROM = 0.2
const HELD_TO = 0.7

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
    'snapshot is ended instead. Endmark cuts a log file that has become far longer than it is used; SQLite keeps its length.',

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
  const held = { startTime: atPart(run, HELD_FROM), endTime: atPart(run, HELD_TO), row: rowCount >> 1 }
  const [written, expired, points] = await withAgents([start, start], ([writer, holder]) =>
    Promise.all([
      writer!.run('commitLoop', { ...run, rowCount, seed: 1, outstanding: OUTSTANDING }),
      holder!.run('holdSnapshot', held),
      sample(`${path}-wal`, run),
    ]),
  )
  const figures = {
    ...only(commitFigures([written]), COMMIT_FIGURES),
    logMb: Math.max(...points.map(([, mb]) => mb)),
    expired: Number(expired),
  }
  const conditions = { synchronous: 'normal', processes: 2, outstanding: OUTSTANDING } as const
  const row = resultRow({ case: 'long reader', contender, data: path, rowCount, rounds: [figures], ...conditions })
  databases.remove(path)
  return { row, series: { name, points } }
}

function atPart({ startTime, endTime }: Whistle, part: number): number {
  return startTime + (endTime - startTime) * part
}

/** @returns seconds since the start, MB */
async function sample(logPath: string, { startTime, endTime }: Whistle): Promise<(readonly [number, number])[]> {
  const points: (readonly [number, number])[] = []
  for (let next = startTime; next <= endTime; next += SAMPLE_MS) {
    await new Promise((resolve) => setTimeout(resolve, next - sharedNow()))
    const size = statSync(logPath, { throwIfNoEntry: false })?.size ?? 0
    points.push([(next - startTime) / 1000, size / 2 ** 20])
  }
  return points
}
