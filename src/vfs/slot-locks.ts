/**
 * Byte-range locks of ONE open file description, with the holders inside this process counted.
 *
 * The kernel knows only the description: a second lock through it replaces the first, an exclusive request
 * succeeds over the description's own shared lock, and one unlock ends them all (trap (a) of the lock rules).
 * So two snapshots that share a read slot, or a checkpointer beside a reader, would undo each other's locks.
 * Here
 *
 * - a second shared holder of a range only counts; the last one to release unlocks;
 * - an exclusive request is refused while the range has a holder of our own, shared or exclusive, and a
 *   shared one while it has an exclusive holder, exactly as if that holder were another process;
 * - two shared ranges are the same or do not touch: one kernel lock per range could not be released alone.
 *
 * All locks of the description must be taken through one SlotLocks, by one thread. Other threads and other
 * Databases open the file themselves and conflict through the kernel.
 */
import { assert } from '../assert.js'
import type { LockMode, VfsFile } from './vfs.js'

interface HeldRange {
  readonly offset: number
  readonly length: number
  mode: LockMode
  holders: number
}

export class SlotLocks {
  readonly #file: VfsFile
  /** A handful at most, so a plain scan beats a map. */
  readonly #held: HeldRange[] = []

  constructor(file: VfsFile) {
    this.#file = file
  }

  /** @returns false if the range is exclusively held, by others or by ourselves */
  tryShared(offset: number, length = 1): boolean {
    const own = this.#overlapping(offset, length)
    if (own === undefined) return this.#tryLock(offset, length, 'shared')
    if (own.mode === 'exclusive') return false
    assert(own.offset === offset && own.length === length, () => `shared range ${offset}+${length} overlaps another`)
    own.holders++
    return true
  }

  /** @returns false if any byte of the range is held in any mode, by others or by ourselves */
  tryExclusive(offset: number, length = 1): boolean {
    return this.#overlapping(offset, length) === undefined && this.#tryLock(offset, length, 'exclusive')
  }

  /** Gives up one shared holder of the range that starts at `offset`. */
  releaseShared(offset: number): void {
    this.#release(offset, 'shared')
  }

  releaseExclusive(offset: number): void {
    this.#release(offset, 'exclusive')
  }

  /**
   * Turns an exclusive lock into a shared one, with no moment between in which others could get it exclusively. If that fails it stays
   * exclusive.
   */
  makeShared(offset: number): void {
    const range = this.#held.find((held) => held.offset === offset && held.mode === 'exclusive')
    assert(range !== undefined, () => `no exclusive lock at ${offset} of ${this.#file.path} to be made shared`)
    const isShared = this.#file.tryLock(offset, range.length, 'shared')
    assert(isShared, 'our own exclusive lock cannot refuse us')
    range.mode = 'shared'
  }

  /** Whether the byte at `offset` is held through this description in exactly this mode. */
  holds(offset: number, mode: LockMode): boolean {
    return this.#overlapping(offset, 1)?.mode === mode
  }

  #tryLock(offset: number, length: number, mode: LockMode): boolean {
    if (!this.#file.tryLock(offset, length, mode)) return false
    this.#held.push({ offset, length, mode, holders: 1 })
    return true
  }

  #release(offset: number, mode: LockMode): void {
    const held = this.#held
    for (let index = 0; index < held.length; index++) {
      const range = held[index]!
      if (range.offset !== offset || range.mode !== mode) continue
      if (--range.holders > 0) return
      held.splice(index, 1)
      this.#unlock(range)
      return
    }
    assert(false, () => `released a ${mode} lock at ${offset} of ${this.#file.path} that is not held`)
  }

  #unlock({ offset, length }: HeldRange): void {
    try {
      this.#file.unlock(offset, length)
    } catch {
      // Once more: a lock that stays keeps everybody else out until this file is closed.
      this.#file.unlock(offset, length)
    }
  }

  #overlapping(offset: number, length: number): HeldRange | undefined {
    const held = this.#held
    for (let index = 0; index < held.length; index++) {
      const range = held[index]!
      if (range.offset < offset + length && offset < range.offset + range.length) return range
    }
    return undefined
  }
}
