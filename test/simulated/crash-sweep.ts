/**
 * The power is cut before every call that changes the disk, and after every step, of a scripted workload. What each image may hold
 * is known from a model: in mode full all that was acknowledged, perhaps with the commit in flight; in mode normal the commits up to
 * some point, not before the last checkpoint.
 */
import type { Synchronous } from '../../src/units.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import type { SimulatedStep } from '../../src/vfs/simulated-machine.js'
import type { Random } from '../support/random.js'
import { CrashCollector, type CrashImage } from './crash-image.js'
import { PAGE_SIZE, PATH, startProcess } from './simulated-database.js'
import { STEPS, Worker } from './workload.js'

export interface CrashSweepOptions {
  readonly synchronous: Synchronous
  /** Images of each point. */
  readonly damages: number
}

export interface CrashSweepCounts {
  /** Moments at which the power was cut. */
  readonly points: number
  /** Spilled pages that were written over the frame they had. */
  readonly overwrites: number
}

/** @param visit gets each image, and whether it may hold these contents */
export async function crashSweep(
  random: Random,
  { synchronous, damages }: CrashSweepOptions,
  visit: (image: CrashImage, isAllowed: (contents: string) => boolean) => Promise<void>,
): Promise<CrashSweepCounts> {
  const disk = new SimulatedDisk()
  const vfs = startProcess(disk, random.next32())
  const collector = new CrashCollector(disk, random, damages)
  let overwrites = 0
  vfs.machine.hook = (step) => {
    if (isOverwrite(step)) overwrites++
    return collector.hook(step)
  }
  const worker = new Worker(vfs, synchronous)
  const history = ['']
  let durableFrom = 0
  for (const step of STEPS) {
    const before = history.length - 1
    await step.run(worker)
    collector.cut('after it')
    const after = worker.model.text()
    if (after !== history.at(-1)) history.push(after)
    const done = history.length - 1
    for (const image of collector.take()) {
      const isDone = image.at === 'after it'
      const first = synchronous === 'normal' ? durableFrom : isDone ? done : before
      const allowed = history.slice(isDone && step.isCheckpoint ? done : first)
      const named = { ...image, at: `in the step "${step.title}", ${image.at}` }
      await visit(named, (contents) => allowed.includes(contents))
    }
    if (step.isCheckpoint) durableFrom = done
  }
  return { points: collector.points, overwrites }
}

/** Of all writes to the log only this one is a page without the header of its frame. */
function isOverwrite({ when, operation, path, length }: SimulatedStep): boolean {
  return when === 'before' && operation === 'write' && path === `${PATH}-wal` && length === PAGE_SIZE
}
