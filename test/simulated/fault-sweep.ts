/**
 * Every call of a scripted workload on the system fails, once or from then on, or is the last before the process is killed. What was
 * acknowledged is there afterwards, for processes beside the one that failed, after its death, and after a power loss; what was
 * rejected is there as a whole or not at all, and not at all where the engine could still say so (DUR-3). Nothing fails but with an
 * error of ours. What a recovery has shown is there after the next power loss (WAL-8).
 */
import { EndmarkError } from '../../src/errors.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import {
  CHANGING_OPERATIONS,
  ProcessKilled,
  type SimulatedHook,
  type SimulatedOperation,
  type SimulatedStep,
} from '../../src/vfs/simulated-machine.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import type { Random } from '../support/random.js'
import { assertRecovers } from './crash-image.js'
import { contentsOf, openSimulated, startProcess } from './simulated-database.js'
import { STEPS, type Step, Worker } from './workload.js'

const DAMAGES = 3
/** All but `delay`, which cannot fail. */
const FAILING: readonly SimulatedOperation[] = [
  'open',
  'exists',
  'size',
  'read',
  'write',
  'datasync',
  'truncate',
  'tryLock',
  'unlock',
  'map',
  'close',
  'remove',
  'link',
  'syncDirectory',
]

/** What becomes of a call: the process dies before it, it fails, or it and all later ones fail. */
export const TROUBLES = ['is cut short by a kill', 'fails once', 'fails for ever'] as const
export type Trouble = (typeof TROUBLES)[number]

interface Fault {
  readonly trouble: Trouble
  /** Of which call, counted from 1. */
  readonly nth: number
}

/** A hook that makes trouble, and counts the calls. */
class Faulty {
  calls = 0
  /** The first call in trouble. */
  failed: SimulatedStep | null = null
  /** A lock could not be given up: others have to wait until the process ends. */
  keepsLock = false
  readonly #fault: Fault
  readonly #random: Random

  constructor(fault: Fault, random: Random) {
    this.#fault = fault
    this.#random = random
  }

  readonly hook: SimulatedHook = (step) => {
    const { trouble, nth } = this.#fault
    const operations = trouble === 'is cut short by a kill' ? CHANGING_OPERATIONS : FAILING
    if (step.when === 'after' || !operations.includes(step.operation)) return undefined
    this.calls++
    if (this.calls < nth || (this.calls > nth && trouble === 'fails once')) return undefined
    this.failed ??= step
    if (step.operation === 'unlock') this.keepsLock = true
    if (trouble === 'is cut short by a kill') {
      step.process.kill()
      return undefined
    }
    if (step.operation !== 'write') return { code: 'EIO' }
    return { code: 'ENOSPC', writtenBytes: writtenOf(step.length!, this.#random) }
  }
}

/** Often all: a write that fails may have come to its end, and what is missing may have been there before. */
function writtenOf(length: number, random: Random): number {
  return random.below(2) === 0 ? length : random.below(length + 1)
}

export interface FaultSweepOptions {
  readonly trouble: Trouble
  /** It befalls one call of so many, drawn at random; 1: every one. */
  readonly stride: number
}

/** @returns how many calls were in trouble, each in a run of its own. @throws what is wrong after one of them */
export async function faultSweep(random: Random, { trouble, stride }: FaultSweepOptions): Promise<number> {
  let count = 0
  for (let nth = 1; await failAt({ trouble, nth }, random); nth += 1 + random.below(2 * stride - 1)) count++
  return count
}

/** @returns whether the workload got as far as the call that was to fail */
async function failAt(fault: Fault, random: Random): Promise<boolean> {
  const vfs = startProcess(new SimulatedDisk(), random.next32())
  const faulty = new Faulty(fault, random)
  vfs.machine.hook = faulty.hook
  const worker = new Worker(vfs, 'full')
  for (const step of STEPS) {
    const before = worker.model.text()
    const error = await errorOf(step.run(worker))
    const { failed } = faulty
    if (failed === null) {
      if (error !== undefined) throw error
      continue
    }
    const at = `"${step.title}", where ${failed.operation} of ${failed.path} (call ${fault.nth}) ${fault.trouble}`
    if (error !== undefined && !(error instanceof EndmarkError || error instanceof ProcessKilled)) {
      throw new Error(`${at}: ${error}`, { cause: error })
    }
    const after = worker.model.text()
    const rejected = isInDoubt(fault, step, failed) ? [before, after] : [before]
    const allowed = error === undefined ? [after] : rejected
    const isShownForGood = fault.trouble === 'is cut short by a kill'
    await assertLeft(
      { vfs, at, allowed, orAfterCrash: [...allowed, after], isShownForGood, keepsLock: faulty.keepsLock },
      random,
    )
    return true
  }
  return false
}

/** Whether a step that was rejected may have committed all the same. */
function isInDoubt({ trouble }: Fault, { readsAfterwards = false }: Step, { operation }: SimulatedStep): boolean {
  // There was no way left to erase what failed, or it failed in what comes after the commit.
  return trouble !== 'fails once' || (readsAfterwards && operation === 'tryLock')
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
  /** No sync has failed: what a recovery shows is durable, and what it does not show is gone. */
  readonly isShownForGood: boolean
  readonly keepsLock: boolean
}

async function assertLeft(left: Left, random: Random): Promise<void> {
  const { vfs, at, allowed, orAfterCrash, isShownForGood, keepsLock } = left
  const { disk } = vfs.machine
  for (let i = 0; i < DAMAGES; i++) {
    await assertRecovers({ disk: disk.crash(random), at }, (contents) => orAfterCrash.includes(contents), random)
  }
  if (!vfs.isKilled) {
    const error = await errorOf(lookBeside(left, random))
    if (error !== undefined && !(keepsLock && error instanceof EndmarkError && error.code === 'ENDMARK_BUSY'))
      throw error
    vfs.kill()
  }
  // The next one is alone, and recovers: the log says what was committed, no longer the wal-index.
  const next = openSimulated(startProcess(disk, random.next32()))
  const found = await contentsOf(next)
  assertHolds(allowed, found, `${at}: a process after its death`)
  const last = openSimulated(startProcess(disk.crash(random), random.next32()))
  const lasting = isShownForGood ? [found] : orAfterCrash
  assertHolds(lasting, await contentsOf(last), `${at}: who comes after a recovery and a power loss`)
  await next.close()
}

async function lookBeside({ vfs, at, allowed }: Left, random: Random): Promise<void> {
  const beside = openSimulated(startProcess(vfs.machine.disk, random.next32()))
  assertHolds(allowed, await contentsOf(beside), `${at}: a process beside it`)
  await beside.close()
}

function assertHolds(allowed: readonly string[], contents: string, who: string): void {
  if (!allowed.includes(contents)) throw new Error(`${who} finds\n${contents.slice(0, 2000)}`)
}
