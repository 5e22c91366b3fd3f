/** Figures as Markdown tables. */
import { isOurs } from './contenders.js'
import type { CaseFigures, ContenderFigures } from './workloads/durable-commits.js'
import type { FairnessFigures } from './workloads/fairness.js'

export function commitsReport(cases: readonly CaseFigures[]): string {
  const rows = cases.flatMap(({ case: name, contenders }) =>
    contenders.map((figures) => [
      name,
      figures.name,
      count(figures.commitsPerSecond),
      ms(figures.p50Ms),
      ms(figures.p99Ms),
      ms(figures.p999Ms),
      ms(figures.worstMs),
      count(figures.busy),
      figures.ways.join(', '),
    ]),
  )
  const titles = ['case', 'store', 'commits/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'worst ms', 'busy', 'committed']
  return `${table(titles, rows)}\n${ratiosReport(cases)}`
}

export interface Ratio {
  readonly case: string
  readonly ours: string
  readonly peer: string
  /** Commits per second of ours / of the peer. */
  readonly rate: number
  /** Worst wait of the peer / of ours. */
  readonly worstWait: number
}

export function ratiosOf(cases: readonly CaseFigures[]): Ratio[] {
  return cases.flatMap(({ case: name, contenders }) => {
    const peers = contenders.filter((contender) => !isOurs(contender))
    return contenders.filter(isOurs).flatMap((ours) => peers.map((peer) => ratio(name, ours, peer)))
  })
}

function ratio(name: string, ours: ContenderFigures, peer: ContenderFigures): Ratio {
  return {
    case: name,
    ours: ours.name,
    peer: peer.name,
    rate: ours.commitsPerSecond / peer.commitsPerSecond,
    worstWait: peer.worstMs / ours.worstMs,
  }
}

function ratiosReport(cases: readonly CaseFigures[]): string {
  const rows = ratiosOf(cases).map(({ case: name, ours, peer, rate, worstWait }) => [
    name,
    `${ours} : ${peer}`,
    times(rate),
    times(worstWait),
  ])
  return rows.length === 0 ? '' : table(['case', 'compared', 'commits/s', 'worst wait, shorter'], rows)
}

export function fairnessReport(figures: readonly FairnessFigures[]): string {
  const rows = figures.map(({ beside, sqlite, endmark }) => [
    beside,
    count(sqlite.commits),
    count(sqlite.busy),
    count(sqlite.commitsPerSecond),
    ms(sqlite.p50Ms),
    ms(sqlite.worstMs),
    count(endmark.commitsPerSecond),
    ms(endmark.worstMs),
  ])
  const titles = [
    'SQLite beside',
    'commits',
    'busy',
    'commits/s',
    'p50 ms',
    'worst ms',
    'Endmark commits/s',
    'worst ms',
  ]
  return table(titles, rows)
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, titles.map((_, column) => (column < 2 ? '---' : '---:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}

function times(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} x`
}
