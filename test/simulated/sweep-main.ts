/**
 * Sweeps until the first thing that is wrong: `sweep-main.js <kind of sweep> <seed>`. Prints what that was, and in which sweep, as
 * JSON.
 */
import { Random } from '../support/random.js'
import { assertRecovers } from './crash-image.js'
import { crashSweep } from './crash-sweep.js'
import { faultSweep, TROUBLES } from './fault-sweep.js'

/** Several sweeps with one damage of each point find sooner what one with several finds. */
const SWEEPS_MAX = 5

async function crash(random: Random): Promise<void> {
  for (const synchronous of ['full', 'normal'] as const) {
    await crashSweep(random, { synchronous, damages: 1 }, async (image, isAllowed) => {
      await assertRecovers(image, isAllowed, random)
    })
  }
}

const [kind, seed] = process.argv.slice(2)
const trouble = TROUBLES.find((one) => one === kind)
const random = new Random(Number(seed))
let sweeps = 0
let error: string | null = null
while (error === null && sweeps < SWEEPS_MAX) {
  sweeps++
  try {
    if (trouble === undefined) await crash(random)
    else await faultSweep(random, { trouble, stride: 1 })
  } catch (thrown) {
    error = String(thrown)
  }
}
process.stdout.write(JSON.stringify({ sweeps, error }))
