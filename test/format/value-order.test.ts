import test from 'ava'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { type Collation, compareValues, encodeRecord, SearchKey, type SqlValue } from '../../src/format/index.js'

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('a', 'A', ' ', 'b', 'é', '\u0000', '\uffff', '😀', 'Z', '['), maxLength: 5 }),
)
const number = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.constantFrom<number | bigint>(
    2 ** 53,
    2n ** 53n,
    2n ** 53n + 1n,
    -(2 ** 53),
    2 ** 63,
    2n ** 63n - 1n,
    -(2n ** 63n),
  ),
  fc.constantFrom(Infinity, -Infinity, 9007199254740991, 0.5, -0),
)
const value: fc.Arbitrary<SqlValue> = fc.oneof(fc.constant(null), number, text, fc.uint8Array({ maxLength: 5 }))
const collation = fc.constantFrom<Collation>('binary', 'nocase', 'rtrim')

/** Integers go to SQLite as bigint: better-sqlite3 binds every number as REAL. */
function bindable(v: SqlValue): SqlValue {
  return typeof v === 'number' && Number.isSafeInteger(v) && !Object.is(v, -0) ? BigInt(v) : v
}

test('values are ordered as SQLite orders them, in every collation', (t) => {
  const db = new Database(':memory:')
  const queries = new Map<Collation, Database.Statement>()
  for (const name of ['binary', 'nocase', 'rtrim'] as const) {
    // A column of no affinity on either side, so that no conversion takes part.
    const sql = `WITH v(i, x) AS (SELECT 0, ? UNION ALL SELECT 1, ?) SELECT DENSE_RANK() OVER (ORDER BY x COLLATE ${name}) AS r FROM v ORDER BY i`
    queries.set(name, db.prepare(sql))
  }
  fc.assert(
    fc.property(value, value, collation, (a, b, name) => {
      const [first, second] = queries.get(name)!.all(bindable(a), bindable(b)) as [{ r: number }, { r: number }]
      t.is(Math.sign(compareValues(a, b, name)), Math.sign(first.r - second.r), `${name}: ${String(a)} ${String(b)}`)
    }),
    { numRuns: 3000 },
  )
  db.close()
})

test('a key compares with a record as its values do', (t) => {
  const column = fc.record({ collation, descending: fc.boolean() })
  const rows = fc
    .array(column, { minLength: 1, maxLength: 4 })
    .chain((order) =>
      fc.tuple(
        fc.constant(order),
        fc.array(value, { maxLength: order.length }),
        fc.array(value, { minLength: order.length, maxLength: order.length + 1 }),
      ),
    )
  fc.assert(
    fc.property(rows, ([order, keyValues, recordValues]) => {
      let expected = 0
      for (let i = 0; i < keyValues.length && expected === 0; i++) {
        expected = compareValues(keyValues[i]!, recordValues[i]!, order[i]!.collation)
        if (order[i]!.descending) expected = 0 - expected
      }
      const record = encodeRecord(recordValues)
      const key = new SearchKey(order)
      t.is(Math.sign(key.set(keyValues).compareRecord(record, 0, record.length)), Math.sign(expected))
      const keyRecord = encodeRecord(keyValues)
      key.setFromRecord(keyRecord, 0, keyRecord.length, keyValues.length)
      t.is(Math.sign(key.compareRecord(record, 0, record.length)), Math.sign(expected))
    }),
    { numRuns: 2000 },
  )
})

test('a single text is compared in place, also when record headers are long', (t) => {
  const order = [{ collation: 'binary', descending: false }] as const
  const texts = ['', 'a', 'ab', 'b', 'é', 'x'.repeat(50), 'x'.repeat(51), 'x'.repeat(9000), '\uffff', '😀']
  for (const a of texts) {
    const key = new SearchKey(order).setValue(a)
    for (const b of texts) {
      const record = encodeRecord([b, ...Array.from({ length: 130 }, () => null)])
      t.is(
        Math.sign(key.compareRecord(record, 0, record.length)),
        Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
    }
  }
})

test('a key can be set again after another value and with more columns', (t) => {
  const order = [
    { collation: 'nocase', descending: false },
    { collation: 'binary', descending: true },
  ] as const
  const record = encodeRecord(['Abc', 5])
  const key = new SearchKey(order)
  t.is(key.set(['aBC']).compareRecord(record, 0, record.length), 0)
  t.true(key.set(['abc', 4]).compareRecord(record, 0, record.length) > 0)
  t.is(key.set(['abc', 5]).compareRecord(record, 0, record.length), 0)
  t.is(key.set([]).compareRecord(record, 0, record.length), 0)
  t.true(key.setValue(null).compareRecord(record, 0, record.length) < 0)
  t.true(key.set(['x'.repeat(500), 'y'.repeat(500)]).compareRecord(record, 0, record.length) > 0)
})

test('damaged records are reported by comparisons, plain and not', (t) => {
  const order = [{ collation: 'binary', descending: false }] as const
  const key = SearchKey.of(['abc'], order)
  for (const bytes of [[], [1], [2, 10], [2, 99, 1], [2, 0x81, 0x00], [9, 13], [2, 0x80, 13], [3, 0x82, 0x81, 1]]) {
    t.throws(() => key.compareRecord(new Uint8Array(bytes), 0, bytes.length), { name: 'DamagedRecord' }, `${bytes}`)
  }
})
