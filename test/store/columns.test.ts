import test from 'ava'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import type { SqlValue } from '../../src/format/index.js'
import { affinityOf, applyAffinity, type Column, decodeValue, encodeValue } from '../../src/store/columns.js'

function column(check: Column['check'], changes: Partial<Column> = {}): Column {
  const base = {
    name: 'c',
    declaredType: '',
    affinity: 'blob',
    notNull: false,
    defaultValue: null,
    collation: 'BINARY',
  }
  return { ...(base as Omit<Column, 'check'>), check, ...changes }
}

/** Integers go to SQLite as bigint: better-sqlite3 binds every number as REAL. */
function bindable(value: SqlValue): SqlValue {
  return typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
}

test('affinities are those SQLite derives from a declared type', (t) => {
  const types = ['INT', 'BIGINT', 'CHARINT', 'VARCHAR(9)', 'CLOB', 'TEXT', 'JSON TEXT', 'BLOB', '', 'REAL', 'FLOAT']
  types.push(
    'DOUBLE PRECISION',
    'FLOATING POINT',
    'NUMERIC',
    'DECIMAL(1,2)',
    'BOOLEAN',
    'DATE',
    'JSON',
    'STRING',
    'XBLOBX',
    'point',
  )
  const db = new Database(':memory:')
  for (const type of types) {
    db.exec(`CREATE TABLE t(a ${type}); INSERT INTO t VALUES ('1'), (1), (1.5)`)
    const kinds = db.prepare('SELECT typeof(a) FROM t').pluck().all().join()
    const affinities: Record<string, string> = {
      'text,integer,real': 'blob',
      'text,text,text': 'text',
      'real,real,real': 'real',
      'integer,integer,real': 'integer numeric',
    }
    t.true(affinities[kinds]?.split(' ').includes(affinityOf(type)), `${type}: ${kinds} ${affinityOf(type)}`)
    db.exec('DROP TABLE t')
  }
  db.close()
})

const numberLike = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc.integer().map((n) => ` ${n}\n`),
  fc.constantFrom(
    '1e5',
    '+7',
    '-0',
    '.5',
    '5.',
    '0x10',
    '1_000',
    '',
    ' ',
    'Infinity',
    '12abc',
    '9223372036854775808',
    '9007199254740993',
    '1e',
    '٣',
    '\u00a05',
    '1e400',
  ),
)
const value: fc.Arbitrary<SqlValue> = fc.oneof(
  numberLike,
  fc.string({ maxLength: 4 }),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.constantFrom(2 ** 60, -(2 ** 60), 2 ** 63, 1e300, 3.0),
  fc.uint8Array({ maxLength: 3 }),
)

test('values get the storage class that SQLite gives them in a column of that affinity', (t) => {
  const db = new Database(':memory:')
  db.exec('CREATE TABLE t(integer INTEGER, real REAL, text TEXT, blob BLOB, numeric NUMERIC)')
  const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?)')
  const select = db.prepare(
    'SELECT typeof(integer) AS integer, typeof(real) AS real, typeof(text) AS text, typeof(blob) AS blob, typeof(numeric) AS numeric FROM t',
  )
  const stored = db.prepare('SELECT integer, real, numeric FROM t').safeIntegers()
  fc.assert(
    fc.property(value, (given) => {
      const bound = bindable(given)
      db.exec('DELETE FROM t')
      insert.run(bound, bound, bound, bound, bound)
      const kinds = select.get() as Record<string, string>
      const values = stored.get() as Record<string, SqlValue>
      for (const affinity of ['integer', 'real', 'text', 'blob', 'numeric'] as const) {
        const ours = applyAffinity(given, affinity)
        const kind =
          ours === null ? 'null' : typeof ours === 'string' ? 'text' : ours instanceof Uint8Array ? 'blob' : 'number'
        const theirs = kinds[affinity] === 'integer' || kinds[affinity] === 'real' ? 'number' : kinds[affinity]!
        t.is(kind, theirs, `${String(given)} as ${affinity}`)
        if (kind !== 'number' || values[affinity] === undefined) continue
        // SQLite's own reading of decimals is right to about 15 digits.
        const [a, b] = [Number(ours), Number(values[affinity])]
        t.true(a === b || Math.abs(a - b) <= Math.abs(b) * 1e-14, `${String(given)} as ${affinity}: ${a} ${b}`)
        if (affinity !== 'real' && kinds[affinity] === 'integer') t.false(Number.isNaN(a) || !Number.isInteger(a))
      }
    }),
    { numRuns: 1000 },
  )
  db.close()
})

test('the time to see that a text spells no number does not explode with its length', (t) => {
  const text = `${'1'.repeat(500_000)}x`
  const started = performance.now()
  t.is(applyAffinity(text, 'numeric'), text)
  t.true(performance.now() - started < 2000)
})

test('strict columns take their own type and nothing else', (t) => {
  const good: [Column['check'], unknown, SqlValue][] = [
    ['integer', 5, 5],
    ['integer', 2n ** 60n, 2n ** 60n],
    ['integer', 5n, 5],
    ['real', 1.5, 1.5],
    ['real', Infinity, Infinity],
    ['text', 'x', 'x'],
    ['json', { a: [1, null] }, '{"a":[1,null]}'],
    ['json', 'x', '"x"'],
    ['any', 'x', 'x'],
    ['any', 1n, 1n],
  ]
  for (const [check, given, stored] of good) t.deepEqual(encodeValue('s', column(check), given), stored)
  t.true(Object.is(encodeValue('s', column('integer'), -0), 0))
  const bad: [Column['check'], unknown][] = [
    ['integer', 1.5],
    ['integer', 2 ** 53],
    ['integer', 2n ** 63n],
    ['integer', '5'],
    ['real', Number.NaN],
    ['real', 5n],
    ['text', 5],
    ['text', true],
    ['blob', 'x'],
    ['blob', [1]],
    ['json', undefined],
    ['json', () => 1],
    ['json', 1n],
    ['any', true],
    ['any', {}],
    ['any', undefined],
    ['any', Symbol('x')],
    ['affinity', Number.NaN],
    ['affinity', new Date()],
  ]
  for (const [check, given] of bad) {
    const error = t.throws(() => encodeValue('things', column(check), given), { code: 'ENDMARK_INVALID_ARGUMENT' })
    t.regex(String(error), /store "things", column "c"/)
  }
})

test('null is for nullable columns only', (t) => {
  t.is(encodeValue('s', column('json'), null), null)
  const error = t.throws(() => encodeValue('s', column('text', { notNull: true }), null), {
    code: 'ENDMARK_CONSTRAINT',
  })
  t.regex(error.message, /store "s", column "c" is NOT NULL/)
})

test('stored values come out as their column says', (t) => {
  t.deepEqual(decodeValue('s', column('json'), '{"a":1}'), { a: 1 })
  t.is(decodeValue('s', column('json'), null), null)
  t.is(decodeValue('s', column('real', { affinity: 'real' }), 2n ** 60n), 2 ** 60)
  t.throws(() => decodeValue('s', column('json'), '{oops'), { code: 'ENDMARK_CORRUPT', message: /not JSON/ })
})
