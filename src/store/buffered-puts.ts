/**
 * Puts into maps that wait to be applied together, in the order of their keys: put one after the other at random places, they
 * would search the whole tree for each and change its pages again and again.
 *
 * Puts into one map take effect as if each had been applied at once, the last of equal keys winning, and puts into different maps
 * do not meet. So nobody sees a difference as long as all are applied before anything else is done with these pages
 * (TXN-10): that is the caller's part.
 *
 * Only maps whose keys are ordered as plain bytes are buffered, by records that are not too long. Memory: up to three quarters of what the
 * batch may change in memory, taken off from what its pages may.
 */
import { putRun, RecordRun, RUN_RECORD_SIZE_MAX } from '../btree/index.js'
import { SearchKey } from '../format/index.js'
import type { WritePages } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { StoreDefinition } from './definition.js'
import { type PutOperation, writableStore } from './operation.js'
import type { OrderedMap, RunSource } from './ordered-map.js'
import type { Schema } from './schema.js'

/** Keys that come in order gain nothing from waiting; so many bytes of them stay in the caches of the processor. */
const RISING_SIZE_BYTES = 1 << 18
/** After how many bytes the sum is taken again. */
const STEP_SIZE_BYTES = 1 << 16
/** What chunks that are not full may take beyond the limit. */
const UNUSED_SIZE_BYTES = 1 << 20

interface Buffered {
  readonly root: PageNumber
  readonly key: SearchKey
  readonly run: RecordRun
  /** Size of the run from which on the sum is to be taken. */
  sumAtBytes: number
  /** Of the run as they are in the sums. */
  sizeBytes: number
  capacityBytes: number
}

export class BufferedPuts implements RunSource {
  readonly #pages: WritePages
  readonly #limitBytes: number
  readonly #stepBytes: number
  /** By the root of the tree: there may be several handles of one map. */
  readonly #byRoot = new Map<PageNumber, Buffered>()
  /** The map of the last put, and its puts; null if those into it are not buffered. */
  #map: OrderedMap<never, never> | null = null
  #buffered: Buffered | null = null
  #isEmpty = true
  #isFull = false
  #needsTending = false
  /** Sums over all runs: that of what is in them lags behind by a few steps, that of the memory they keep does not. */
  #sizeBytes = 0
  #capacityBytes = 0
  /** One that can be used again. */
  #spare: RecordRun | null = null

  constructor(pages: WritePages) {
    this.#pages = pages
    this.#limitBytes = Math.floor((pages.limitBytes * 3) / 4)
    this.#stepBytes = Math.min(STEP_SIZE_BYTES, this.#limitBytes >>> 3)
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  /** Whether `tend` has to be called before the next put. */
  get needsTending(): boolean {
    return this.#needsTending
  }

  /**
   * Buffers a put into a map.
   * @param schema the same for all that wait
   * @returns null, or the operation if it has to be applied alone, after all that wait
   * @throws as `OrderedMap.put` does for its arguments: then nothing was buffered
   */
  put<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema, key: Key, value: Value): PutOperation | null {
    const operation = map.putInto(this, schema, key, value)
    if (operation === null) this.#added(this.#buffered!)
    return operation
  }

  /** Where puts into this map wait; null if they do not. */
  runOf<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema): RecordRun | null {
    if (map !== (this.#map as unknown)) this.#turnTo(map, schema)
    return this.#buffered === null ? null : this.#buffered.run
  }

  /**
   * Buffers the record of an operation.
   * @returns false if it has to be applied alone, after all that wait
   */
  putRecord(schema: Schema, operation: PutOperation): boolean {
    const { record } = operation
    if (record.length > RUN_RECORD_SIZE_MAX || operation.type !== 'put') return false
    const buffered = this.#bufferedIn(writableStore(schema, operation))
    if (buffered === null) return false
    const { run } = buffered
    run.begin(record.length)
    run.bytes.set(record, run.recordStart)
    if (!run.end()) return false
    this.#added(buffered)
    return true
  }

  /**
   * Applies all that waits.
   * @throws ENDMARK_CORRUPT, ENDMARK_IO, and what spilling throws: the pages must be rolled back then, and nothing waits any more
   */
  apply(): void {
    // Of very many runs, each with little in it, nothing is kept.
    const keepsChunks = this.#isFull && this.#capacityBytes < this.#limitBytes + UNUSED_SIZE_BYTES
    if (this.#isEmpty) return
    try {
      for (const buffered of this.#byRoot.values()) this.#applyRun(buffered)
    } finally {
      this.#clear(keepsChunks)
    }
  }

  /**
   * Keeps to what may be in memory: applies what waits, or lets pages go to make room for it.
   * @throws as `apply`
   */
  tend(): void {
    this.#needsTending = false
    if (this.#isFull) this.apply()
    else this.#pages.relieve()
  }

  /** Throws away all that waits. */
  drop(): void {
    this.#clear(false)
  }

  #applyRun({ root, key, run }: Buffered): void {
    run.sort()
    for (let put = 0; put < run.count; ) {
      put = putRun(this.#pages, root, key, run, put)
      this.#pages.relieveFilled()
    }
  }

  #clear(keepsChunks: boolean): void {
    for (const buffered of this.#byRoot.values()) {
      buffered.run.clear({ keepsChunks })
      buffered.sumAtBytes = 0
      buffered.sizeBytes = 0
      if (!keepsChunks) this.#spare = buffered.run
    }
    if (!keepsChunks) {
      // What is done next may be anything.
      this.#byRoot.clear()
      this.#map = null
      this.#buffered = null
      this.#capacityBytes = 0
    }
    this.#sizeBytes = 0
    this.#isEmpty = true
    this.#isFull = false
    this.#pages.reserve(this.#capacityBytes)
  }

  #turnTo<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema): void {
    this.#buffered = this.#bufferedIn(map.writableDefinition(schema))
    // Only ever compared.
    this.#map = map as unknown as OrderedMap<never, never>
  }

  #bufferedIn(definition: StoreDefinition): Buffered | null {
    const { root, keyOrder, treeKind } = definition
    const known = this.#byRoot.get(root)
    if (known !== undefined) return known
    if (treeKind !== 'index' || keyOrder.length !== 1 || keyOrder[0]!.collation !== 'binary') return null
    if (keyOrder[0]!.descending) return null
    const run = this.#spare ?? new RecordRun()
    this.#spare = null
    const buffered = { root, key: new SearchKey(keyOrder), run, sumAtBytes: 0, sizeBytes: 0, capacityBytes: 0 }
    this.#byRoot.set(root, buffered)
    return buffered
  }

  #added(buffered: Buffered): void {
    const { run, sumAtBytes, capacityBytes } = buffered
    this.#isEmpty = false
    if (run.sizeBytes >= sumAtBytes || run.capacityBytes > capacityBytes) this.#sum(buffered)
  }

  #sum(buffered: Buffered): void {
    const { run } = buffered
    const { sizeBytes, capacityBytes } = run
    this.#sizeBytes += sizeBytes - buffered.sizeBytes
    this.#capacityBytes += capacityBytes - buffered.capacityBytes
    buffered.sizeBytes = sizeBytes
    buffered.capacityBytes = capacityBytes
    // The more runs, the less each may have that is not in the sum.
    buffered.sumAtBytes = sizeBytes + this.#stepBytes / this.#byRoot.size
    this.#isFull =
      this.#sizeBytes >= this.#limitBytes ||
      this.#capacityBytes >= this.#limitBytes + UNUSED_SIZE_BYTES ||
      run.isFull ||
      (run.isRising && sizeBytes >= RISING_SIZE_BYTES)
    this.#pages.reserve(Math.max(this.#sizeBytes, this.#capacityBytes))
    this.#needsTending = true
  }
}
