/**
 * What the property tests do to a database, as plain data that can be shrunk and replayed, and the model it is compared
 * with: per store a sorted list of entries. Keys come from a small pool, so that operations meet; values have all kinds
 * and sizes.
 */
import type { OrderedMap, Table } from '../../src/index.js'

export type StoreName = 'pairs' | 'rows' | 'wide'
export const STORE_NAMES: readonly StoreName[] = ['pairs', 'rows', 'wide']

export type Value = null | number | bigint | string | Uint8Array
export type Key = number | bigint | string | Uint8Array
export type WideKey = readonly [string, number]

export interface Row {
  id: number
  name: string | null
  data: Value
}

export interface WideRow {
  data: Value
  b: number
  a: string
}

/** `any` keys and values. */
export type Pairs = OrderedMap<Key, Value>
export type Rows = Table<Row, number>
export type Wide = Table<WideRow, WideKey>

export interface Handles {
  readonly pairs: Pairs
  readonly rows: Rows
  readonly wide: Wide
}

export interface ValueRecipe {
  readonly kind: 'null' | 'integer' | 'bigint' | 'real' | 'text' | 'blob'
  /** Bytes of texts and blobs. */
  readonly size: number
  readonly fill: number
}

export interface Change {
  readonly store: StoreName
  readonly action: 'put' | 'insert' | 'update' | 'delete'
  readonly key: number
  readonly value: ValueRecipe
}

export type Step =
  | {
      readonly type: 'write'
      /** Which of the two Databases that have the file open. */
      readonly by: 0 | 1
      readonly style: 'one by one' | 'all at once' | 'transaction' | 'blocking'
      readonly changes: readonly Change[]
      /** Of transactions: changes from `from` to before `to` are a savepoint, which throws or not. */
      readonly savepoint: { readonly from: number; readonly to: number; readonly fails: boolean } | null
      readonly fails: boolean
    }
  | {
      readonly type: 'read'
      readonly by: 0 | 1
      readonly store: StoreName
      readonly lower: { readonly key: number; readonly isOpen: boolean } | null
      readonly upper: { readonly key: number; readonly isOpen: boolean } | null
      readonly reverse: boolean
      readonly limit: number | null
    }
  | { readonly type: 'snapshot'; readonly by: 0 | 1 }
  | { readonly type: 'release'; readonly which: number }
  | { readonly type: 'checkpoint'; readonly by: 0 | 1; readonly mode: 'passive' | 'full' | 'restart' | 'truncate' }
  | { readonly type: 'reopen'; readonly by: 0 | 1 }
  | { readonly type: 'recreate'; readonly by: 0 | 1; readonly store: StoreName }

export function makeValue({ kind, size, fill }: ValueRecipe): Value {
  switch (kind) {
    case 'null':
      return null
    case 'integer':
      return fill - 128
    case 'bigint':
      return 2n ** 53n + BigInt(size) * 1_000_000_007n
    case 'real':
      return fill / 7 + 0.5
    case 'text':
      return String.fromCodePoint(0x20 + fill).repeat(size)
    case 'blob':
      return Uint8Array.from({ length: size }, (_, i) => fill + i)
  }
}

/** Key `number` of the pool of each store; the orders of numbers and keys have nothing to do with each other. */
export const keyOf = {
  pairs(number: number): Key {
    const mixed = (number * 37) % 397
    if (number % 5 === 0) return mixed
    if (number % 5 === 1) return `text ${mixed}`.padEnd(number % 3 === 0 ? 400 : 0, '·')
    if (number % 5 === 2) return Uint8Array.of(mixed, number % 7)
    if (number % 5 === 3) return mixed + 0.25
    return 2n ** 60n + BigInt(mixed)
  },
  rows: (number: number): number => (number % 10 === 1 ? -number : number * 3),
  wide: (number: number): WideKey => [['', 'a', 'b', 'ä', '𐀀'][number % 5]!, (number * 7) % 97],
}

export function rowOf(number: number, data: Value): Row {
  return { id: keyOf.rows(number), name: number % 4 === 0 ? null : `name ${number}`, data }
}

export function wideRowOf(number: number, data: Value): WideRow {
  const [a, b] = keyOf.wide(number)
  return { data, b, a }
}

export type Entry = readonly [Key, Value] | Row | WideRow

interface ModelEntry {
  readonly number: number
  readonly entry: Entry
}

/** The content of all stores. Copied by whoever keeps it, so a snapshot's stays as it was. */
export class Model {
  readonly #stores: Record<StoreName, Map<string, ModelEntry>>

  constructor(other?: Model) {
    const copy = (name: StoreName) => new Map(other === undefined ? [] : other.#stores[name])
    this.#stores = { pairs: copy('pairs'), rows: copy('rows'), wide: copy('wide') }
  }

  copy(): Model {
    return new Model(this)
  }

  /** Puts everything back to what it was when `saved` was copied. */
  restore(saved: Model): void {
    for (const name of STORE_NAMES) this.#stores[name] = saved.#stores[name]
  }

  clear(store: StoreName): void {
    this.#stores[store] = new Map()
  }

  has(store: StoreName, number: number): boolean {
    return this.#stores[store].has(identityOf(store, number))
  }

  get(store: StoreName, number: number): Entry | undefined {
    return this.#stores[store].get(identityOf(store, number))?.entry
  }

  put(store: StoreName, number: number, entry: Entry): void {
    this.#stores[store].set(identityOf(store, number), { number, entry })
  }

  delete(store: StoreName, number: number): boolean {
    return this.#stores[store].delete(identityOf(store, number))
  }

  /** Entries in key order. */
  entries(store: StoreName): { readonly number: number; readonly entry: Entry }[] {
    return [...this.#stores[store].values()].sort((a, b) => compareNumbers(store, a.number, b.number))
  }
}

/** Different numbers of the pool may be the same key. */
function identityOf(store: StoreName, number: number): string {
  const key = keyOf[store](number)
  return typeof key === 'object' ? [...(key as Iterable<unknown>)].join('|') : `${typeof key} ${key}`
}

export function compareNumbers(store: StoreName, a: number, b: number): number {
  if (store === 'pairs') return compareKeys(keyOf.pairs(a), keyOf.pairs(b))
  if (store === 'rows') return keyOf.rows(a) - keyOf.rows(b)
  const [text, integer] = keyOf.wide(a)
  const [otherText, otherInteger] = keyOf.wide(b)
  return Buffer.compare(Buffer.from(text), Buffer.from(otherText)) || integer - otherInteger
}

/** Numbers, then text by its bytes, then blobs. */
function compareKeys(a: Key, b: Key): number {
  const [rank, otherRank] = [rankOf(a), rankOf(b)]
  if (rank !== otherRank) return rank - otherRank
  if (rank === 0) return a < b ? -1 : a > b ? 1 : 0
  return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string))
}

function rankOf(key: Key): number {
  if (typeof key === 'string') return 1
  return key instanceof Uint8Array ? 2 : 0
}
