/**
 * An in-memory disk: names, the files under them, and what of both is durable. Contents and length of a file become
 * durable by a sync of that file, a name that was made or removed by a sync of its folder, and neither by the other.
 *
 * `crash` gives the disk as a power loss leaves it and leaves this one alone, so that many damages of one moment can be
 * tried: each file and the folders keep nothing of what was not synced, all of it, or any part in any order, torn at
 * sectors; a file that was cut, all of the cut or nothing. Locks and open files are gone then.
 */
import { type Kept, type RandomNumbers, SimulatedDurable } from './simulated-durable.js'
import type { SimulatedInode } from './simulated-inode.js'

const KEPT: readonly Kept[] = ['nothing', 'everything', 'some', 'some']

export class SimulatedDisk {
  readonly #names = new Map<string, SimulatedDurable<SimulatedInode | null>>()
  #moment = 0

  /** Counts the moments at which something changes. */
  tick(): number {
    return ++this.#moment
  }

  find(path: string): SimulatedInode | null {
    return this.#names.get(path)?.newest ?? null
  }

  /** Gives the file this name, or takes the name away. */
  setName(path: string, inode: SimulatedInode | null): void {
    let entry = this.#names.get(path)
    if (entry === undefined) {
      entry = new SimulatedDurable<SimulatedInode | null>(null)
      this.#names.set(path, entry)
    }
    entry.give(inode, this.tick())
  }

  syncDirectory(folder: string): void {
    const moment = this.tick()
    for (const [path, entry] of this.#names) if (folderOf(path) === folder) entry.sync(moment)
  }

  failSyncDirectory(folder: string): void {
    const moment = this.tick()
    for (const [path, entry] of this.#names) if (folderOf(path) === folder) entry.failSync(moment)
  }

  /** The disk after a loss of power at this moment. */
  crash(random: RandomNumbers): SimulatedDisk {
    const after = new SimulatedDisk()
    const survivors = new Map<SimulatedInode, SimulatedInode>()
    const keptNames = KEPT[random.below(KEPT.length)]!
    for (const [path, entry] of this.#names) {
      const { value: inode } = entry.survivor(random, keptNames)
      if (inode === null) continue
      let survivor = survivors.get(inode)
      if (survivor === undefined) {
        survivor = inode.survivor(random, KEPT[random.below(KEPT.length)]!)
        survivors.set(inode, survivor)
      }
      after.setName(path, survivor)
      after.syncDirectory(folderOf(path))
    }
    return after
  }

  /** The files as everybody sees them now, by path. */
  contents(): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>()
    for (const path of this.#names.keys()) {
      const inode = this.find(path)
      if (inode === null) continue
      const bytes = new Uint8Array(inode.size)
      inode.read(bytes, 0)
      found.set(path, bytes)
    }
    return found
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
