import test from 'ava'
import fc from 'fast-check'
import {
  getRowid,
  getVarint,
  putRowid,
  putVarint,
  rowidSizeOf,
  varintSize,
  varintSizeOf,
} from '../../src/format/index.js'

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

/** The format as SQLite's documentation words it, with no regard for speed. */
function referenceEncoding(value: bigint): number[] {
  const unsigned = BigInt.asUintN(64, value)
  if (unsigned >= 1n << 56n) {
    const bytes = [Number(unsigned & 0xffn)]
    for (let rest = unsigned >> 8n; bytes.length < 9; rest >>= 7n) bytes.unshift(Number(rest & 0x7fn) | 0x80)
    return bytes
  }
  const bytes = [Number(unsigned & 0x7fn)]
  for (let rest = unsigned >> 7n; rest > 0n; rest >>= 7n) bytes.unshift(Number(rest & 0x7fn) | 0x80)
  return bytes
}

function normal(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

test('every 64-bit integer is written as the format says and read back', (t) => {
  const powers = Array.from({ length: 64 }, (_, i) => [2n ** BigInt(i) - 1n, -(2n ** BigInt(i)), 2n ** BigInt(i % 63)])
  const check = (value: bigint): void => {
    const bytes = new Uint8Array(20).fill(0xee)
    const rowid = normal(value)
    const end = putRowid(bytes, 3, rowid)
    t.deepEqual([...bytes.subarray(3, end)], referenceEncoding(value))
    t.is(end - 3, rowidSizeOf(rowid))
    t.is(end - 3, varintSize(bytes, 3))
    t.is(getRowid(bytes, 3), rowid)
    t.is(bytes[end], 0xee)
  }
  for (const value of powers.flat()) check(value)
  fc.assert(fc.property(int64, check), { numRuns: 500 })
})

test('counts and sizes are read back as numbers', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.maxSafeNat()), (value) => {
      const bytes = new Uint8Array(9)
      const end = putVarint(bytes, 0, value)
      t.is(end, varintSizeOf(value))
      t.is(varintSize(bytes, 0), end)
      t.is(getVarint(bytes, 0), value)
    }),
  )
})

test('an absurd size saturates instead of wrapping around', (t) => {
  t.is(getVarint(new Uint8Array(9).fill(0xff), 0), Number.MAX_SAFE_INTEGER)
  const bytes = new Uint8Array(9)
  putRowid(bytes, 0, 2n ** 53n)
  t.is(getVarint(bytes, 0), Number.MAX_SAFE_INTEGER)
})

test('a varint cut off by the end of the array ends after nine bytes', (t) => {
  for (let length = 0; length < 9; length++) {
    const bytes = new Uint8Array(length).fill(0x81)
    t.is(varintSize(bytes, 0), 9)
    t.true(getVarint(bytes, 0) >= 0)
    t.notThrows(() => getRowid(bytes, 0))
  }
})
