/**
 * Every call of a scripted workload on the system fails, once or from then on. What was acknowledged is there
 * afterwards, live and after a power loss; what was rejected is there as a whole or not at all, and not at all where the
 * engine could still say so (DUR-3). Nothing fails but with an error of ours. ENDMARK_TEST_FULL=1 tries every call.
 */
import test from 'ava'
import { EndmarkError } from '../../src/errors.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import type { SimulatedHook, SimulatedOperation, SimulatedStep } from '../../src/vfs/simulated-machine.js'
import { type Random, seededRandom } from '../support/random.js'
import { assertRecovers } from './crash-image.js'
import { contentsOf, openSimulated, startProcess } from './simulated-database.js'
import { STEPS, Worker } from './workload.js'

const STRIDE = process.env.ENDMARK_TEST_FULL === '1' ? 1 : 4
const DAMAGES = 3
const FAILING: readonly SimulatedOperation[] = [
  'open',
  'size',
  'read',
  'write',
  'datasync',
  'truncate',
  'map',
  'remove',
  'link',
  'syncDirectory',
]

interface Faults {
  /** Which call fails, counted from 1. */
  readonly nth: number
  readonly andLater: boolean
}

/** A hook that makes calls fail, and counts them. */
class Faulty {
  calls = 0
  /** The first call that failed. */
  failed: SimulatedStep | null = null
  readonly #faults: Faults
  readonly #random: Random

  constructor(faults: Faults, random: Random) {
    this.#faults = faults
    this.#random = random
  }

  readonly hook: SimulatedHook = (step) => {
    if (step.when === 'after' || !FAILING.includes(step.operation)) return undefined
    this.calls++
    const { nth, andLater } = this.#faults
    if (this.calls < nth || (this.calls > nth && !andLater)) return undefined
    this.failed ??= step
    if (step.operation !== 'write') return { code: 'EIO' }
    return { code: 'ENOSPC', writtenBytes: this.#random.below(step.length! + 1) }
  }
}

/** @returns whether the workload got as far as the call that was to fail */
async function failAt(faults: Faults, random: Random): Promise<boolean> {
  const disk = new SimulatedDisk()
  const vfs = startProcess(disk, random.next32())
  const faulty = new Faulty(faults, random)
  vfs.machine.hook = faulty.hook
  const worker = new Worker(vfs, 'full')
  for (const { title, run } of STEPS) {
    const before = worker.model.text()
    let error: unknown
    try {
      await run(worker)
    } catch (thrown) {
      error = thrown
    }
    if (faulty.failed === null) {
      if (error !== undefined) throw error
      continue
    }
    const { operation, path } = faulty.failed
    const at = `"${title}", ${operation} of ${path} ${faults.andLater ? 'and all after it' : `(call ${faults.nth})`} failing`
    if (error !== undefined && !(error instanceof EndmarkError)) {
      throw new Error(`${at}: ${error}`, { cause: error })
    }
    const after = worker.model.text()
    const allowed = error === undefined ? [after] : faults.andLater ? [before, after] : [before]
    await assertLeft({ disk, at, allowed, orAfterCrash: [...allowed, after] }, random)
    return true
  }
  return false
}

interface Left {
  readonly disk: SimulatedDisk
  readonly at: string
  /** What the next process may find. */
  readonly allowed: readonly string[]
  readonly orAfterCrash: readonly string[]
}

async function assertLeft({ disk, at, allowed, orAfterCrash }: Left, random: Random): Promise<void> {
  for (let i = 0; i < DAMAGES; i++) {
    await assertRecovers({ disk: disk.crash(random), at }, (contents) => orAfterCrash.includes(contents), random)
  }
  const vfs = startProcess(disk, random.next32())
  const db = openSimulated(vfs)
  const contents = await contentsOf(db)
  if (!allowed.includes(contents)) throw new Error(`${at}: another process finds\n${contents.slice(0, 2000)}`)
  await db.close()
}

for (const andLater of [false, true]) {
  test(`a call that fails ${andLater ? 'for ever' : 'once'} costs nothing that was acknowledged`, async (t) => {
    const random = seededRandom(t)
    let count = 0
    for (let nth = 1; await failAt({ nth, andLater }, random); nth += 1 + random.below(2 * STRIDE - 1)) count++
    t.log(`${count} fault points`)
    t.true(count > 15)
  })
}
