/** What is measured: each figure's name, how rounds become one, and how it is shown. */
import { median, sum } from './statistics.js'

interface Figure {
  readonly title: string
  /** Several rounds as one: mostly their median, but the worst wait is that of any round, and what is counted is added up. */
  readonly combine: (values: readonly number[]) => number
  readonly format: (value: number) => string
}

const worst = (values: readonly number[]) => Math.max(...values)

export const FIGURES = {
  perSecond: { title: 'per second', combine: median, format: formatCount },
  p50Ms: { title: 'p50 ms', combine: median, format: formatMs },
  p99Ms: { title: 'p99 ms', combine: median, format: formatMs },
  p999Ms: { title: 'p99.9 ms', combine: median, format: formatMs },
  worstMs: { title: 'worst ms', combine: worst, format: formatMs },
  busy: { title: 'busy', combine: sum, format: formatCount },
  stallP99Ms: { title: 'stall p99 ms', combine: median, format: formatMs },
  stallWorstMs: { title: 'stall worst ms', combine: worst, format: formatMs },
  committedPerSecond: { title: 'commits per second', combine: median, format: formatCount },
  loadSeconds: { title: 'until committed s', combine: median, format: formatSeconds },
  closedSeconds: { title: 'until closed s', combine: median, format: formatSeconds },
  importMs: { title: 'import ms', combine: median, format: formatMs },
  openMs: { title: 'open ms', combine: median, format: formatMs },
  firstReadMs: { title: 'first read ms', combine: median, format: formatMs },
  untilReadMs: { title: 'import to first read ms', combine: median, format: formatMs },
  logMb: { title: 'longest log MB', combine: worst, format: formatMb },
  shortAgainSeconds: { title: 'until short again s', combine: median, format: formatSeconds },
  expired: { title: 'snapshots ended', combine: sum, format: formatCount },
  privateMb: { title: 'private MB', combine: median, format: formatMb },
  mappedMb: { title: 'mapped MB', combine: median, format: formatMb },
} as const satisfies Readonly<Record<string, Figure>>

export type FigureName = keyof typeof FIGURES
export type Figures = Readonly<Partial<Record<FigureName, number>>>

export const FIGURE_NAMES = Object.keys(FIGURES) as readonly FigureName[]

/** @param rounds at least one, all with the same figures */
export function combineRounds(rounds: readonly Figures[]): Figures {
  const names = FIGURE_NAMES.filter((name) => rounds[0]?.[name] !== undefined)
  return Object.fromEntries(names.map((name) => [name, FIGURES[name].combine(rounds.map((round) => round[name]!))]))
}

export function only(figures: Figures, names: readonly FigureName[]): Figures {
  return Object.fromEntries(names.flatMap((name) => (figures[name] === undefined ? [] : [[name, figures[name]]])))
}

function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function formatMs(value: number): string {
  if (value < 0.1) return value.toFixed(4)
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}

function formatSeconds(value: number): string {
  return value.toFixed(2)
}

function formatMb(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0)
}
