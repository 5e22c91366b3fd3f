/**
 * The sweeps find faults: each mutation of the engine makes one fail. What it said is printed; `docs/internals/testing.md` has the
 * table.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { testSeed } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { makeMutant } from './mutant.js'
import { SWEEP_MUTATIONS } from './sweep-mutations.js'

interface Found {
  readonly sweeps: number
  readonly error: string | null
}

const run = promisify(execFile)

for (const mutation of SWEEP_MUTATIONS) {
  const { foundBy } = mutation
  const what = foundBy === 'the power is cut' ? foundBy : `a call ${foundBy}`
  test.serial(`it is found where ${what} when ${mutation.title} (${mutation.invariant})`, async (t) => {
    const seed = testSeed()
    const main = makeMutant(temporaryFolder(t), mutation, 'sweep-main.js')
    const { stdout } = await run(process.execPath, [main, foundBy, String(seed)])
    const { sweeps, error } = JSON.parse(stdout) as Found
    t.log(`ENDMARK_TEST_SEED=${seed}: found in sweep ${sweeps}: ${error?.slice(0, 300)}`)
    t.not(error, null, `${sweeps} sweeps found nothing wrong`)
  })
}
