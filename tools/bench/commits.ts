/** Rounds of commits: client processes on one database, all working in the same time, and what they did together. */
import { type Agent, withAgents } from './agents.js'
import { alternate, type Bench, FULL_TEXT, makeDatabases, resultRow, served } from './bench.js'
import type { Contender } from './contenders.js'
import { type FigureName, type Figures, only } from './figures.js'
import { Latencies, type LatencyCounts } from './latencies.js'
import { memoryOfFamily } from './memory.js'
import type { OpenSettings } from './peers/peer.js'
import type { ResultRow } from './results.js'
import { sum } from './statistics.js'
import type { CommitLoop, CommitLoopResult } from './tasks/commit-loop.js'
import { sharedNow } from './tasks/timing.js'

export interface CommitCase {
  readonly case: string
  readonly processes: number
  readonly outstanding: number
  readonly inTurns?: boolean
  readonly settings?: Partial<OpenSettings>
}

export interface Whistle {
  readonly startTime: number
  readonly countFromTime: number
  readonly endTime: number
}

interface CommitRound {
  readonly figures: Figures
  readonly latencies: Latencies
  readonly ways: readonly string[]
}

/** Between the word to start and the start, so that it reaches everyone before, and keys can be made. */
const WHISTLE_MS = 150

export function whistle(warmUpSeconds: number, seconds: number): Whistle {
  const startTime = sharedNow() + WHISTLE_MS
  const countFromTime = startTime + warmUpSeconds * 1000
  return { startTime, countFromTime, endTime: countFromTime + seconds * 1000 }
}

export function clientsOf(
  { contender, path }: { readonly contender: Contender; readonly path: string },
  { processes, settings }: Pick<CommitCase, 'processes' | 'settings'>,
) {
  const start = { peer: contender.peer, path, settings: { ...FULL_TEXT, ...settings } }
  return Array.from({ length: processes }, () => start)
}

export const COMMIT_FIGURES: readonly FigureName[] = [
  'perSecond',
  'p50Ms',
  'p99Ms',
  'p999Ms',
  'worstMs',
  'busy',
  'privateMb',
]

/** The same case for all contenders that can do it, in turn. */
export async function commitCase(
  bench: Bench,
  commits: CommitCase,
  contenders: readonly Contender[],
  /** Which of a round's figures the workload is about. */
  figures: readonly FigureName[] = COMMIT_FIGURES,
): Promise<ResultRow[]> {
  const { rowCount } = bench.options
  await makeDatabases(bench, contenders, { rowCount })
  const name = (contender: Contender) => `${commits.case}: ${contender.name}`
  const rounds = await alternate(bench, contenders, name, (contender) => commitRound(bench, contender, commits))
  const rows: ResultRow[] = []
  for (const [contender, done] of rounds) {
    const data = await bench.databases.pathFor(contender, { rowCount })
    const { processes, outstanding } = commits
    const { synchronous } = { ...FULL_TEXT, ...commits.settings }
    const picked = done.map((round) => only(round.figures, figures))
    const row = { case: commits.case, contender, data, rowCount, rounds: picked, synchronous, processes, outstanding }
    rows.push(resultRow(row, { ...quantilesOf(done), ...noteOf(done) }))
  }
  return rows
}

async function commitRound(bench: Bench, contender: Contender, commits: CommitCase): Promise<CommitRound> {
  const { rowCount, warmUpSeconds, seconds } = bench.options
  const path = await bench.databases.pathFor(contender, { rowCount })
  const parameters = { rowCount, outstanding: commits.outstanding, inTurns: commits.inTurns ?? false }
  return served(contender, path, (writerPid) =>
    withAgents(clientsOf({ contender, path }, commits), (agents) =>
      commitTogether(agents, { ...parameters, ...whistle(warmUpSeconds, seconds) }, writerPid),
    ),
  )
}

async function commitTogether(
  agents: readonly Agent[],
  parameters: Omit<CommitLoop, 'seed'>,
  writerPid: number | null,
): Promise<CommitRound> {
  const results = await Promise.all(agents.map((agent, seed) => agent.run('commitLoop', { ...parameters, seed })))
  const writerMb = writerPid === null ? 0 : (memoryOfFamily(writerPid)?.privateMb ?? 0)
  return {
    figures: { ...commitFigures(results), privateMb: writerMb + sum(agents.map(({ memory }) => memory.privateMb)) },
    latencies: added(results.map(({ latencies }) => latencies)),
    ways: [...new Set(results.flatMap(({ way }) => way ?? []))],
  }
}

export function commitFigures(results: readonly CommitLoopResult[]): Figures {
  const worstOf = (field: 'stallP99Ms' | 'stallWorstMs') => Math.max(...results.map((result) => result[field]))
  return {
    perSecond: sum(results.map(({ commits, elapsedMs }) => (commits / elapsedMs) * 1000)),
    ...latencyFigures(results.map(({ latencies }) => latencies)),
    busy: sum(results.map(({ busy }) => busy)),
    stallP99Ms: worstOf('stallP99Ms'),
    stallWorstMs: worstOf('stallWorstMs'),
  }
}

export function latencyFigures(counts: readonly LatencyCounts[]): Figures {
  const latencies = added(counts)
  return {
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    p999Ms: latencies.quantile(0.999),
    worstMs: latencies.maxMs,
  }
}

function added(counts: readonly LatencyCounts[]): Latencies {
  const latencies = new Latencies()
  for (const count of counts) latencies.add(count)
  return latencies
}

function quantilesOf(rounds: readonly CommitRound[]): Pick<ResultRow, 'quantiles'> {
  return { quantiles: added(rounds.map(({ latencies }) => latencies.toCounts())).curve() }
}

function noteOf(rounds: readonly CommitRound[]): Pick<ResultRow, 'note'> {
  const ways = [...new Set(rounds.flatMap((round) => round.ways))].sort()
  return ways.length === 0 ? {} : { note: `committed ${ways.join(', ')}` }
}
