/**
 * The tests find faults: each mutation of the engine makes a schedule fail within a bounded number of runs, or the test that
 * is named with it. Which seed did it is printed; `docs/testing.md` has the table. ENDMARK_TEST_FULL=1 tries those as
 * well that take many runs, and longer.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { testSeed } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { makeMutant } from './mutant.js'
import { MUTATIONS } from './mutations.js'
import { LOSS } from './schedule.js'

const IS_FULL = process.env.ENDMARK_TEST_FULL === '1'
const RUNS_MAX = IS_FULL ? 5000 : 400

interface Found {
  readonly runs: number
  readonly seed: number
  readonly error: string
}

const run = promisify(execFile)

/** @returns what a mutant prints, which must fail */
async function outputOf(t: ExecutionContext, folder: string, parameters: readonly string[]): Promise<string> {
  const failure = await t.throwsAsync(
    run(process.execPath, parameters, { cwd: folder }),
    { code: 1 },
    'nothing was found',
  )
  return (failure as unknown as { readonly stdout: string }).stdout
}

for (const mutation of MUTATIONS.filter(({ isRare = false }) => IS_FULL || !isRare)) {
  const { title, invariant, options = {}, unitTest } = mutation

  test.serial(`it is found when ${title} (${invariant})`, async (t) => {
    const folder = temporaryFolder(t)
    const main = makeMutant(folder, mutation)
    if (unitTest !== undefined) {
      const parameters = ['--tap', '--match', unitTest.title, unitTest.file.replace(/ts$/, 'js')]
      const report = await outputOf(t, folder, ['node_modules/ava/entrypoints/cli.mjs', ...parameters])
      t.true(report.includes(`not ok 1 - ${unitTest.title}\n`), report)
      t.regex(report, /^# tests 1$/m, 'it has run, and nothing else')
      return
    }
    const first = testSeed()
    const output = await outputOf(t, folder, [main, `${first}`, `${RUNS_MAX}`, JSON.stringify(options)])
    const { runs, seed, error } = JSON.parse(output) as Found
    t.log(`ENDMARK_TEST_SEED=${seed}: found in run ${runs}: ${error}`)
    if (options.losses === true) t.regex(error, LOSS)
  })
}
