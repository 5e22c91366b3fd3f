import test from 'ava'
import fc from 'fast-check'
import { DamagedRecord, decodeRecord, encodeRecord, RecordReader, type SqlValue } from '../../src/format/index.js'

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)),
  fc.string({ unit: 'grapheme', maxLength: 90 }),
  fc.uint8Array({ maxLength: 90 }),
)

function serialTypes(record: Uint8Array): number[] {
  return [...record.subarray(1, record[0])]
}

test('records are read back as they were written', (t) => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 150 }), fc.nat(5), (values, offset) => {
      const record = encodeRecord(values)
      const bytes = new Uint8Array(offset + record.length + 3).fill(0xaa)
      bytes.set(record, offset)
      t.deepEqual(decodeRecord(bytes, offset, record.length), values)
    }),
    { numRuns: 300 },
  )
})

test('integers take the shortest width', (t) => {
  const widths: [number | bigint, number][] = [
    [0, 8],
    [1, 9],
    [-1, 1],
    [127, 1],
    [-128, 1],
    [128, 2],
    [-32768, 2],
    [32768, 3],
    [-8388608, 3],
    [8388608, 4],
    [-(2 ** 31), 4],
    [2 ** 31, 5],
    [2 ** 47 - 1, 5],
    [-(2 ** 47), 5],
    [2 ** 47, 6],
    [2n ** 63n - 1n, 6],
    [-(2n ** 63n), 6],
    [5n, 1],
    [1.5, 7],
    [2 ** 53, 7],
    [-0, 7],
  ]
  for (const [number, serialType] of widths) t.deepEqual(serialTypes(encodeRecord([number])), [serialType], `${number}`)
  const back = decodeRecord(encodeRecord([-0, 2n ** 53n, 7n]), 0, encodeRecord([-0, 2n ** 53n, 7n]).length)
  t.true(Object.is(back[0], -0))
  t.is(back[1], 2n ** 53n)
  t.is(back[2], 7)
})

test('a header counts its own size also where that takes two bytes', (t) => {
  for (let count = 120; count < 132; count++) {
    const values = Array.from({ length: count }, (_, i) => i)
    const record = encodeRecord(values)
    t.deepEqual(decodeRecord(record, 0, record.length), values)
  }
})

test('the reader goes forth and back and ends with undefined', (t) => {
  const record = encodeRecord(['a', 2, null, 'd'])
  const reader = new RecordReader().reset(record, 0, record.length)
  t.is(reader.columnCount, 4)
  t.is(reader.column(3), 'd')
  t.is(reader.column(0), 'a')
  t.is(reader.next(), 2)
  t.is(reader.next(), null)
  t.is(reader.column(4), undefined)
  t.is(reader.column(1), 2)
})

test('lone surrogates are written as U+FFFD', (t) => {
  const record = encodeRecord(['a\ud800b', `${'x'.repeat(60)}\udc00`])
  t.deepEqual(decodeRecord(record, 0, record.length), ['a\ufffdb', `${'x'.repeat(60)}\ufffd`])
})

test('damaged records are refused and never read past their end', (t) => {
  const damaged = [
    [],
    [0],
    [3, 1],
    [2, 10, 0],
    [2, 11],
    [2, 1],
    [3, 0x81, 0x81],
    [2, 0x8f, 1],
    [0xff, 0xff, 0xff],
    [3, 15, 7, 65],
  ]
  for (const bytes of damaged) {
    t.throws(() => decodeRecord(new Uint8Array(bytes), 0, bytes.length), { instanceOf: DamagedRecord }, `${bytes}`)
  }
})

test('any bytes end with values or with DamagedRecord', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeRecord(bytes, 0, bytes.length)
      } catch (error) {
        t.true(error instanceof DamagedRecord)
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('a stored NaN reads as NULL', (t) => {
  t.deepEqual(decodeRecord(new Uint8Array([2, 7, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), 0, 10), [null])
})
