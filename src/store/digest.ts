/**
 * Digests of what was read: 64 bits in two lanes of 32, mixed by multiplication four bytes at a time. They tell states of a
 * database apart, where nobody chooses the content against them; they are no defence against someone who does.
 *
 * Each step of a lane can be undone, so two entries of one size that differ in one word never have the same lane;
 * otherwise equal digests are as likely as chance has it.
 */
import type { Payload, Rowid } from '../btree/index.js'
import { highHalf, lowHalf } from '../format/index.js'

/** 64 bits of what was found, as two unsigned 32-bit numbers. */
export type Digest = readonly [high: number, low: number]

const HIGH_START = 0x9e3779b9 | 0
const LOW_START = 0x85ebca6b | 0
const HIGH_FACTOR = 0xcc9e2d51 | 0
const LOW_FACTOR = 0x1b873593 | 0
const LAST_FACTOR = 0xc2b2ae35 | 0

/** Takes in any number of entries; their order and their bounds count. */
export class Digester {
  #high = HIGH_START
  #low = LOW_START

  reset(): this {
    this.#high = HIGH_START
    this.#low = LOW_START
    return this
  }

  /** @param rowid 0 where entries have none */
  add({ bytes, start, length }: Payload, rowid: Rowid): this {
    let high = this.#high
    let low = this.#low
    const end = start + length
    const wordsEnd = end - 3
    let at = start
    for (; at < wordsEnd; at += 4) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      high = Math.imul(((high << 13) | (high >>> 19)) ^ word, HIGH_FACTOR)
      low = Math.imul(((low << 17) | (low >>> 15)) + word, LOW_FACTOR)
      high ^= high >>> 15
      low ^= low >>> 13
    }
    let rest = 0
    for (; at < end; at++) rest = (rest << 8) | bytes[at]!
    this.#high = high
    this.#low = low
    this.#mix(rest)
    this.#mix(length)
    if (rowid === 0) return this
    this.#mix(lowHalf(rowid))
    this.#mix(highHalf(rowid))
    return this
  }

  value(): Digest {
    return [finish(this.#high, HIGH_FACTOR), finish(this.#low, LOW_FACTOR)]
  }

  matches(digest: Digest): boolean {
    return digest[0] === finish(this.#high, HIGH_FACTOR) && digest[1] === finish(this.#low, LOW_FACTOR)
  }

  #mix(word: number): void {
    const high = Math.imul(((this.#high << 13) | (this.#high >>> 19)) ^ word, HIGH_FACTOR)
    const low = Math.imul(((this.#low << 17) | (this.#low >>> 15)) + word, LOW_FACTOR)
    this.#high = high ^ (high >>> 15)
    this.#low = low ^ (low >>> 13)
  }
}

/** Spreads what came last over all bits. */
function finish(lane: number, factor: number): number {
  const mixed = Math.imul(lane ^ (lane >>> 16), LAST_FACTOR)
  const again = Math.imul(mixed ^ (mixed >>> 13), factor)
  return (again ^ (again >>> 16)) >>> 0
}
