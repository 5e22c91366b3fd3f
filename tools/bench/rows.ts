/**
 * The rows of a benchmark: keys of 16 bytes, values of 100 bytes that differ from commit to commit. Each value names its row, so that
 * whoever reads it can tell whether it is the right one.
 */
import type { Row } from './peers/peer.js'
import { noise, xorshift32 } from './random.js'

export const KEY_SIZE_BYTES = 16
export const VALUE_SIZE_BYTES = 100
const VALUE_COUNTER_OFFSET = 4
const VALUE_ROW_OFFSET = 8
const VALUE_NOISE_OFFSET = 12
/** The rest of values is taken from here: nothing that could be compressed, as LevelDB would otherwise do. */
const NOISE = Buffer.from(noise(1 << 18).buffer)
/** So many keys are made before a round of reads and taken in turn, so that the stores are timed and not the making of keys. */
const KEY_COUNT = 1 << 18
/** Of commits, which take longer. */
export const COMMIT_KEY_COUNT = 1 << 16

export function keyOf(row: number): string {
  return row.toString(16).padStart(KEY_SIZE_BYTES, '0')
}

/** A key that is not there, between those that are: no digit is a g. */
export function missingKeyOf(row: number): string {
  return `${keyOf(row).slice(0, -1)}g`
}

/** Writer of the values that a new database has. */
export const LOADER = 0xffffffff

/**
 * Values of one process: its number, then a counter, then the row, then noise. What an earlier process has left must never come again:
 * SQLite writes and syncs nothing where a row gets the value that it has.
 */
export class ChangingValues {
  readonly #writer: number
  #count = 0

  constructor(writer: number) {
    this.#writer = writer
  }

  next(row: number): Uint8Array {
    // From the pool, as all of it is written: memory of its own for each value costs a client more than a commit through a writer process.
    return this.fill(Buffer.allocUnsafe(VALUE_SIZE_BYTES), row)
  }

  fill(value: Buffer, row: number): Uint8Array {
    value.writeUInt32LE(this.#writer, 0)
    value.writeUInt32LE(this.#count++ >>> 0, VALUE_COUNTER_OFFSET)
    value.writeUInt32LE(row, VALUE_ROW_OFFSET)
    const noiseStart = (this.#count * VALUE_SIZE_BYTES) % (NOISE.length - VALUE_SIZE_BYTES)
    NOISE.copy(value, VALUE_NOISE_OFFSET, noiseStart, noiseStart + VALUE_SIZE_BYTES - VALUE_NOISE_OFFSET)
    return value
  }
}

/** All rows, or those of the given numbers. The value is the same buffer each time: who keeps it copies it. */
export function* rowsOf(rows: Iterable<number>): Generator<Row> {
  const values = new ChangingValues(LOADER)
  const value = Buffer.alloc(VALUE_SIZE_BYTES)
  for (const row of rows) yield { key: keyOf(row), value: values.fill(value, row) }
}

/** @param end one more than the last */
export function* rowsInOrder(end: number, start = 0): Generator<number> {
  for (let row = start; row < end; row++) yield row
}

/** @throws Error if this is not a value of that row */
export function requireValue(value: Uint8Array | undefined, row: number): void {
  if (value?.length !== VALUE_SIZE_BYTES) throw new Error(`row ${row}: ${value?.length ?? 'no'} bytes of value`)
  const found = uint32(value, VALUE_ROW_OFFSET)
  if (found !== row) throw new Error(`row ${row}: the value of row ${found}`)
}

export function writerOf(value: Uint8Array): number {
  return uint32(value, 0)
}

/** Grows with every commit of its writer. */
export function counterOf(value: Uint8Array): number {
  return uint32(value, VALUE_COUNTER_OFFSET)
}

function uint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true)
}

/** `hot`: uniform among so many rows that are spread over the database; the others among all of them. */
export type KeyChoice =
  | { readonly of: 'all' }
  | { readonly of: 'missing' }
  | { readonly of: 'hot'; readonly count: number }

export const ALL_KEYS: KeyChoice = { of: 'all' }

/** Uniform random keys, the same for each store. */
export class RandomKeys {
  readonly #rows: Uint32Array
  readonly #keys: readonly string[]
  #next = 0

  constructor(rowCount: number, seed: number, choice: KeyChoice = ALL_KEYS, count = KEY_COUNT) {
    const random = xorshift32(seed)
    const rowOf = choice.of === 'hot' ? hotRow(rowCount, choice.count) : (drawn: number) => drawn % rowCount
    this.#rows = Uint32Array.from({ length: count }, () => rowOf(random()))
    // Those of hot keys are the same strings again and again, as in a program that has them at hand.
    const known = new Map<number, string>()
    const keyAt = choice.of === 'missing' ? missingKeyOf : keyOf
    this.#keys = Array.from(this.#rows, (row) => {
      const key = known.get(row) ?? flat(keyAt(row))
      if (choice.of === 'hot') known.set(row, key)
      return key
    })
  }

  next(): string {
    this.#next = (this.#next + 1) % this.#keys.length
    return this.#keys[this.#next]!
  }

  /** The next keys, up to the end of those that were made. */
  nextMany(count: number): readonly string[] {
    if (this.#next + count >= this.#keys.length) this.#next = 0
    const keys = this.#keys.slice(this.#next, this.#next + count)
    this.#next += count
    return keys
  }

  /** Row of the key that `next` gave last. */
  get row(): number {
    return this.#rows[this.#next]!
  }
}

/** One piece of memory: a padded string is a tree of two, which costs more each time it is read. */
function flat(key: string): string {
  return Buffer.from(key, 'latin1').toString('latin1')
}

function hotRow(rowCount: number, count: number): (drawn: number) => number {
  const hotCount = Math.min(count, rowCount)
  return (drawn) => Math.floor(((drawn % hotCount) * rowCount) / hotCount)
}
