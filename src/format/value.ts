/**
 * The values a SQLite record can hold, as JavaScript sees them, and the two conversions JavaScript has no
 * operator for: 64-bit integers from halves, and doubles from big-endian bytes.
 *
 * An integer is a `number` while that is exact (up to 2^53 - 1 in either direction) and a `bigint` only beyond,
 * always: a value has one representation, so that results of reads can be compared with `===`.
 */
import { get32, put32 } from './bytes.js'

export type SqlValue = null | number | bigint | string | Uint8Array

export const INT64_MIN = -(2n ** 63n)
export const INT64_MAX = 2n ** 63n - 1n

const TWO_TO_32 = 0x100000000
/** High halves of all safe integers lie in [-2^21, 2^21). */
const SAFE_HIGH_LIMIT = 0x200000

/**
 * The signed 64-bit integer with these halves (two's complement; the signs of both arguments are ignored).
 * @returns `number` when safe, else `bigint`
 */
export function integerFromHalves(high: number, low: number): number | bigint {
  const signedHigh = high | 0
  const unsignedLow = low >>> 0
  if (signedHigh >= -SAFE_HIGH_LIMIT && signedHigh < SAFE_HIGH_LIMIT) {
    const value = signedHigh * TWO_TO_32 + unsignedLow
    if (Number.isSafeInteger(value)) return value
  }
  return (BigInt(signedHigh) << 32n) | BigInt(unsignedLow)
}

/** The same integer as a `number` when that is exact. */
export function normalizeInteger(value: bigint): number | bigint {
  const asNumber = Number(value)
  return Number.isSafeInteger(asNumber) ? asNumber : value
}

/** Bits 32 to 63 of an integer, as an unsigned number. */
export function highHalf(value: number | bigint): number {
  if (typeof value === 'number') return Math.floor(value / TWO_TO_32) >>> 0
  return Number((value >> 32n) & 0xffffffffn)
}

/** Bits 0 to 31 of an integer, as an unsigned number. */
export function lowHalf(value: number | bigint): number {
  return typeof value === 'number' ? value >>> 0 : Number(value & 0xffffffffn)
}

// One double and its two halves: moves bits between the two without an allocation.
const float = new Float64Array(1)
const halves = new Uint32Array(float.buffer)
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0
const LOW = 1 - HIGH

export function getFloat64(bytes: Uint8Array, offset: number): number {
  halves[HIGH] = get32(bytes, offset)
  halves[LOW] = get32(bytes, offset + 4)
  return float[0]!
}

export function putFloat64(bytes: Uint8Array, offset: number, value: number): void {
  float[0] = value
  put32(bytes, offset, halves[HIGH]!)
  put32(bytes, offset + 4, halves[LOW]!)
}
