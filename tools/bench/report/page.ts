/** The page of the benchmarks: what was measured where, what was asked and got, and a section for each workload. */
import type { FigureName } from '../figures.js'
import type { Machine, Results, WorkloadResult } from '../results.js'
import { type Plot, plotsOf } from './plots.js'
import { overviewTable, resultTable } from './tables.js'
import { targetTable } from './targets.js'

export interface Page {
  readonly markdown: string
  readonly plots: readonly Plot[]
}

/** Where the page expects its plots, from its own folder. */
export const PLOT_FOLDER = 'benchmarks'

/** What a workload is about, where that is not a rate. */
const OVERVIEW: Readonly<Record<string, FigureName>> = {
  'open-to-read': 'untilReadMs',
  memory: 'privateMb',
  'reader-latency': 'p99Ms',
  'checkpoint-commits': 'p999Ms',
  'event-loop-stall': 'stallP99Ms',
  'log-size': 'logMb',
  fairness: 'worstMs',
}

export function benchmarksPage(results: Results): Page {
  const plots = plotsOf(results.workloads)
  const sections = [
    introduction(results),
    targets(results.workloads),
    ...results.workloads.map((result) => section(result, plots)),
    missing(results),
  ]
  return { markdown: `${sections.filter((part) => part !== '').join('\n')}`, plots }
}

function introduction({ time, machine, versions, options }: Results): string {
  return `# Benchmarks

Endmark beside other embedded stores, all in one run, in turns; medians of ${String(options.rounds)} rounds. Figures of different runs, or of
different machines, do not compare. Do not edit this page: it is made by

    cd tools/bench && npm ci
    npm start -- all --json results.json
    npm run report -- results.json

How to read the figures, and how each store is set up, is told in [tools/bench](../tools/bench/README.md).

${machineText(machine)} Measured on ${time.slice(0, 10)}: ${versionText(versions)}.
`
}

function machineText({ node, platform, cores, memoryMb, fileSystem, syncMs }: Machine): string {
  const memory = (memoryMb / 1024).toFixed(0)
  return (
    `A machine with ${cores} cores and ${memory} GB of memory, ${platform}, Node ${node.replace(/^v/, '')}, ${fileSystem}; ` +
    `\`fdatasync\` of an overwritten page takes ${(syncMs * 1000).toFixed(0)} microseconds (median).`
  )
}

function versionText(versions: Results['versions']): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
}

function targets(workloads: readonly WorkloadResult[]): string {
  const table = targetTable(workloads)
  if (table === '') return ''
  return `## Asked and got

Ratios to the peer in the same run. \`must\` leaves a margin, \`goal\` is what prototypes over the same files reached, less what they left
out. Rates ask for at least a ratio, times for at most one.

${table}`
}

function section({ workload, title, about, rows }: WorkloadResult, plots: readonly Plot[]): string {
  const images = plots
    .filter((plot) => plot.workload === workload)
    .map((plot) => `![${plot.title}](${PLOT_FOLDER}/${plot.file})\n\n`)
  const overview = overviewTable(rows, OVERVIEW[workload] ?? 'perSecond')
  const table = resultTable(rows)
  const details =
    overview === '' ? table : `${overview}\n<details><summary>All figures</summary>\n\n${table}\n</details>\n`
  return `## ${title}\n\n${about}\n\n${images.join('')}${details}`
}

function missing({ absent, failures }: Results): string {
  const lines = [
    ...absent.map(({ store, reason }) => `- ${store}: ${reason}.`),
    ...failures.map(({ workload, message }) => `- The workload ${workload} failed: ${message.split('\n')[0]}`),
  ]
  return lines.length === 0 ? '' : `## Not measured\n\n${lines.join('\n')}\n`
}
