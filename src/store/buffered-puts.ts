/**
 * Puts into maps that wait to be applied together, in the order of their keys: put one after the other at random places, they
 * would search the whole tree for each and change its pages again and again.
 *
 * Puts into one map take effect as if each had been applied at once, the last of equal keys winning, and puts into different maps
 * do not meet. So nobody sees a difference as long as all are applied before anything else is done with these pages
 * (TXN-10): that is the caller's part.
 *
 * When they take too much memory, the largest run of them is applied, or divided first (put-parts).
 *
 * Only maps whose keys are ordered as plain bytes are buffered, by records that are not too long. Memory: up to three quarters of what the
 * batch may change in memory, taken off from what its pages may.
 */
import { ChunkPool, putRun, RecordRun, RUN_RECORD_SIZE_MAX } from '../btree/index.js'
import type { SqlValue } from '../format/index.js'
import type { WritePages } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { StoreDefinition } from './definition.js'
import { type PutOperation, writableStore } from './operation.js'
import type { OrderedMap, RunSource } from './ordered-map.js'
import { PutParts } from './put-parts.js'
import type { Schema } from './schema.js'

/** Keys that come in order gain nothing from waiting; so many bytes of them stay in the caches of the processor. */
const RISING_SIZE_BYTES = 1 << 18
/** After how many bytes in all it is looked whether they are too many. */
const STEP_SIZE_BYTES = 1 << 16
/** What one map may take though few puts into it wait. */
const MAP_SIZE_BYTES = 1 << 19

/** So many records that went to one place have filled pages that nothing else comes to soon. */
const FILLING_COUNT = 128

export class BufferedPuts implements RunSource {
  readonly #pages: WritePages
  readonly #limitBytes: number
  readonly #stepBytes: number
  readonly #mapsMax: number
  readonly #pool = new ChunkPool()
  /** By the root of the tree: there may be several handles of one map. */
  readonly #byRoot = new Map<PageNumber, PutParts>()
  /** The map of the last put, and its puts; null if those into it do not wait. */
  #map: object | null = null
  #parts: PutParts | null = null
  /** Of records that were put in since it was last looked. */
  #newBytes = 0
  #isEmpty = true
  /** One that can be used again. */
  #spare: RecordRun | null = null

  constructor(pages: WritePages) {
    this.#pages = pages
    this.#limitBytes = Math.floor((pages.limitBytes * 3) / 4)
    this.#stepBytes = Math.min(STEP_SIZE_BYTES, this.#limitBytes >>> 3)
    this.#mapsMax = Math.ceil(this.#limitBytes / MAP_SIZE_BYTES)
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  /** Whether `tend` has to be called before the next put. */
  get needsTending(): boolean {
    return this.#newBytes >= this.#stepBytes
  }

  /**
   * Buffers a put into a map.
   * @param schema the same for all that wait
   * @returns null, or the operation if it has to be applied alone, after all that wait
   * @throws as `OrderedMap.put` does for its arguments: then nothing was buffered
   */
  put<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema, key: Key, value: Value): PutOperation | null {
    return map.putInto(this, schema, key, value)
  }

  runOf<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema, key: SqlValue): RecordRun | null {
    if (typeof key !== 'string' && !(key instanceof Uint8Array)) return null
    if (map !== this.#map) this.#turnTo(map, schema)
    return this.#parts === null ? null : this.#parts.runOf(key)
  }

  added({ cellSize }: RecordRun): void {
    this.#isEmpty = false
    this.#newBytes += cellSize
  }

  /**
   * Buffers the record of an operation.
   * @returns false if it has to be applied alone, after all that wait
   */
  putRecord(schema: Schema, operation: PutOperation): boolean {
    const { type, record } = operation
    if (record.length > RUN_RECORD_SIZE_MAX || type !== 'put') return false
    const run = this.#partsIn(writableStore(schema, operation))?.runOfRecord(record)
    if (run === undefined) return false
    run.begin(record.length)
    run.bytes.set(record, run.recordStart)
    if (!run.end()) return false
    this.added(run)
    return true
  }

  /**
   * Applies all that waits.
   * @throws ENDMARK_CORRUPT, ENDMARK_IO, and what spilling throws: the pages must be rolled back then, and nothing waits any more
   */
  apply(): void {
    if (this.#isEmpty) return
    try {
      for (const parts of this.#byRoot.values()) for (const run of parts.runs) this.#applyRun(parts, run)
    } finally {
      this.drop()
    }
  }

  /**
   * Keeps to what may be in memory: applies some of what waits, or lets pages go to make room for it.
   * @throws as `apply`
   */
  tend(): void {
    this.#newBytes = 0
    try {
      for (const parts of this.#byRoot.values()) {
        for (const run of parts.runs) {
          if (run.isFull || (run.isRising && run.sizeBytes >= RISING_SIZE_BYTES)) this.#applyRun(parts, run)
        }
      }
      while (this.#sizeBytes() >= this.#limitBytes) this.#relieve()
      this.#pages.reserve(Math.max(this.#sizeBytes(), this.#pool.sizeBytes))
      this.#pages.relieve()
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /** Throws away all that waits. */
  drop(): void {
    for (const { runs } of this.#byRoot.values()) {
      for (const run of runs) run.clear()
      this.#spare = runs[0]!
    }
    // What is done next may be anything.
    this.#byRoot.clear()
    this.#map = null
    this.#parts = null
    this.#pool.drop()
    this.#newBytes = 0
    this.#isEmpty = true
    this.#pages.reserve(0)
  }

  /** Applies the largest run, or divides it. */
  #relieve(): void {
    let largest: { readonly parts: PutParts; readonly run: RecordRun } | null = null
    for (const parts of this.#byRoot.values()) {
      for (const run of parts.runs) {
        if (largest === null || run.sizeBytes > largest.run.sizeBytes) largest = { parts, run }
      }
    }
    if (largest!.parts.canDivide) largest!.parts.divide()
    else this.#applyRun(largest!.parts, largest!.run)
  }

  #applyRun({ root, key }: PutParts, run: RecordRun): void {
    run.sort()
    for (let put = 0; put < run.count; ) {
      const before = put
      put = putRun(this.#pages, root, key, run, put)
      // Pages that got few records may get others soon.
      if (put - before >= FILLING_COUNT) this.#pages.relieveFilled()
      else this.#pages.relieve()
    }
    run.clear()
  }

  #sizeBytes(): number {
    let size = 0
    for (const { runs } of this.#byRoot.values()) for (const run of runs) size += run.sizeBytes
    return size
  }

  #turnTo<Key, Value>(map: OrderedMap<Key, Value>, schema: Schema): void {
    this.#parts = this.#partsIn(map.writableDefinition(schema))
    this.#map = map
  }

  #partsIn(definition: StoreDefinition): PutParts | null {
    const { root, keyOrder, treeKind } = definition
    const known = this.#byRoot.get(root)
    if (known !== undefined) return known
    if (treeKind !== 'index' || keyOrder.length !== 1 || keyOrder[0]!.collation !== 'binary') return null
    if (keyOrder[0]!.descending) return null
    // The put is applied alone, after all that wait: then there is room again.
    if (this.#byRoot.size >= this.#mapsMax) return null
    const parts = new PutParts(definition, this.#pool, this.#spare ?? new RecordRun(this.#pool))
    this.#spare = null
    this.#byRoot.set(root, parts)
    return parts
  }
}
