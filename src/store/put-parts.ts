/**
 * Puts into one map that wait: one run of records, or, when they are many and in no order, several, each for a part of the keys.
 *
 * Applied as a whole, a run that fills the memory changes each leaf of a large tree for a few records. Of several parts only
 * the largest is applied then, and the others go on collecting, so that each leaf gets up to twice as many at once.
 *
 * The parts are told apart by six bytes of the key, at the place where those that were there first began to differ. A key
 * has the same part each time, whatever it looks like, so that of equal keys the last one put wins.
 */
import { type ChunkPool, RecordRun } from '../btree/index.js'
import { bytesHead, getVarint, SearchKey, type SqlValue, serialTypeSize, varintSize } from '../format/index.js'
import type { PageNumber } from '../units.js'
import type { StoreDefinition } from './definition.js'

const PART_COUNT = 8
/** Keys that are looked at to find parts of about the same size. */
const SAMPLES_PER_PART = 16
const HEAD_SIZE = 6

export class PutParts {
  readonly root: PageNumber
  readonly key: SearchKey
  readonly #pool: ChunkPool
  #runs: RecordRun[]
  /** Heads of the first keys of all parts but the first. */
  #firstHeads: number[] = []
  /** Where heads begin in keys. */
  #headStart = 0

  /** @param run for all of them, as long as they are not divided */
  constructor({ root, keyOrder }: StoreDefinition, pool: ChunkPool, run: RecordRun) {
    this.root = root
    this.key = new SearchKey(keyOrder)
    this.#pool = pool
    this.#runs = [run]
  }

  /** In the order of their keys, as far as these are alike up to where they are told apart. */
  get runs(): readonly RecordRun[] {
    return this.#runs
  }

  /** Where a record with this key goes. */
  runOf(key: SqlValue): RecordRun {
    const runs = this.#runs
    return runs.length === 1 ? runs[0]! : runs[this.#partOf(this.#headOf(key))]!
  }

  /** Where this record goes. */
  runOfRecord(record: Uint8Array): RecordRun {
    const runs = this.#runs
    if (runs.length === 1) return runs[0]!
    const keyStart = getVarint(record, 0)
    const keyLength = serialTypeSize(getVarint(record, varintSize(record, 0)))
    return runs[this.#partOf(bytesHead(record, keyStart + this.#headStart, keyLength - this.#headStart))]!
  }

  get canDivide(): boolean {
    const [run] = this.#runs
    return this.#runs.length === 1 && !run!.isRising && run!.count >= PART_COUNT * SAMPLES_PER_PART
  }

  /** Divides the only run into parts. */
  divide(): void {
    const [whole] = this.#runs
    const count = PART_COUNT * SAMPLES_PER_PART
    const heads = Array.from({ length: count }, (_, i) => {
      whole!.turnToKey(Math.floor((i * whole!.count) / count))
      return tailHead(whole!)
    })
    heads.sort((a, b) => a - b)
    this.#headStart = whole!.shared
    this.#firstHeads = heads.filter((_, i) => i > 0 && i % SAMPLES_PER_PART === 0)
    const runs = Array.from({ length: PART_COUNT }, () => new RecordRun(this.#pool))
    whole!.moveTo((run) => runs[this.#partOf(tailHead(run))]!)
    this.#runs = runs
  }

  #partOf(head: number): number {
    const first = this.#firstHeads
    let part = 0
    while (part < first.length && head >= first[part]!) part++
    return part
  }

  /** As `tailHead` says of the key once it is in a run. */
  #headOf(key: SqlValue): number {
    const start = this.#headStart
    if (typeof key !== 'string') return key instanceof Uint8Array ? bytesHead(key, start, key.length - start) : 0
    const end = start + HEAD_SIZE
    let head = 0
    let union = 0
    for (let i = 0; i < end; i++) {
      const code = i < key.length ? key.charCodeAt(i) : 0
      union |= code
      if (i >= start) head = head * 256 + code
    }
    if (union < 0x80) return head + 0.5
    const bytes = Buffer.from(key)
    return bytesHead(bytes, start, bytes.length - start)
  }
}

function tailHead({ bytes, tailStart, keyEnd }: RecordRun): number {
  return bytesHead(bytes, tailStart, keyEnd - tailStart)
}
