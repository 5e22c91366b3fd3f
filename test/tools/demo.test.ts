import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { temporaryFolder } from '../support/temporary-folder.js'

const DEMO = fileURLToPath(new URL('../../tools/demo/main.js', import.meta.url))

test('the demo ends with a line of JSON, finds nothing wrong, and goes on with a file it has made', async (t) => {
  const path = join(temporaryFolder(t), 'cities.db')
  const options = ['--writers', '1', '--readers', '1', '--seconds', '2', '--json', '--path', path]
  for (const run of ['first', 'second']) {
    const { stdout } = await promisify(execFile)(process.execPath, [DEMO, ...options])
    t.is(/Loaded the data set/.test(stdout), run === 'first')
    const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
    t.like(summary, { path, cities: 135_233, inhabitants: 3_133_032_118, violations: 0, integrity: 'ok' })
    for (const count of ['commits', 'reads', 'scans']) t.true(summary[count] > 0, `${count}: ${summary[count]}`)
    for (const figure of ['checkpoints', 'stallMaxMs', 'stallP99Ms']) t.is(typeof summary[figure], 'number', figure)
    t.true(summary.stallMaxMs >= summary.stallP99Ms)
  }
})

test('the demo says what is wrong with its options', async (t) => {
  const error = await t.throwsAsync(promisify(execFile)(process.execPath, [DEMO, '--writers', 'many']))
  t.regex(error.message, /--writers must be a whole number, not "many"/)
})
