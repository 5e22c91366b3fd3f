/**
 * Makes docs/benchmarks.md and its plots from the results of one or more runs:
 *
 *     npm run report -- results.json [more.json …] [--docs FOLDER]
 *
 * Of a workload that several files have, the last one counts.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchmarksPage, PLOT_FOLDER } from './report/page.js'
import { mergeResults, type Results } from './results.js'

const DOCS_FOLDER = resolve(import.meta.dirname, '../../../docs')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { docs: { type: 'string', default: DOCS_FOLDER } },
})
if (positionals.length === 0) throw new Error('usage: npm run report -- results.json [more.json …] [--docs FOLDER]')

const results = mergeResults(positionals.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results))
const { markdown, plots } = benchmarksPage(results)
mkdirSync(join(values.docs, PLOT_FOLDER), { recursive: true })
for (const { file, svg } of plots) writeFileSync(join(values.docs, PLOT_FOLDER, file), svg)
writeFileSync(join(values.docs, 'benchmarks.md'), markdown)
process.stdout.write(`${join(values.docs, 'benchmarks.md')}, ${plots.length} plots\n`)
