/**
 * One thing on a simulated disk that becomes durable as a whole: a sector of a file, the length of a file, an entry of a
 * folder. It has a durable value, and the values it was given since, oldest first, none of which a power loss needs to
 * keep: what is there afterwards is any one of them, or still the durable one.
 *
 * Moments are counted by the disk (`SimulatedDisk.tick`). A sync covers what was given up to the moment it began. One
 * that fails leaves its values as likely to be lost as before, and no later sync saves them, since the system takes them
 * for clean (DUR-3); only another value, given and synced later, ends the doubt.
 */

/** Random numbers that a run draws; the same seed gives the same. */
export interface RandomNumbers {
  /** Unsigned 32-bit number. */
  next32(): number
  /** Integer from 0 up to, not including, `bound`. */
  below(bound: number): number
}

/** How much of what was not synced a power loss keeps: nothing, everything, or a value drawn for each thing. */
export type Kept = 'nothing' | 'everything' | 'some'

/** Moments from the first up to, not including, the second; without limit if not given. */
export interface Span {
  readonly from?: number
  readonly before?: number
}

export interface Survivor<T> {
  readonly moment: number
  readonly value: T
}

interface Given<T> {
  readonly moment: number
  readonly value: T
  isLost: boolean
}

export class SimulatedDurable<T> {
  #durable: T
  #durableMoment = 0
  #given: Given<T>[] = []

  constructor(durable: T) {
    this.#durable = durable
  }

  get newest(): T {
    const last = this.#given.at(-1)
    // A value may itself be null: a name that was removed.
    return last === undefined ? this.#durable : last.value
  }

  /** A sync of the newest value has failed. */
  get isInDoubt(): boolean {
    return this.#given.at(-1)?.isLost === true
  }

  give(value: T, moment: number): void {
    this.#given.push({ moment, value, isLost: false })
  }

  /** Makes durable what was given up to `moment`. */
  sync(moment: number): void {
    const count = this.#countUpTo(moment)
    const last = this.#given[count - 1]
    if (last === undefined || last.isLost) return
    this.#durable = last.value
    this.#durableMoment = last.moment
    this.#given = this.#given.slice(count)
  }

  /** A sync that began at `moment` has failed. */
  failSync(moment: number): void {
    for (const given of this.#given) if (given.moment <= moment) given.isLost = true
  }

  /** What a power loss leaves, and the moment it is of; of what was given in this span, if there is any. */
  survivor(random: RandomNumbers, kept: Kept, { from = 0, before = Number.POSITIVE_INFINITY }: Span = {}): Survivor<T> {
    const all = [{ moment: this.#durableMoment, value: this.#durable }, ...this.#given]
    const possible = all.filter(({ moment }) => moment >= from && moment < before)
    const choices = possible.length > 0 ? possible : all.slice(0, 1)
    if (kept === 'some') return choices[random.below(choices.length)]!
    return kept === 'nothing' ? choices[0]! : choices.at(-1)!
  }

  #countUpTo(moment: number): number {
    let count = 0
    while (count < this.#given.length && this.#given[count]!.moment <= moment) count++
    return count
  }
}
