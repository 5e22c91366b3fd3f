/** Profiles workloads of Endmark, one after the other, with one tool after the other. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { withCompanions } from './companions.js'
import { type ProfileOptions, parseOptions, USAGE } from './options.js'
import { createDatabase } from './rows.js'
import type { Tool } from './tools.js'
import type { Workload } from './workloads/index.js'

const RESULTS = join(import.meta.dirname, '../.profiles')
const SUBJECT = join(import.meta.dirname, 'subject.js')

const options = parseOptions(process.argv.slice(2))
if (options === undefined) process.stdout.write(USAGE)
else await profileAll(options)

async function profileAll(options: ProfileOptions): Promise<void> {
  const folder = mkdtempSync(join(options.folder, 'endmark-profile-'))
  try {
    const original = join(folder, 'original.db')
    await createDatabase(original, options.rowCount)
    for (const workload of options.workloads) {
      for (const tool of options.tools) {
        // Its own, since some of them change it.
        const path = join(mkdtempSync(join(folder, 'run-')), 'app.db')
        copyFileSync(original, path, constants.COPYFILE_FICLONE)
        await profile(workload, tool, path, options)
        rmSync(join(path, '..'), { recursive: true })
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function profile(workload: Workload, tool: Tool, path: string, options: ProfileOptions): Promise<void> {
  const results = join(RESULTS, workload.name, tool.name)
  rmSync(results, { recursive: true, force: true })
  mkdirSync(results, { recursive: true })
  process.stdout.write(`\n## ${workload.name}: ${tool.name}\n\n`)
  const { rowCount, seconds } = options
  const limits = [rowCount, seconds, tool.operationsMax].map(String)
  await withCompanions(workload.companions, path, rowCount, () =>
    runSubject([...tool.args(results), SUBJECT, workload.name, path, ...limits], results),
  )
  process.stdout.write(`${tool.summarize(results)}\n`)
}

async function runSubject(args: readonly string[], cwd: string): Promise<void> {
  // Or clinic asks whether it may send statistics about its use, and ends if nobody can answer.
  const env = { ...process.env, NO_INSIGHT: '1' }
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code, signal] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the profiled process has ended with ${signal ?? code}`)
}
