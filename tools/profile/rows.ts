/** The rows of the workloads: keys of 16 bytes, values of 100 bytes that differ from commit to commit. */
import { type Database, open } from './engine.js'

export const STORE = 'kv'
export const STORE_OPTIONS = { key: 'text', value: 'blob' } as const

const VALUE_SIZE_BYTES = 100
const RANDOM_COUNT = 1 << 16

export function keyOf(row: number): string {
  return row.toString(16).padStart(16, '0')
}

let valueCount = 0

export function nextValue(): Uint8Array {
  const value = Buffer.alloc(VALUE_SIZE_BYTES)
  value.writeUInt32LE(valueCount++)
  return value
}

/** Uniform random keys, made beforehand and taken in turn, so that the profile shows the engine and not the making of keys. */
export class RandomKeys {
  readonly #keys: readonly string[]
  #next = 0

  constructor(rowCount: number) {
    const random = xorshift32()
    this.#keys = Array.from({ length: RANDOM_COUNT }, () => keyOf(random() % rowCount))
  }

  next(): string {
    this.#next = (this.#next + 1) % RANDOM_COUNT
    return this.#keys[this.#next]!
  }

  take(count: number): string[] {
    return Array.from({ length: count }, () => this.next())
  }
}

/** A database with so many rows, all of them in the main file. */
export async function createDatabase(path: string, rowCount: number): Promise<void> {
  const db = await open(path, { writer: 'inline', synchronous: 'off' })
  const map = await mapOf(db)
  await db.transaction((tx) => {
    for (let row = 0; row < rowCount; row++) tx.put(map, keyOf(row), nextValue())
  })
  await db.close()
}

export function mapOf(db: Database) {
  return db.map<string, Uint8Array>(STORE, STORE_OPTIONS)
}

export function xorshift32(): () => number {
  let state = 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
