/**
 * Many changes in the order of their keys. Put one after the other at random places, they would search the whole tree for each
 * and split its pages half full; in order, each goes next to the one before.
 *
 * Sorted are 64-bit words: five bytes of the key behind what all keys begin with, then the number of the change, which keeps
 * changes of one key in their order. Keys that are alike in those bytes are compared whole.
 */
import { compareBytes, getVarint, SERIAL_BLOB, serialTypeSize, varintSize } from '../format/index.js'
import type { DeleteOperation, PutOperation } from './operation.js'

type KeyedOperation = PutOperation | DeleteOperation

/** With fewer it is not worth it. */
const COUNT_MIN = 64
const NUMBER_BITS = 24
const COUNT_MAX = 1 << NUMBER_BITS
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const LOW = IS_LITTLE_ENDIAN ? 0 : 1
const HIGH = 1 - LOW

/**
 * The operations sorted by key, those of one key in the order given; as given where that cannot be done fast: keys that are not
 * all texts or all blobs of one column.
 */
export function sortByKey(operations: readonly KeyedOperation[]): readonly KeyedOperation[] {
  const count = operations.length
  if (count < COUNT_MIN || count > COUNT_MAX) return operations
  const keys = new Keys(operations)
  if (!keys.areAlike || keys.areSorted) return operations
  const words = new BigUint64Array(count)
  const halves = new Uint32Array(words.buffer)
  for (let i = 0; i < count; i++) {
    halves[2 * i + HIGH] = keys.part(i, 0, 4)
    halves[2 * i + LOW] = ((keys.part(i, 4, 1) << NUMBER_BITS) | i) >>> 0
  }
  words.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = halves[2 * i + LOW]! & (COUNT_MAX - 1)
  sortTies(halves, order, keys)
  return Array.from(order, (number) => operations[number]!)
}

/** Sorts each run of keys that are alike in their words by the whole keys. */
function sortTies(halves: Uint32Array, order: Uint32Array, keys: Keys): void {
  let start = 0
  for (let i = 1; i <= order.length; i++) {
    const isTie =
      i < order.length &&
      halves[2 * i + HIGH] === halves[2 * start + HIGH] &&
      halves[2 * i + LOW]! >>> NUMBER_BITS === halves[2 * start + LOW]! >>> NUMBER_BITS
    if (isTie) continue
    if (i - start > 1) order.subarray(start, i).sort((a, b) => keys.compare(a, b) || a - b)
    start = i
  }
}

/** Where the keys stand in the records of operations. */
class Keys {
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

  /** Bytes from `from` on, behind the shared ones, as a number; missing ones count as zero. */
  part(index: number, from: number, count: number): number {
    const record = this.#records[index]!
    const start = this.#starts[index]! + this.#shared + from
    const end = this.#starts[index]! + this.#lengths[index]!
    let part = 0
    for (let at = start; at < start + count; at++) part = part * 256 + (at < end ? record[at]! : 0)
    return part
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
