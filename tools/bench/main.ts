/** The benchmark: runs workloads, prints their figures as Markdown and writes them as JSON. */
import { writeFileSync } from 'node:fs'
import type { Bench } from './bench.js'
import { presentOf } from './contenders.js'
import { Databases } from './databases.js'
import { describeMachine } from './machine.js'
import { type BenchOptions, parseOptions, USAGE } from './options.js'
import { resultTable } from './report/tables.js'
import { targetTable } from './report/targets.js'
import type { Failure, Results, WorkloadResult } from './results.js'
import { versionsOf } from './versions.js'

const options = parseOptions(process.argv.slice(2))
if (options === undefined) process.stdout.write(USAGE)
else process.exitCode = await runBenchmark(options)

async function runBenchmark(options: BenchOptions): Promise<number> {
  const { present, absent } = await presentOf(options.contenders)
  for (const { store, reason } of absent) progress(`without ${store}: ${reason}`)
  const databases = new Databases(options.folder)
  const { workloads, contenders, jsonFile, ...given } = options
  const results: Results & { readonly workloads: WorkloadResult[]; readonly failures: Failure[] } = {
    time: new Date().toISOString(),
    machine: describeMachine(options.folder),
    options: { ...withoutFolder(given), stores: present.map(({ name }) => name) },
    versions: versionsOf(present),
    absent,
    workloads: [],
    failures: [],
  }
  const removeAndEnd = () => {
    databases.removeAll()
    process.exit(1)
  }
  process.once('SIGINT', removeAndEnd).once('SIGTERM', removeAndEnd)
  try {
    for (const workload of workloads) {
      await runWorkload({ options, contenders: present, databases, progress }, workload, results)
      // After each, so that nothing is lost of a run that is stopped.
      if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(results, null, 2)}\n`)
    }
  } finally {
    databases.removeAll()
  }
  process.stdout.write(targetTable(results.workloads))
  return results.failures.length === 0 ? 0 : 1
}

/** One that fails does not keep the others from being run. */
async function runWorkload(
  bench: Bench,
  workload: BenchOptions['workloads'][number],
  results: { readonly workloads: WorkloadResult[]; readonly failures: Failure[] },
): Promise<void> {
  const { name, title, about } = workload
  const begun = performance.now()
  try {
    const result = { workload: name, title, about, ...(await workload.run(bench)) }
    results.workloads.push(result)
    process.stdout.write(`## ${title}\n\n${resultTable(result.rows)}\n`)
  } catch (error) {
    // Where it happened is for whoever runs this; results may be published.
    const message = error instanceof Error ? error.message : String(error)
    results.failures.push({ workload: name, message: message.split('\n')[0] ?? '' })
    progress(`${name} has failed: ${error instanceof Error ? error.stack : message}`)
  }
  progress(`${name} took ${((performance.now() - begun) / 1000).toFixed(1)} s`)
}

function withoutFolder({ folder, ...others }: Omit<BenchOptions, 'workloads' | 'contenders' | 'jsonFile'>) {
  return others
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}
