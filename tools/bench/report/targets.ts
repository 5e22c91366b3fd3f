/**
 * What is asked of Endmark, as ratios to other stores in the same run, and what it got. `must` leaves a margin; `goal` is what
 * prototypes reached over the same files, less what they left out.
 */
import type { FigureName } from '../figures.js'
import type { ResultRow, WorkloadResult } from '../results.js'
import { markdownTable } from './tables.js'

interface Measured {
  readonly workload: string
  readonly case: string
  readonly store: string
  readonly figure: FigureName
}

interface Target {
  readonly what: string
  readonly against: string
  readonly ours: Measured
  /** Of several, the best. */
  readonly theirs: readonly Measured[]
  /** `at most` for times, `at least` for rates. */
  readonly ask: 'at least' | 'at most'
  readonly must: number
  readonly goal: number
}

export interface TargetResult {
  readonly what: string
  readonly against: string
  readonly ask: 'at least' | 'at most'
  readonly must: number
  readonly goal: number
  /** Ours by theirs; null if it was not measured. */
  readonly got: number | null
  readonly verdict: 'goal' | 'must' | 'missed' | 'not measured'
}

const [LONG_LOG, SHORT_LOG] = ['1,000,000 frames', '1,000 frames']
const SQLITE = 'better-sqlite3'
const FAST = 'lmdb getBinaryFast'

type RatePair = readonly [store: string, must: number, goal: number]

/** Rates of Endmark against those of other stores in the same case. */
function rates(what: string, workload: string, name: string, pairs: readonly RatePair[], ours = 'endmark'): Target[] {
  const measured = (store: string): Measured => ({ workload, case: name, store, figure: 'perSecond' })
  return pairs.map(([store, must, goal]) => ({
    what: ours === 'endmark' ? what : `${what} (${ours})`,
    against: store,
    ours: measured(ours),
    theirs: [measured(store)],
    ask: 'at least',
    must,
    goal,
  }))
}

/** Rates of one store against itself in another case. */
function gains(what: string, workload: string, [more, less]: readonly [string, string], must: number, goal: number) {
  const measured = (name: string): Measured => ({ workload, case: name, store: 'endmark', figure: 'perSecond' })
  return { what, against: less, ours: measured(more), theirs: [measured(less)], ask: 'at least', must, goal } as const
}

function bulkLoad(order: string, must: number, goal: number): Target {
  const measured = (store: string): Measured => {
    return { workload: 'bulk-load', case: `${order} keys`, store, figure: 'perSecond' }
  }
  const peers = ['better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level', 'turso']
  const theirs = peers.map(measured)
  const what = `bulk load, one transaction, ${order} keys`
  return { what, against: 'fastest peer', ours: measured('endmark inline'), theirs, ask: 'at least', must, goal }
}

function readerP99(store: string, must: number, goal: number): Target {
  const measured = (name: string): Measured => {
    return { workload: 'reader-latency', case: 'one reader, one writer', store: name, figure: 'p99Ms' }
  }
  const what = 'reader p99 under a saturating normal writer'
  return {
    what,
    against: store,
    ours: measured('endmark inline'),
    theirs: [measured(store)],
    ask: 'at most',
    must,
    goal,
  }
}

/** Time by time: rates the other way round. */
function longLog(must: number, goal: number): Target {
  const measured = (name: string): Measured => {
    return { workload: 'log-growth', case: name, store: 'endmark', figure: 'perSecond' }
  }
  const what = `time of a point read, log of ${LONG_LOG}`
  return {
    what,
    against: SHORT_LOG,
    ours: measured(SHORT_LOG),
    theirs: [measured(LONG_LOG)],
    ask: 'at most',
    must,
    goal,
  }
}

const TARGETS: readonly Target[] = [
  ...rates('random point read, autocommit', 'point-reads', 'all keys, autocommit', [
    [SQLITE, 4, 6],
    ['lmdb', 1.7, 2.3],
    [FAST, 1, 1.3],
  ]),
  ...rates('random point read in a snapshot', 'point-reads', 'all keys, snapshot', [[SQLITE, 2.5, 4]]),
  ...['1,000 hot keys', '10,000 hot keys'].flatMap((keys) =>
    rates(`${keys}, autocommit`, 'point-reads', `${keys}, autocommit`, [
      [SQLITE, 15, 30],
      [FAST, 2.5, 4],
    ]),
  ),
  ...rates('getMany of 64, per key', 'get-many', '64 keys', [
    [SQLITE, 9, 13],
    [FAST, 2, 2.8],
  ]),
  ...rates('full scan by for…of, Buffers', 'full-scan', 'all rows', [
    [SQLITE, 6, 12],
    ['lmdb', 3, 6],
  ]),
  bulkLoad('random', 1.3, 2.5),
  bulkLoad('sorted', 1, 1.3),
  ...durableCommits('one-row commits full', 'commits'),
  ...durableCommits('one-row commits full, 10,000 rows', 'commits-few-rows'),
  ...rates('one-row commits normal, 1 caller', 'normal-commits', '1 x 1', [[SQLITE, 1.5, 2.5]], 'endmark inline'),
  readerP99(SQLITE, 1 / 4, 1 / 7),
  readerP99('lmdb', 1, 1 / 1.5),
  gains('point reads, 2 threads', 'scaling', ['2 threads', '1 thread'], 1.8, 1.95),
  gains('point reads, 2 processes', 'scaling', ['2 processes', '1 process'], 1.8, 1.95),
  gains('parallel scan, 2 threads', 'parallel-scan', ['2 threads', '1 thread'], 1.7, 1.9),
  longLog(1.2, 1.05),
]

function durableCommits(what: string, workload: string): Target[] {
  return [
    ...['endmark', 'endmark inline'].flatMap((ours) => [
      ...rates(`${what}, 1 caller`, workload, '1 x 1', [[SQLITE, 0.9, 1.1]], ours),
      ...rates(
        `${what}, 1 x 64 callers`,
        workload,
        '1 x 64',
        [
          [SQLITE, 12, 20],
          ['lmdb', 2, 3.5],
        ],
        ours,
      ),
    ]),
    ...rates(`${what}, 4 processes x 64`, workload, '4 x 64', [
      [SQLITE, 20, 40],
      ['lmdb', 2, 4],
    ]),
    ...rates(`${what}, 4 processes x 1`, workload, '4 x 1', [
      [SQLITE, 1.7, 3],
      ['lmdb', 2, 3],
    ]),
  ]
}

export function targetResults(workloads: readonly WorkloadResult[]): TargetResult[] {
  return TARGETS.map(({ what, against, ours, theirs, ask, must, goal }) => {
    const mine = figureOf(workloads, ours)
    const others = theirs.flatMap((measured) => figureOf(workloads, measured) ?? [])
    const best = ask === 'at least' ? Math.max(...others) : Math.min(...others)
    const ratio = mine === null || others.length === 0 ? Number.NaN : mine / best
    const got = Number.isFinite(ratio) ? ratio : null
    return { what, against, ask, must, goal, got, verdict: verdictOf({ ask, must, goal }, got) }
  })
}

/** Empty if nothing was measured that a target speaks of. */
export function targetTable(workloads: readonly WorkloadResult[]): string {
  const measured = targetResults(workloads).filter(({ got }) => got !== null)
  if (measured.length === 0) return ''
  const rows = measured.map(({ what, against, ask, must, goal, got, verdict }) => [
    what,
    against,
    `${ask} ${ratio(must)}`,
    ratio(goal),
    got === null ? '' : ratio(got),
    verdict,
  ])
  return markdownTable(['Endmark', 'against', 'must', 'goal', 'got', ''], rows)
}

function figureOf(workloads: readonly WorkloadResult[], measured: Measured): number | null {
  const isIt = (row: ResultRow) => row.case === measured.case && row.store === measured.store
  const row = workloads.find(({ workload }) => workload === measured.workload)?.rows.find(isIt)
  return row?.figures[measured.figure] ?? null
}

function verdictOf(
  { ask, must, goal }: Pick<Target, 'ask' | 'must' | 'goal'>,
  got: number | null,
): TargetResult['verdict'] {
  if (got === null) return 'not measured'
  const reaches = (asked: number) => (ask === 'at least' ? got >= asked : got <= asked)
  if (reaches(goal)) return 'goal'
  return reaches(must) ? 'must' : 'missed'
}

function ratio(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} x`
}
