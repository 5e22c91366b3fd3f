/**
 * Many changes in the order of their keys. Put one after the other at random places, they would search the whole tree for each
 * and split its pages half full; in order, each goes next to the one before.
 */
import {
  compareBytes,
  getVarint,
  KEY_COUNT_MAX,
  type NumberedKeys,
  orderOfKeys,
  SERIAL_BLOB,
  serialTypeSize,
  varintSize,
} from '../format/index.js'
import type { DeleteOperation, PutOperation } from './operation.js'

type KeyedOperation = PutOperation | DeleteOperation

/** With fewer it is not worth it. */
const COUNT_MIN = 64

/**
 * The operations sorted by key, those of one key in the order given; as given where that cannot be done fast: keys that are not
 * all texts or all blobs of one column.
 */
export function sortByKey(operations: readonly KeyedOperation[]): readonly KeyedOperation[] {
  const { length } = operations
  if (length < COUNT_MIN || length > KEY_COUNT_MAX) return operations
  const keys = new Keys(operations)
  if (!keys.areAlike || keys.areSorted) return operations
  return Array.from(orderOfKeys(keys, 'all'), (number) => operations[number]!)
}

/** Where the keys stand in the records of operations. */
class Keys implements NumberedKeys {
  readonly count: number
  bytes: Uint8Array = new Uint8Array(0)
  tailStart = 0
  keyEnd = 0
  readonly #records: Uint8Array[] = []
  readonly #starts: Uint32Array
  readonly #lengths: Uint32Array
  /** Bytes that all keys begin with. */
  #shared = Number.POSITIVE_INFINITY
  /** All keys are texts, or all are blobs. */
  readonly areAlike: boolean
  /** None is less than the one before. */
  areSorted = true

  constructor(operations: readonly KeyedOperation[]) {
    this.count = operations.length
    this.#starts = new Uint32Array(operations.length)
    this.#lengths = new Uint32Array(operations.length)
    let parity = -1
    let isAlike = true
    for (let i = 0; i < operations.length && isAlike; i++) {
      const operation = operations[i]!
      const record = operation.type === 'delete' ? operation.key! : operation.record
      const typeAt = varintSize(record, 0)
      const serialType = getVarint(record, typeAt)
      if (parity < 0) parity = serialType & 1
      isAlike = serialType >= SERIAL_BLOB && (serialType & 1) === parity
      this.#records.push(record)
      this.#starts[i] = getVarint(record, 0)
      this.#lengths[i] = serialTypeSize(serialType)
      if (i > 0) this.#follow(i)
    }
    this.areAlike = isAlike
  }

  /** Compares with the key before: what all begin with, each and the next one do. */
  #follow(index: number): void {
    const record = this.#records[index]!
    const before = this.#records[index - 1]!
    const start = this.#starts[index]!
    const startBefore = this.#starts[index - 1]!
    const lengthBefore = this.#lengths[index - 1]!
    const limit = Math.min(lengthBefore, this.#lengths[index]!)
    let length = 0
    while (length < limit && record[start + length] === before[startBefore + length]) length++
    if (length < this.#shared) this.#shared = length
    const isLess = length < limit ? record[start + length]! < before[startBefore + length]! : limit < lengthBefore
    if (isLess) this.areSorted = false
  }

  turnToKey(index: number): void {
    const start = this.#starts[index]!
    this.bytes = this.#records[index]!
    this.tailStart = start + this.#shared
    this.keyEnd = start + this.#lengths[index]!
  }

  compare(a: number, b: number): number {
    return compareBytes(
      this.#records[a]!,
      this.#starts[a]!,
      this.#lengths[a]!,
      this.#records[b]!,
      this.#starts[b]!,
      this.#lengths[b]!,
    )
  }
}
