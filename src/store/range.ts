/**
 * Ranges: the bounds a caller gives, checked, and the iteration between them in either direction.
 *
 * Bounds follow the order of the store's tree: null < numbers < text (bytewise in UTF-8) < blobs, and in a key column
 * that someone declared DESC the other way round. A composite key is an array; a shorter array is a prefix: `gte`
 * and `lte` include the whole group that begins with it, `gt` and `lt` leave it out.
 */

import { preview } from '../arguments.js'
import { IndexCursor, LeafCopy, Payload, type Rowid, type SeekBound, TableCursor } from '../btree/index.js'
import { invalidArgument } from '../errors.js'
import type { SearchKey } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import { locateDamage } from './damage.js'
import type { StoreDefinition } from './definition.js'
import type { RangeLog } from './read-log.js'

/** Which part of a store, and how. All bounds are optional; at most one at each end. */
export interface RangeOptions<Bound> {
  /** Entries after this key. */
  readonly gt?: Bound
  /** Entries from this key on. */
  readonly gte?: Bound
  /** Entries before this key. */
  readonly lt?: Bound
  /** Entries up to and including this key. */
  readonly lte?: Bound
  /** From the last entry to the first. */
  readonly reverse?: boolean
  /** At most so many entries: a whole number from 0, or Infinity (the default). */
  readonly limit?: number
}

/** Bounds in the form the tree compares: search keys, or rowids. */
export interface Bounds<Bound> {
  readonly lower: Bound | null
  readonly isLowerOpen: boolean
  readonly upper: Bound | null
  readonly isUpperOpen: boolean
  readonly reverse: boolean
  readonly limit: number
}

const OPTION_NAMES = ['gt', 'gte', 'lt', 'lte', 'reverse', 'limit']

/** @throws ENDMARK_INVALID_ARGUMENT quoting what is wrong */
export function resolveBounds<Given, Bound>(
  options: RangeOptions<Given>,
  encode: (bound: Given) => Bound,
): Bounds<Bound> {
  checkRangeOptions(options)
  const lower = options.gte === undefined ? options.gt : options.gte
  const upper = options.lte === undefined ? options.lt : options.lte
  return {
    lower: lower === undefined ? null : encode(lower),
    isLowerOpen: options.gte === undefined,
    upper: upper === undefined ? null : encode(upper),
    isUpperOpen: options.lte === undefined,
    reverse: options.reverse ?? false,
    limit: options.limit ?? Infinity,
  }
}

function checkRangeOptions(options: RangeOptions<unknown>): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgument(`expected range options, got ${preview(options)}`)
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name))
  if (unknown !== undefined) {
    throw invalidArgument(`unknown range option ${JSON.stringify(unknown)}, known are ${OPTION_NAMES.join(', ')}`)
  }
  const { gt, gte, lt, lte, reverse, limit } = options
  if (gt !== undefined && gte !== undefined) throw invalidArgument('a range has either gt or gte')
  if (lt !== undefined && lte !== undefined) throw invalidArgument('a range has either lt or lte')
  if (reverse !== undefined && typeof reverse !== 'boolean') {
    throw invalidArgument(`range option reverse: expected a boolean, got ${preview(reverse)}`)
  }
  if (limit !== undefined && limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw invalidArgument(`range option limit: expected a whole number from 0, got ${preview(limit)}`)
  }
}

/** Makes of a stored entry what the iterator yields. */
export type DecodeEntry<Entry> = (payload: Payload, rowid: Rowid) => Entry

export interface RangeSource {
  readonly pages: PageReader
  readonly definition: StoreDefinition
  /** Called once, when the iteration ends in whatever way. */
  readonly release: (() => void) | null
  /** Asked before each step, where somebody else decides how long the state may be read. */
  readonly holder: StateHolder | null
  /** Told of each step. */
  readonly log: RangeLog | null
}

/** Who holds the state that a range goes over. */
export interface StateHolder {
  /** @throws ENDMARK_CLOSED once the state may no longer be read */
  assertOpen(): void
}

/** The iteration over one range. It ends by itself, by `return()`, as `for...of` calls it, or by an error. */
export abstract class EntryRange<Entry> implements IterableIterator<Entry> {
  readonly #source: RangeSource
  readonly #decode: DecodeEntry<Entry>
  readonly #payload = new Payload()
  #remaining: number
  #state: 'new' | 'running' | 'ended' = 'new'

  constructor(source: RangeSource, decode: DecodeEntry<Entry>, limit: number) {
    this.#source = source
    this.#decode = decode
    this.#remaining = limit
  }

  /** Goes to the first entry of the range, in the direction of the range. */
  protected abstract begin(payload: Payload): boolean
  protected abstract step(payload: Payload): boolean
  protected abstract get rowid(): Rowid

  next(): IteratorResult<Entry, undefined> {
    if (!this.#advance()) return { done: true, value: undefined }
    try {
      return { done: false, value: this.#decode(this.#payload, this.rowid) }
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** How many entries are left; ends the iteration. */
  count(): number {
    let count = 0
    while (this.#advance()) count++
    return count
  }

  /** Goes on by up to `count` entries without decoding them. @returns by how many */
  skip(count: number): number {
    let skipped = 0
    while (skipped < count && this.#advance()) skipped++
    return skipped
  }

  return(): IteratorResult<Entry, undefined> {
    this.#end()
    return { done: true, value: undefined }
  }

  throw(error: unknown): never {
    this.#end()
    throw error
  }

  [Symbol.iterator](): this {
    return this
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  #advance(): boolean {
    if (this.#state === 'ended') return false
    try {
      this.#source.holder?.assertOpen()
      if (this.#remaining > 0) {
        const isThere = this.#state === 'new' ? this.begin(this.#payload) : this.step(this.#payload)
        this.#state = 'running'
        this.#remaining--
        const { log } = this.#source
        if (isThere) {
          if (log !== null) log.passed(this.#payload, this.rowid)
          return true
        }
        if (log !== null) log.ended()
      }
    } catch (error) {
      throw this.#fail(error)
    }
    this.#end()
    return false
  }

  #fail(error: unknown): unknown {
    this.#end()
    return locateDamage(this.#source.pages, this.#source.definition, error)
  }

  #end(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#source.release?.()
  }
}

/** What the cursors of both kinds of trees have in common. */
interface BoundCursor<Bound> {
  first(): boolean
  last(): boolean
  seek(bound: Bound, how: SeekBound): boolean
}

/** Goes to the entry that a range begins with, or, if it is empty, to one past its end or to none. */
function toStart<Bound>(cursor: BoundCursor<Bound>, bounds: Bounds<Bound>): boolean {
  const { lower, isLowerOpen, upper, isUpperOpen, reverse } = bounds
  if (reverse) return upper === null ? cursor.last() : cursor.seek(upper, isUpperOpen ? 'lt' : 'le')
  return lower === null ? cursor.first() : cursor.seek(lower, isLowerOpen ? 'gt' : 'ge')
}

/** A range of a rowid table. */
export class RowRange<Entry> extends EntryRange<Entry> {
  readonly #cursor: TableCursor
  readonly #copy = new LeafCopy()
  readonly #bounds: Bounds<Rowid>

  constructor(source: RangeSource, bounds: Bounds<Rowid>, decode: DecodeEntry<Entry>) {
    super(source, decode, bounds.limit)
    this.#cursor = new TableCursor(source.pages, source.definition.root)
    this.#bounds = bounds
  }

  protected override get rowid(): Rowid {
    return this.#cursor.rowid
  }

  protected override begin(payload: Payload): boolean {
    return this.#arrive(toStart(this.#cursor, this.#bounds), payload)
  }

  protected override step(payload: Payload): boolean {
    return this.#arrive(this.#bounds.reverse ? this.#cursor.previous() : this.#cursor.next(), payload)
  }

  #arrive(isThere: boolean, payload: Payload): boolean {
    if (!isThere || this.#isPastEnd(this.#cursor.rowid)) return false
    this.#cursor.payload(payload, this.#copy)
    return true
  }

  #isPastEnd(rowid: Rowid): boolean {
    const { lower, isLowerOpen, upper, isUpperOpen, reverse } = this.#bounds
    if (reverse) return lower !== null && (isLowerOpen ? rowid <= lower : rowid < lower)
    return upper !== null && (isUpperOpen ? rowid >= upper : rowid > upper)
  }
}

/** A range of a WITHOUT ROWID table. */
export class RecordRange<Entry> extends EntryRange<Entry> {
  readonly #cursor: IndexCursor
  readonly #copy = new LeafCopy()
  readonly #bounds: Bounds<SearchKey>

  constructor(source: RangeSource, bounds: Bounds<SearchKey>, decode: DecodeEntry<Entry>) {
    super(source, decode, bounds.limit)
    this.#cursor = new IndexCursor(source.pages, source.definition.root, source.definition.keyOrder)
    this.#bounds = bounds
  }

  /** Not used by those who decode records without a rowid. */
  protected override get rowid(): Rowid {
    return 0
  }

  protected override begin(payload: Payload): boolean {
    return this.#arrive(toStart(this.#cursor, this.#bounds), payload)
  }

  protected override step(payload: Payload): boolean {
    return this.#arrive(this.#bounds.reverse ? this.#cursor.previous() : this.#cursor.next(), payload)
  }

  #arrive(isThere: boolean, payload: Payload): boolean {
    if (!isThere) return false
    this.#cursor.payload(payload, this.#copy)
    return !this.#isPastEnd(payload)
  }

  #isPastEnd({ bytes, start, length }: Payload): boolean {
    const { lower, isLowerOpen, upper, isUpperOpen, reverse } = this.#bounds
    const end = reverse ? lower : upper
    if (end === null) return false
    const order = end.compareRecord(bytes, start, length)
    if (order === 0) return reverse ? isLowerOpen : isUpperOpen
    return reverse ? order > 0 : order < 0
  }
}
