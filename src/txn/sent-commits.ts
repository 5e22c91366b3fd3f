/**
 * Requests that were sent and not answered, by their numbers, which follow one another: the next answer is to the first of
 * them.
 *
 * A ring whose slots are emptied at once. A Map whose entries come and go is copied again and again, and its old tables, once they
 * are old to the garbage collector, keep what they pointed to alive: every commit that passed through one became garbage of
 * the expensive kind.
 */
import { assert } from '../assert.js'
import type { PendingCommit } from './pending-commit.js'

/** A power of two. */
const CAPACITY_MIN = 64

export class SentCommits {
  #ring: (PendingCommit | null)[] = new Array(CAPACITY_MIN).fill(null)
  #firstNumber = 1
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The one that is answered next. */
  get first(): PendingCommit | null {
    return this.#at(this.#firstNumber)
  }

  /** @param number the one after the last that was added; any number if there is none */
  add(number: number, commit: PendingCommit): void {
    if (this.#size === 0) this.#firstNumber = number
    assert(number === this.#firstNumber + this.#size, () => `request ${number} does not follow the last one`)
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[number & (this.#ring.length - 1)] = commit
    this.#size++
  }

  get(number: number): PendingCommit | null {
    return number < this.#firstNumber || number >= this.#firstNumber + this.#size ? null : this.#at(number)
  }

  /** @returns the first one, if it has this number, and forgets it */
  takeFirst(number: number): PendingCommit | null {
    if (number !== this.#firstNumber || this.#size === 0) return null
    const commit = this.#at(number)
    this.#empty(number)
    this.#firstNumber++
    return commit
  }

  /** Forgets the one that was added last. */
  dropLast(): void {
    this.#empty(this.#firstNumber + this.#size - 1)
  }

  /**
   * The last number of one that was called before this ticket; 0 if there is none. Looked for from the end, where it nearly always
   * is: a caller with thousands of requests under way may ask for each of its functions.
   */
  lastNumberBefore(ticket: number): number {
    for (let number = this.#firstNumber + this.#size - 1; number >= this.#firstNumber; number--) {
      if (this.#at(number)!.ticket < ticket) return number
    }
    return 0
  }

  /** Forgets all of them. @returns them, in the order of their numbers */
  takeAll(): PendingCommit[] {
    const all = this.#all()
    this.#ring.fill(null)
    this.#size = 0
    return all
  }

  #all(): PendingCommit[] {
    return Array.from({ length: this.#size }, (_, index) => this.#at(this.#firstNumber + index)!)
  }

  #at(number: number): PendingCommit | null {
    return this.#ring[number & (this.#ring.length - 1)]!
  }

  #empty(number: number): void {
    assert(this.#size > 0, 'there is one to forget')
    this.#ring[number & (this.#ring.length - 1)] = null
    this.#size--
  }

  #grow(): void {
    const all = this.#all()
    this.#ring = new Array(this.#ring.length * 2).fill(null)
    for (let index = 0; index < all.length; index++) {
      this.#ring[(this.#firstNumber + index) & (this.#ring.length - 1)] = all[index]!
    }
  }
}
