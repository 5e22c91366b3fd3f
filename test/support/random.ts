/**
 * Random numbers that can be repeated: every test that draws them prints its seed, which is the same in every run.
 * ENDMARK_TEST_SEED sets another one, to look further or to repeat what was found.
 */
import type { ExecutionContext } from 'ava'

const DEFAULT_SEED = 20_250_103

export function seededRandom(t: ExecutionContext<unknown>): Random {
  const seed = testSeed()
  t.log(`ENDMARK_TEST_SEED=${seed}`)
  return new Random(seed)
}

/** For tests that make a run of each of many seeds, from this one on. */
export function testSeed(): number {
  const given = process.env.ENDMARK_TEST_SEED
  return given === undefined ? DEFAULT_SEED : Number(given)
}

/** The mulberry32 generator: 32 bits of state, good enough to choose what a test does next. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Unsigned 32-bit number. */
  next32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** Integer from 0 up to, not including, `bound` (at most 2^32). */
  below(bound: number): number {
    return Math.floor((this.next32() / 2 ** 32) * bound)
  }

  /** Integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}
