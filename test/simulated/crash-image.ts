/** Disks as power losses left them, and what must be true of each. */
import type { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { CHANGING_OPERATIONS, type SimulatedHook } from '../../src/vfs/simulated-machine.js'
import type { Random } from '../support/random.js'
import { contentsOf, openSimulated, startProcess } from './simulated-database.js'

export interface CrashImage {
  readonly disk: SimulatedDisk
  /** Where the power was cut, for the message of a failing test. */
  readonly at: string
}

/** Collects power losses before every call that changes the disk, several damages of each. */
export class CrashCollector {
  readonly #disk: SimulatedDisk
  readonly #random: Random
  readonly #damages: number
  #images: CrashImage[] = []
  /** Calls before which the power was cut. */
  points = 0

  constructor(disk: SimulatedDisk, random: Random, damages: number) {
    this.#disk = disk
    this.#random = random
    this.#damages = damages
  }

  readonly hook: SimulatedHook = ({ when, operation, path }) => {
    if (when === 'before' && CHANGING_OPERATIONS.includes(operation)) this.cut(`before ${operation} of ${path}`)
    return undefined
  }

  /** Cuts the power now. */
  cut(at: string): void {
    this.points++
    for (let i = 0; i < this.#damages; i++) this.#images.push({ disk: this.#disk.crash(this.#random), at })
  }

  take(): CrashImage[] {
    const images = this.#images
    this.#images = []
    return images
  }
}

/**
 * Opens the database that a power loss has left, and asserts that it holds one of the contents allowed and is whole; then
 * commits to it and asserts that this survives the next power loss.
 * @param hook sees every call of the recovery
 * @returns what it held
 */
export async function assertRecovers(
  { disk, at }: CrashImage,
  isAllowed: (contents: string) => boolean,
  random: Random,
  hook?: SimulatedHook,
): Promise<string> {
  const vfs = startProcess(disk, random.next32())
  if (hook !== undefined) vfs.machine.hook = hook
  const db = openSimulated(vfs)
  const contents = await contentsOf(db)
  if (!isAllowed(contents)) throw new Error(`power cut ${at}: the database holds\n${contents.slice(0, 2000)}`)
  const { findings } = await db.check()
  if (findings.length > 0) throw new Error(`power cut ${at}: ${JSON.stringify(findings)}`)
  const map = await db.map<string, string>('after', { key: 'text', value: 'text' })
  await map.put('after', 'the power loss')
  const expected = await contentsOf(db)
  const next = openSimulated(startProcess(disk.crash(random), random.next32()))
  const found = await contentsOf(next)
  if (found !== expected) throw new Error(`power cut ${at}: a commit after it was lost again:\n${found}`)
  await next.close()
  await db.close()
  return contents
}
