/**
 * The byte-range locks on one simulated file, as the kernel keeps them for open file descriptions: they belong to the
 * description (`owner`), whatever process made it; a lock replaces what the owner held of its range, which converts and
 * splits ranges (trap (a)); only the locks of other owners conflict; and all of an owner end when it is closed.
 */
import type { LockMode } from './vfs.js'

interface Held {
  readonly owner: object
  readonly start: number
  /** The first byte behind. */
  readonly end: number
  readonly mode: LockMode
}

export class SimulatedLocks {
  #held: Held[] = []

  /** @param length 0: without end. @returns false if another owner is in the way */
  tryLock(owner: object, offset: number, length: number, mode: LockMode): boolean {
    const wanted = { owner, start: offset, end: endOf(offset, length), mode }
    if (this.#held.some((held) => conflict(held, wanted))) return false
    this.unlock(owner, offset, length)
    this.#held.push(wanted)
    return true
  }

  unlock(owner: object, offset: number, length: number): void {
    const end = endOf(offset, length)
    this.#held = this.#held.flatMap((held) => {
      if (held.owner !== owner || held.end <= offset || end <= held.start) return [held]
      const before = { ...held, end: offset }
      const after = { ...held, start: end }
      return [before, after].filter((rest) => rest.start < rest.end)
    })
  }

  release(owner: object): void {
    this.#held = this.#held.filter((held) => held.owner !== owner)
  }
}

function endOf(offset: number, length: number): number {
  return length === 0 ? Number.POSITIVE_INFINITY : offset + length
}

function conflict(a: Held, b: Held): boolean {
  const isApart = a.end <= b.start || b.end <= a.start
  return !isApart && a.owner !== b.owner && (a.mode === 'exclusive' || b.mode === 'exclusive')
}
