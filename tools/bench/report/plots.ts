/** Which figures are drawn, by the file that the plot gets. */
import type { ResultRow, WorkloadResult } from '../results.js'
import { type Line, type LinePlot, linePlot } from './line-plot.js'

export interface Plot {
  /** It belongs to its section. */
  readonly workload: string
  readonly file: string
  readonly title: string
  readonly svg: string
}

const PLOTTED_OUTSTANDING = 64
const PLOTTED_CASE = '4 x 64'

export function plotsOf(workloads: readonly WorkloadResult[]): Plot[] {
  return workloads.flatMap((result) => (DRAWERS[result.workload] ?? []).flatMap((draw) => draw(result)))
}

type Drawer = (result: WorkloadResult) => Plot[]

const DRAWERS: Readonly<Record<string, readonly Drawer[]>> = {
  commits: [throughput, latencies],
  'log-growth': [(result) => readCost(result, 'log-growth', 'frames in the log')],
  'database-growth': [(result) => readCost(result, 'database-growth', 'rows')],
  'log-size': [logSize],
}

function throughput({ rows }: WorkloadResult): Plot[] {
  const shown = rows.filter(({ conditions }) => conditions.outstanding === PLOTTED_OUTSTANDING)
  const processes = [...new Set(shown.map(({ conditions }) => conditions.processes))].sort((a, b) => a - b)
  return plot('commits', 'throughput', {
    title: `Durable commits per second, ${PLOTTED_OUTSTANDING} outstanding in each process`,
    x: { label: 'processes', scale: 'log', ticks: processes.map((value) => ({ value, label: String(value) })) },
    y: { label: 'commits per second', scale: 'log' },
    lines: linesOf(shown, ({ conditions, figures }) => [conditions.processes, figures.perSecond ?? 0]),
  })
}

/** Towards the slow end each step to the right leaves a tenth of the calls. */
function latencies({ rows }: WorkloadResult): Plot[] {
  const shown = rows.filter((row) => row.case === PLOTTED_CASE)
  const lines = shown.map(({ store, quantiles = [] }) => ({
    name: store,
    points: quantiles.map(([share, ms]) => [1 / (1 - share), ms] as const).filter(([, ms]) => ms > 0),
  }))
  const ticks = ['0', '50', '90', '99', '99.9', '99.99'].map((label) => ({ value: 100 / (100 - Number(label)), label }))
  return plot('commits', 'latencies', {
    title: `Waits for a durable commit, ${PLOTTED_CASE} (processes x outstanding)`,
    x: { label: '% of the commits took no longer', scale: 'log', ticks },
    y: { label: 'ms', scale: 'log' },
    lines,
    dots: false,
  })
}

function readCost({ rows }: WorkloadResult, name: string, label: string): Plot[] {
  const ticks = [...new Set(rows.flatMap(({ x }) => x ?? []))].map((value) => ({
    value,
    label: value.toLocaleString('en-US'),
  }))
  return plot(name, name, {
    title: 'Time of a point read',
    x: { label, scale: 'log', ticks },
    y: { label: 'microseconds', scale: 'linear' },
    lines: linesOf(rows, ({ x = 0, figures }) => [x, 1e6 / (figures.perSecond ?? 0)]),
  })
}

function logSize({ series = [] }: WorkloadResult): Plot[] {
  return plot('log-size', 'log-size', {
    title: 'Length of the log while one reader holds a snapshot',
    x: { label: 'seconds', scale: 'linear' },
    y: { label: 'MB', scale: 'linear' },
    lines: series,
    dots: false,
  })
}

/** One line for each store; points without a figure are left out. */
function linesOf(rows: readonly ResultRow[], pointOf: (row: ResultRow) => readonly [number, number]): Line[] {
  const lines = new Map<string, (readonly [number, number])[]>()
  for (const row of rows) {
    const point = pointOf(row)
    if (point.every((value) => value > 0 && Number.isFinite(value))) {
      lines.set(row.store, [...(lines.get(row.store) ?? []), point])
    }
  }
  return [...lines].map(([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }))
}

/** None if nothing was measured that it would show. */
function plot(workload: string, name: string, given: LinePlot): Plot[] {
  const lines = given.lines.filter(({ points }) => points.length > 0)
  if (lines.length === 0) return []
  return [{ workload, file: `${name}.svg`, title: given.title, svg: linePlot({ ...given, lines }) }]
}
