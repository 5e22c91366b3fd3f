/**
 * The schedules find faults: each mutation of the engine makes one fail within a bounded number of runs. Which seed did
 * it is printed; `docs/internals/testing.md` has the table. ENDMARK_TEST_FULL=1 tries those as well that take many
 * runs, and longer.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { testSeed } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { makeMutant } from './mutant.js'
import { MUTATIONS } from './mutations.js'

const IS_FULL = process.env.ENDMARK_TEST_FULL === '1'
const RUNS_MAX = IS_FULL ? 5000 : 400

interface Found {
  readonly runs: number
  readonly seed: number | null
  readonly error: string | null
}

const run = promisify(execFile)

for (const mutation of MUTATIONS.filter(({ isRare = false }) => IS_FULL || !isRare)) {
  test.serial(`it is found when ${mutation.title} (${mutation.invariant})`, async (t) => {
    const first = testSeed()
    const main = makeMutant(temporaryFolder(t), mutation)
    const options = JSON.stringify(mutation.options ?? {})
    const { stdout } = await run(process.execPath, [main, String(first), String(RUNS_MAX), options])
    const { runs, seed, error } = JSON.parse(stdout) as Found
    t.log(`ENDMARK_TEST_SEED=${seed ?? first}: found in run ${runs}: ${error}`)
    t.not(error, null, `${runs} runs found nothing wrong`)
  })
}
