/** Short runs of the stress tool, as anybody would start them: processes are killed, and nothing is lost. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { StressSummary } from '../../tools/stress/summary.js'
import { seededRandom } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const STRESS = fileURLToPath(new URL('../../tools/stress/main.js', import.meta.url))
/** Of each run: so many operations, however busy the machine is, or so many seconds. */
const OPERATIONS = 500
const SECONDS = process.env.ENDMARK_STRESS_SECONDS
const LENGTH = SECONDS === undefined ? ['--operations', String(OPERATIONS)] : ['--seconds', SECONDS]
/** Far more than a run of that length takes on a busy machine. */
const RUN_MS_MAX = 180_000 + 2000 * Number(SECONDS ?? 0)

async function runStress(t: ExecutionContext<unknown>, ...more: readonly string[]): Promise<StressSummary> {
  t.timeout(RUN_MS_MAX)
  const options = [...LENGTH, '--seed', String(seededRandom(t).below(2 ** 32)), '--json', ...more]
  const child = promisify(execFile)(process.execPath, [STRESS, ...options])
  t.teardown(() => child.child.kill())
  const { stdout } = await child.catch((error: { stdout?: string }) => {
    throw new Error(`the stress tool failed: ${error.stdout}`)
  })
  const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as StressSummary
  const { commits, snapshots, workerKills, writerKills, foundCommits } = summary
  t.log(
    `${commits} commits, ${foundCommits} found later, ${snapshots} snapshots, ${workerKills} + ${writerKills} kills`,
  )
  t.like(summary, { violations: [], lost: 0, integrity: 'ok' })
  t.true(commits > OPERATIONS / 4 && snapshots > OPERATIONS / 10 && workerKills > 2, JSON.stringify(summary))
  t.true(summary.probe!.changes > 10 && summary.probe!.holds > 10, JSON.stringify(summary.probe))
  return summary
}

test.serial('no commit is lost when processes that commit by themselves are killed, SQLite among them', async (t) => {
  const folder = temporaryFolder(t)
  const { options } = await runStress(t, '--sqlite', '--kill-probability', '0.03', '--folder', folder)
  t.deepEqual(readdirSync(folder), [`stress-${options.seed}.db`])
})

test.serial('no commit is lost when the writer process is killed as well', async (t) => {
  const { writerKills } = await runStress(t, '--mode', 'process', '--sqlite', '--kill-probability', '0.03')
  t.true(writerKills > 0)
})

test('a history that was kept is judged again, and its run repeated', async (t) => {
  const folder = temporaryFolder(t)
  const options = {
    seconds: 1e9,
    operations: 60,
    seed: 7,
    processes: 1,
    sqlite: false,
    mode: 'inline',
    killProbability: 0,
  }
  const before = [{ version: 0, writer: '-' }]
  const history = {
    before,
    after: before,
    entries: [{ name: '0:1', begin: 1, end: 2, reads: [], writes: [{ key: 0, version: 1 }] }],
  }
  const file = join(folder, 'history-7.json')
  writeFileSync(file, JSON.stringify({ summary: { options, violations: ['lost commit: as it was told'] }, history }))
  const run = join(folder, 'run')
  const { stdout } = await promisify(execFile)(process.execPath, [STRESS, '--replay', file, '--folder', run])
  t.regex(stdout, /^then: lost commit: as it was told$/m)
  t.regex(stdout, /^in its history: lost commit: key 0 ends at version 0, 0:1 wrote version 1$/m)
  t.regex(stdout, /^seed 7: 1 processes, inline/m)
  t.true(existsSync(join(run, 'stress-7.db')))
  t.false(readFileSync(join(run, 'stress-7.db')).equals(Buffer.alloc(0)))
})

test('the stress tool says what is wrong with its options', async (t) => {
  for (const [given, message] of [
    [['--mode', 'both'], /--mode must be process or inline, not "both"/],
    [['--seed', 'x'], /--seed must be a number from 0 to 4294967295, not "x"/],
    [['--kill-probability', '2'], /--kill-probability must be a number from 0 to 1, not "2"/],
    [['--processes', '1.5'], /--processes must be a whole number, not "1.5"/],
  ] as const) {
    const error = await t.throwsAsync(promisify(execFile)(process.execPath, [STRESS, ...given]))
    t.regex(error.message, message)
  }
})
