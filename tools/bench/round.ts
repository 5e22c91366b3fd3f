/** One round: client processes on one database, all working in the same time, and what they did together. */
import { type ClientProcess, withClients } from './clients.js'
import { Latencies } from './latencies.js'
import type { ClientResult, ClientRun, ClientStart } from './messages.js'

export interface RoundFigures {
  readonly commitsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** The longest wait of any process. */
  readonly worstMs: number
  /** Commits that were told the database is busy. */
  readonly busy: number
  /** How the processes committed in the end, if the store has several ways. */
  readonly ways: readonly string[]
}

/** Between the word to start and the start, so that it reaches everyone before. */
const WHISTLE_MS = 50

export function runOf(warmUpSeconds: number, seconds: number, commitCountMax = Number.POSITIVE_INFINITY): ClientRun {
  const startTime = performance.timeOrigin + performance.now() + WHISTLE_MS
  const countFromTime = startTime + warmUpSeconds * 1000
  return { startTime, countFromTime, endTime: countFromTime + seconds * 1000, commitCountMax }
}

export function runRound(
  starts: readonly ClientStart[],
  warmUpSeconds: number,
  seconds: number,
): Promise<ClientResult[]> {
  return withClients(starts, (clients: readonly ClientProcess[]) => {
    const run = runOf(warmUpSeconds, seconds)
    return Promise.all(clients.map((client) => client.run(run)))
  })
}

export function figuresOf(results: readonly ClientResult[]): RoundFigures {
  const latencies = new Latencies()
  for (const result of results) latencies.add(result.latencies)
  return {
    commitsPerSecond: sum(results.map(({ commits, elapsedMs }) => (commits / elapsedMs) * 1000)),
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    p999Ms: latencies.quantile(0.999),
    worstMs: latencies.maxMs,
    busy: sum(results.map(({ busy }) => busy)),
    ways: waysOf(results.map(({ way }) => way ?? [])),
  }
}

/** Of several rounds: medians, but the worst wait of all and the sum of the busy answers. */
export function summaryOf(rounds: readonly RoundFigures[]): RoundFigures {
  const medianOf = (field: Exclude<keyof RoundFigures, 'ways'>) => median(rounds.map((round) => round[field]))
  return {
    commitsPerSecond: medianOf('commitsPerSecond'),
    p50Ms: medianOf('p50Ms'),
    p99Ms: medianOf('p99Ms'),
    p999Ms: medianOf('p999Ms'),
    worstMs: Math.max(...rounds.map(({ worstMs }) => worstMs)),
    busy: sum(rounds.map(({ busy }) => busy)),
    ways: waysOf(rounds.map(({ ways }) => ways)),
  }
}

function waysOf(ways: readonly (string | readonly string[])[]): string[] {
  return [...new Set(ways.flat())].sort()
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
