/**
 * The order of many keys that are all texts or all blobs, in plain binary order.
 *
 * Sorted are 64-bit words: five bytes of the key behind what all keys begin with, then the number of the key, which keeps
 * equal keys in the order they came in. Keys that are alike in those bytes are compared whole.
 */
import { get32 } from './bytes.js'

/** Keys by number, from 0. */
export interface NumberedKeys {
  /** At most KEY_COUNT_MAX. */
  readonly count: number
  /** Of the key that was turned to: its bytes behind those that all keys begin with are those of `bytes` from `tailStart` to `keyEnd`. */
  readonly bytes: Uint8Array
  readonly tailStart: number
  readonly keyEnd: number
  turnToKey(number: number): void
  compare(a: number, b: number): number
}

const NUMBER_BITS = 24
export const KEY_COUNT_MAX = 1 << NUMBER_BITS
const HEAD_SIZE = 5
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const LOW = IS_LITTLE_ENDIAN ? 0 : 1
const HIGH = 1 - LOW

/**
 * The numbers of the keys in the order of the keys, those of equal keys in their own.
 * @param equal of equal keys, whether all are in it, or the last only
 */
export function orderOfKeys(keys: NumberedKeys, equal: 'all' | 'last'): Uint32Array {
  const { count } = keys
  const words = new BigUint64Array(count)
  const halves = new Uint32Array(words.buffer)
  for (let number = 0; number < count; number++) {
    keys.turnToKey(number)
    const { bytes, tailStart: at, keyEnd } = keys
    const isWhole = at + HEAD_SIZE <= keyEnd
    halves[2 * number + HIGH] = isWhole ? get32(bytes, at) : shortHead(bytes, at, keyEnd)
    const fifth = at + HEAD_SIZE <= keyEnd ? bytes[at + HEAD_SIZE - 1]! : 0
    halves[2 * number + LOW] = ((fifth << NUMBER_BITS) | number) >>> 0
  }
  words.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = halves[2 * i + LOW]! & (KEY_COUNT_MAX - 1)
  return order.subarray(0, settleTies(halves, order, keys, equal))
}

/** The first four bytes, those from `end` on as zeros. */
function shortHead(bytes: Uint8Array, from: number, end: number): number {
  let head = 0
  for (let at = from; at < from + HEAD_SIZE - 1; at++) head = (head << 8) | (at < end ? bytes[at]! : 0)
  return head >>> 0
}

/**
 * Sorts each run of keys that are alike in their words by the whole keys.
 * @returns how many numbers are left at the beginning of the order
 */
function settleTies(halves: Uint32Array, order: Uint32Array, keys: NumberedKeys, equal: 'all' | 'last'): number {
  let left = 0
  let start = 0
  for (let i = 1; i <= order.length; i++) {
    const isTie =
      i < order.length &&
      halves[2 * i + HIGH] === halves[2 * start + HIGH] &&
      halves[2 * i + LOW]! >>> NUMBER_BITS === halves[2 * start + LOW]! >>> NUMBER_BITS
    if (isTie) continue
    if (i - start > 1) order.subarray(start, i).sort((a, b) => keys.compare(a, b) || a - b)
    for (let at = start; at < i; at++) {
      const isLeft = equal === 'all' || at + 1 === i || keys.compare(order[at]!, order[at + 1]!) !== 0
      if (isLeft) order[left++] = order[at]!
    }
    start = i
  }
  return left
}
