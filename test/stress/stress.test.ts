/** Short runs of the stress tool, as anybody would start them: processes are killed, and nothing is lost. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { commandFor, parseOptions } from '../../tools/stress/options.js'
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

/** Of a process that did not end with 0. */
interface Failure extends Error {
  readonly code: number
  readonly stderr: string
}

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

test('a run begins with all that it depends on, and with the command that repeats it', async (t) => {
  const given = ['--processes', '1', '--mode', 'process', '--kill-probability', '0', '--operations', '1']
  const { stdout } = await promisify(execFile)(process.execPath, [STRESS, '--replay', '7', ...given])
  const [first = '', second] = stdout.split('\n')
  t.regex(first, /^replay of seed 7, .*not those of the run before: 1 processes, process, kill probability 0, in /)
  t.is(second, `again: node dist/tools/stress/main.js --seed 7 ${given.join(' ')}`)
})

test('the command of a run says every option that decides something', (t) => {
  for (const given of [
    ['--seed', '3'],
    ['--replay', '3', '--sqlite', '--mode', 'process', '--operations', '9'],
    ['--seed', '3', '--processes', '2', '--kill-probability', '0.5', '--hours', '2', '--operations', '9'],
  ]) {
    const options = parseOptions(given)!
    const [, , ...again] = commandFor(options).split(' ')
    t.deepEqual(parseOptions(again), { ...options, replay: undefined })
  }
})

test('the stress tool says in one line what is wrong with its options', async (t) => {
  const folder = temporaryFolder(t)
  const missing = join(folder, 'missing.json')
  const foreign = join(folder, 'foreign.json')
  const noJson = join(folder, 'history.txt')
  writeFileSync(foreign, JSON.stringify({ summary: { options: { seed: 1 } } }))
  writeFileSync(noJson, 'seed 7')
  for (const [given, message] of [
    [['--mode', 'both'], /--mode must be process or inline, not "both"/],
    [['--seed', 'x'], /--seed must be a number from 0 to 4294967295, not "x"/],
    [['--kill-probability', '2'], /--kill-probability must be a number from 0 to 1, not "2"/],
    [['--processes', '1.5'], /--processes must be a whole number, not "1.5"/],
    [['--processes', '0'], /--processes must be a number from 1 to 64, not "0"/],
    [['--operations', '0'], /--operations must be a number from 1 to/],
    [['--seconds', '0'], /--seconds must be more than 0/],
    [['--sead', '1'], /--sead/],
    [['--replay', '5', '--seed', '1'], /--replay 5 says what --seed says as well: give one of them/],
    [['--replay', missing, '--processes', '2', '--sqlite'], /says what --processes, --sqlite says as well/],
    [['--replay', missing], /missing\.json: ENOENT: no such file/],
    [['--replay', folder], /EISDIR/],
    [['--replay', foreign], /foreign\.json: this is no seed, and the file is no history that a run has kept/],
    [['--replay', noJson], /history\.txt: this is no seed, and the file is no history/],
  ] as const) {
    const { code, stderr } = await t.throwsAsync<Failure>(promisify(execFile)(process.execPath, [STRESS, ...given]))
    t.is(code, 2, stderr)
    t.regex(stderr, message)
    t.is(stderr.trimEnd().split('\n').length, 1, stderr)
  }
})
