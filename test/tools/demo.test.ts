import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { temporaryFolder } from '../support/temporary-folder.js'

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

test('the demo says what is wrong with its options', async (t) => {
  const wrong = [
    { given: ['--writers', 'many'], message: /--writers must be a whole number, not "many"/ },
    { given: ['--mode', 'both'], message: /--mode must be process or inline, not "both"/ },
  ]
  for (const { given, message } of wrong) {
    const error = await t.throwsAsync(promisify(execFile)(process.execPath, [DEMO, ...given]))
    t.regex(error.message, message)
  }
})
