/** The rows of a benchmark: keys of 16 bytes, values of 100 bytes that differ from commit to commit. */
import type { Row } from './peers/peer.js'

const VALUE_SIZE_BYTES = 100
const RANDOM_COUNT = 1 << 16

export function keyOf(row: number): string {
  return row.toString(16).padStart(16, '0')
}

export function* rows(count: number): Generator<Row> {
  const values = new ChangingValues(0)
  for (let row = 0; row < count; row++) yield { key: keyOf(row), value: values.next() }
}

/** Values of one process: a prefix of its own, then a counter. */
export class ChangingValues {
  readonly #prefix: number
  #count = 0

  constructor(prefix: number) {
    this.#prefix = prefix
  }

  next(): Uint8Array {
    const value = Buffer.alloc(VALUE_SIZE_BYTES)
    value.writeUInt32LE(this.#prefix, 0)
    value.writeUInt32LE(this.#count++ >>> 0, 4)
    return value
  }
}

/** Uniform random keys, made beforehand and taken in turn, so that the stores are timed and not the making of keys. */
export class RandomKeys {
  readonly #keys: readonly string[]
  #next = 0

  constructor(rowCount: number, seed: number) {
    const random = xorshift32(seed)
    this.#keys = Array.from({ length: RANDOM_COUNT }, () => keyOf(random() % rowCount))
  }

  next(): string {
    this.#next = (this.#next + 1) % RANDOM_COUNT
    return this.#keys[this.#next]!
  }
}

function xorshift32(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9)
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
