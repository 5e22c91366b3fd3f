/** The benchmark: runs one workload, prints its figures as Markdown and writes them as JSON. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Databases } from './databases.js'
import { type BenchOptions, parseOptions, USAGE } from './options.js'
import { commitsReport, fairnessReport, ratiosOf } from './report.js'
import { durableCommits } from './workloads/durable-commits.js'
import { fairness } from './workloads/fairness.js'

const options = parseOptions(process.argv.slice(2))
if (options === undefined) process.stdout.write(USAGE)
else await runBenchmark(options)

async function runBenchmark(options: BenchOptions): Promise<void> {
  const databases = new Databases(options.folder, options.rowCount)
  try {
    const { figures, markdown } = await runWorkload(options, databases)
    process.stdout.write(`${markdown}\n`)
    const { contenders, ...given } = options
    const stores = contenders.map(({ name }) => name)
    const json = { time: new Date().toISOString(), machine: machine(), options: { ...given, stores }, ...figures }
    if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(json, null, 2)}\n`)
  } finally {
    databases.remove()
  }
}

async function runWorkload(options: BenchOptions, databases: Databases) {
  const progress = (text: string) => process.stderr.write(`${text}\n`)
  if (options.workload === 'fairness') {
    const results = await fairness(options, databases, progress)
    return { figures: { fairness: results }, markdown: fairnessReport(results) }
  }
  const cases = await durableCommits(options, databases, progress)
  return { figures: { cases, ratios: ratiosOf(cases) }, markdown: commitsReport(cases) }
}

function machine() {
  const [cpu] = cpus()
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpu?.model,
    cores: cpus().length,
  }
}
