import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { integrityCheck } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'

const DEMO = fileURLToPath(new URL('../../tools/demo/main.js', import.meta.url))

async function runDemo(path: string, ...more: readonly string[]) {
  const options = ['--writers', '2', '--readers', '1', '--seconds', '2', '--json', '--path', path, ...more]
  const { stdout } = await promisify(execFile)(process.execPath, [DEMO, ...options])
  return { stdout, summary: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') }
}

test('the demo ends with a line of JSON, finds nothing wrong, and goes on with a file it has made', async (t) => {
  const path = join(temporaryFolder(t), 'cities.db')
  for (const run of ['first', 'second']) {
    const { stdout, summary } = await runDemo(path)
    t.is(/Loaded the data set/.test(stdout), run === 'first')
    t.like(summary, { path, cities: 135_233, inhabitants: 3_133_032_118, violations: 0, integrity: 'ok' })
    for (const count of ['commits', 'reads', 'scans']) t.true(summary[count] > 0, `${count}: ${summary[count]}`)
    for (const figure of ['checkpoints', 'stallMaxMs', 'stallP99Ms']) t.is(typeof summary[figure], 'number', figure)
    t.true(summary.stallMaxMs >= summary.stallP99Ms)
  }
})

test('a writer process commits for the writers of the demo, and leaves nothing but the database', async (t) => {
  const folder = temporaryFolder(t)
  const { stdout, summary } = await runDemo(join(folder, 'cities.db'))
  t.is(summary.mode, 'process')
  t.true(summary.writerProcessCommits > 0)
  t.true(summary.writerProcessBatches > 0)
  t.regex(stdout, /of them by the writer process in/)
  t.deepEqual(readdirSync(folder), ['cities.db'])
})

test('with --mode inline each writer of the demo commits by itself', async (t) => {
  const folder = temporaryFolder(t)
  const { summary } = await runDemo(join(folder, 'cities.db'), '--mode', 'inline')
  t.like(summary, { mode: 'inline', writerProcessCommits: null, writerProcessBatches: null, violations: 0 })
  t.true(summary.commits > 0)
})

/** A demo of ten minutes, and all that it has written so far; it ends with the test at the latest. */
function startDemo(t: ExecutionContext, path: string, mode: 'process' | 'inline') {
  const options = ['--writers', '1', '--readers', '1', '--seconds', '600', '--mode', mode, '--path', path]
  const child = spawn(process.execPath, [DEMO, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  }
  // The processes of the demo have its stdout and stderr: these are closed when the last of them has ended.
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  return { child, written, ended, startMs: performance.now() }
}

/** The lines of the live table below its titles, each as the texts of its cells. */
function tableLines(stdout: string): string[][] {
  const [, lines = ''] = / +commits\/s .*?\n(.*)/s.exec(stdout) ?? []
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => line.trim().split(/ +/))
}

// One after the other, so that the processes of each get their turn soon enough.
test.serial('the live table has a line each second, with what was done in it and where the log stands', async (t) => {
  const { child, written, ended, startMs } = startDemo(t, join(temporaryFolder(t), 'cities.db'), 'inline')
  const isBusy = ([commits, , , reads, sums]: readonly string[]) => ![commits, reads, sums].includes('0')
  await until(() => tableLines(written.stdout).some(isBusy), 'a line in which everything was done')
  const lines = tableLines(written.stdout)
  t.true(lines.length <= (performance.now() - startMs) / 1000)
  t.regex(written.stdout, / commits\/s .* reads\/s .* log frames backfilled read marks\n/)
  for (const line of lines) {
    const [commits, served, batches, reads, sums, stallMs, logFrames, backfilled, ...readMarks] = line
    for (const cell of [commits, reads, sums, stallMs, logFrames, backfilled])
      t.regex(cell!, /^[\d,]+$/, line.join(' '))
    t.deepEqual([served, batches], ['-', '-'])
    t.true(Number(backfilled!.replaceAll(',', '')) <= Number(logFrames!.replaceAll(',', '')))
    t.is(readMarks.length, 5)
    for (const mark of readMarks) t.regex(mark, /^(\d+|-)$/)
  }
  child.kill('SIGTERM')
  t.deepEqual(await ended, [143, null])
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test.serial(
    `a demo that is ended by ${signal} leaves no process and no message, and nothing but the database`,
    async (t) => {
      const folder = temporaryFolder(t)
      const { child, written, ended } = startDemo(t, join(folder, 'cities.db'), 'process')
      await until(() => tableLines(written.stdout).length > 0, 'a line of the table')
      child.kill(signal)
      t.deepEqual(await ended, signal === 'SIGTERM' ? [143, null] : [null, 'SIGKILL'])
      t.is(written.stderr, '')
      t.false(written.stdout.includes('SQLite says'))
      // Of two that close at the same moment each may leave the log to the other, with nobody to send them one after the other.
      const isLog = (name: string) => signal === 'SIGKILL' && /-(wal|shm)$/.test(name)
      t.deepEqual(
        readdirSync(folder).filter((name) => !isLog(name)),
        ['cities.db'],
      )
      t.is(await integrityCheck(t, join(folder, 'cities.db')), 'ok')
    },
  )
}

test('the demo says what is wrong with its options, and which there are', async (t) => {
  const wrong = [
    { given: '--writers=many', message: '--writers must be a whole number, not "many"' },
    { given: '--readers=-1', message: '--readers must be a whole number, not "-1"' },
    { given: '--seconds=', message: '--seconds must be a whole number, not ""' },
    { given: '--seconds=1e1', message: '--seconds must be a whole number, not "1e1"' },
    { given: '--seconds=0x2', message: '--seconds must be a whole number, not "0x2"' },
    { given: '--seconds=1.5', message: '--seconds must be a whole number, not "1.5"' },
    { given: '--mode=both', message: '--mode must be process or inline, not "both"' },
    { given: '--path=', message: '--path must name a file' },
    { given: '--fast', message: "Unknown option '--fast'" },
  ]
  for (const { given, message } of wrong) {
    const { code, stdout, stderr } = await failingDemo(given)
    t.deepEqual({ code, stdout }, { code: 2, stdout: '' }, given)
    t.true(stderr.startsWith(message), stderr)
    t.true(stderr.includes(`\n\nUsage: npm start -- [options]\n`), stderr)
    t.notRegex(stderr, STACK)
  }
})

test('the demo says in one line that a file is no database', async (t) => {
  const path = join(temporaryFolder(t), 'cities.txt')
  writeFileSync(path, 'Aachen, Aarhus, '.repeat(20))
  const { code, stderr } = await failingDemo(`--path=${path}`)
  t.is(code, 1)
  t.regex(stderr, /^.*cities\.txt is not a SQLite database.*\(ENDMARK_NOT_A_DATABASE\)\n$/)
})

const STACK = /^ +at /m

async function failingDemo(...options: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [DEMO, ...options]).then(
    () => Promise.reject(new Error('the demo has not failed')),
    (error) => error,
  )
}
