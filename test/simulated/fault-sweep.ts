/**
 * Every call of a scripted workload on the system fails, once or from then on. What was acknowledged is there
 * afterwards, for processes beside the one that failed, after its death, and after a power loss; what was rejected is there as a
 * whole or not at all, and not at all where the engine could still say so (DUR-3). Nothing fails but with an error of ours.
 */
import { EndmarkError } from '../../src/errors.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import type { SimulatedHook, SimulatedOperation, SimulatedStep } from '../../src/vfs/simulated-machine.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import type { Random } from '../support/random.js'
import { assertRecovers } from './crash-image.js'
import { contentsOf, openSimulated, startProcess } from './simulated-database.js'
import { STEPS, Worker } from './workload.js'

const DAMAGES = 3
/** All but `delay`, which cannot fail, and `unlock`, which the kernel does not refuse. */
const FAILING: readonly SimulatedOperation[] = [
  'open',
  'exists',
  'size',
  'read',
  'write',
  'datasync',
  'truncate',
  'tryLock',
  'map',
  'close',
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
    return { code: 'ENOSPC', writtenBytes: writtenOf(step.length!, this.#random) }
  }
}

/** Often all: a write that fails may have come to its end, and what is missing may have been there before. */
function writtenOf(length: number, random: Random): number {
  return random.below(2) === 0 ? length : random.below(length + 1)
}

export interface FaultSweepOptions {
  /** The call fails from then on, not once. */
  readonly andLater: boolean
  /** One call of so many fails, drawn at random; 1: every one. */
  readonly stride: number
}

/** @returns how many calls were made to fail, each in a run of its own. @throws what is wrong after one of them */
export async function faultSweep(random: Random, { andLater, stride }: FaultSweepOptions): Promise<number> {
  let count = 0
  for (let nth = 1; await failAt({ nth, andLater }, random); nth += 1 + random.below(2 * stride - 1)) count++
  return count
}

/** @returns whether the workload got as far as the call that was to fail */
async function failAt(faults: Faults, random: Random): Promise<boolean> {
  const disk = new SimulatedDisk()
  const vfs = startProcess(disk, random.next32())
  const faulty = new Faulty(faults, random)
  vfs.machine.hook = faulty.hook
  const worker = new Worker(vfs, 'full')
  for (const { title, run, readsAfterwards = false } of STEPS) {
    const before = worker.model.text()
    const error = await errorOf(run(worker))
    if (faulty.failed === null) {
      if (error !== undefined) throw error
      continue
    }
    const { operation, path } = faulty.failed
    const at = `"${title}", ${operation} of ${path} (call ${faults.nth}) ${faults.andLater ? 'and all after it ' : ''}failing`
    if (error !== undefined && !(error instanceof EndmarkError)) {
      throw new Error(`${at}: ${error}`, { cause: error })
    }
    const after = worker.model.text()
    // The call may be rejected for what it does once it has committed; or there was no way left to erase what failed.
    const mayBeThere = faults.andLater || (readsAfterwards && operation === 'tryLock')
    const allowed = error === undefined ? [after] : mayBeThere ? [before, after] : [before]
    await assertLeft({ vfs, at, allowed, orAfterCrash: [...allowed, after] }, random)
    return true
  }
  return false
}

async function errorOf(running: Promise<unknown>): Promise<unknown> {
  try {
    await running
    return undefined
  } catch (error) {
    return error
  }
}

interface Left {
  /** The process whose call failed. */
  readonly vfs: SimulatedVfs
  readonly at: string
  /** What the next process may find. */
  readonly allowed: readonly string[]
  readonly orAfterCrash: readonly string[]
}

async function assertLeft({ vfs, at, allowed, orAfterCrash }: Left, random: Random): Promise<void> {
  const { disk } = vfs.machine
  for (let i = 0; i < DAMAGES; i++) {
    await assertRecovers({ disk: disk.crash(random), at }, (contents) => orAfterCrash.includes(contents), random)
  }
  const find = async (who: string) => {
    const db = openSimulated(startProcess(disk, random.next32()))
    const contents = await contentsOf(db)
    if (!allowed.includes(contents)) throw new Error(`${at}: ${who} finds\n${contents.slice(0, 2000)}`)
    await db.close()
  }
  await find('a process beside it')
  // The next one is alone, and recovers: the log says what was committed, no longer the wal-index.
  vfs.kill()
  await find('a process after its death')
}
