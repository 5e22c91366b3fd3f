/**
 * Requests from a socket: whatever comes, the writing side neither crashes nor stores anything that SQLite's integrity check
 * would find wrong, and a request that could not have been made by a client of ours is refused.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { EndmarkError } from '../../src/errors.js'
import { encodeRecord } from '../../src/format/index.js'
import { definitionOfNew, type SqlValue } from '../../src/store/index.js'
import type { ClientHandle, CommitRequest, Outcome, Step } from '../../src/txn/index.js'
import { type Engine, FIRST_CLIENT, NO_STATE, openEngine } from '../support/engine.js'
import { temporaryPath } from '../support/open-database.js'
import { integrityCheck, type Referee, startReferee } from '../support/referee.js'

const SEED = Number(process.env.ENDMARK_TEST_SEED ?? 20_250_103)

/** Stores of every layout; the last two as another program has made them. */
const FOREIGN_SQL = `
  CREATE TABLE affinities(a INTEGER PRIMARY KEY, i INTEGER, n NUMERIC, r REAL, t TEXT NOT NULL, b BLOB, v);
  CREATE TABLE folded(k TEXT COLLATE NOCASE, d INT, PRIMARY KEY(k, d DESC)) WITHOUT ROWID`

interface Writer {
  readonly path: string
  readonly engine: Engine
  readonly referee: Referee
  readonly client: ClientHandle
  readonly layouts: ReadonlyMap<string, number>
}

async function openWriter(t: ExecutionContext<unknown>): Promise<Writer> {
  const path = temporaryPath(t)
  const engine = openEngine(t, path)
  await engine.map('texts', { key: 'text', value: 'json' })
  await engine.map('any', { key: 'any', value: 'any' })
  await engine.table('rows', {
    columns: { id: 'integer', i: 'integer', r: 'real', t: 'text', b: 'blob', j: 'json' },
    primaryKey: 'id',
  })
  await engine.table('pairs', { columns: { x: 'integer', y: 'text', z: 'any' }, primaryKey: ['y', 'x'] })
  const referee = await startReferee(t, path)
  await referee.exec(FOREIGN_SQL)
  const schema = engine.schema()
  const names = ['texts', 'any', 'rows', 'pairs', 'affinities', 'folded']
  const layouts = new Map(names.map((name) => [name, schema.require(name).layoutDigest]))
  return { path, engine, referee, client: engine.requests.attach(FIRST_CLIENT), layouts }
}

let lastNumber = 0

/** @returns the answer, or the refusal at the door */
function send({ client }: Writer, request: unknown): Promise<Outcome | EndmarkError> {
  return new Promise((resolve) => {
    try {
      client.submit(request as CommitRequest, (number, outcome) => {
        client.acknowledge(number)
        resolve(outcome)
      })
    } catch (error) {
      resolve(error as EndmarkError)
    }
  })
}

function requestOf(steps: readonly unknown[], more: object = {}) {
  return { number: ++lastNumber, synchronous: 'off', steps, base: null, wantsResults: true, ...more }
}

const sendSteps = (writer: Writer, ...steps: Step[]) => send(writer, requestOf(steps))

function putOf({ layouts }: Writer, store: string, values: readonly SqlValue[], rowid: number | null = null): Step {
  return { type: 'put', store, layout: layouts.get(store)!, rowid, record: encodeRecord(values) }
}

test('a record is taken only if its store can hold it', async (t) => {
  const writer = await openWriter(t)
  const good: [string, readonly SqlValue[], (number | null)?][] = [
    ['texts', ['key', '{}']],
    ['texts', ['ключ', null]],
    ['any', [1.5, new Uint8Array(2000)]],
    ['rows', [null, 1, 2, 'three', new Uint8Array([4]), '5'], 6],
    ['rows', [null, null, 2.5, null, null, null]],
    ['pairs', ['y', 2 ** 40, -0.5]],
    ['affinities', [null, 1, 1.5, 2.5, 'text', new Uint8Array(1), 'v'], 1],
    ['affinities', [null, 'no number', 'no number', 'no number', '1', null, null], 2],
    ['folded', ['KEY', 1]],
  ]
  for (const [store, values, rowid] of good) {
    t.like(await sendSteps(writer, putOf(writer, store, values, rowid)), { kind: 'committed' }, `${store} ${values}`)
  }
  const bad: [string, readonly SqlValue[], (number | null)?][] = [
    ['texts', ['key']],
    ['texts', ['key', '1', '2']],
    ['texts', [null, '1']],
    ['texts', [1, '1']],
    ['texts', ['key', 1]],
    ['texts', ['key', new Uint8Array(1)]],
    ['texts', ['key', '1'], 7],
    ['any', [null, 1]],
    ['rows', [7, 1, 2, 'three', null, null], 7],
    ['rows', [null, 1.5, 2, 'three', null, null], 7],
    ['rows', [null, 1, 'two', 'three', null, null], 7],
    ['rows', [null, 1, 2, 3, null, null], 7],
    ['rows', [null, 1, 2, 'three', 'four', null], 7],
    ['pairs', [1, 'y', null]],
    ['affinities', [null, '12', 1, 1, 't', null, null], 7],
    ['affinities', [null, 1, ' 1.5 ', 1, 't', null, null], 7],
    ['affinities', [null, 1, 1, '1e3', 't', null, null], 7],
    ['affinities', [null, 1, 1, 1, 5, null, null], 7],
    ['affinities', [null, 1, 1, 1, null, null, null], 7],
    ['affinities', [null, -0, 1, 1, 't', null, null], 7],
    ['folded', [null, 1]],
    ['folded', ['key', '1']],
  ]
  for (const [store, values, rowid] of bad) {
    const outcome = await sendSteps(writer, putOf(writer, store, values, rowid))
    t.like(outcome, { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' }, `${store} ${values}`)
  }
  t.is(await writer.referee.integrityCheck(), 'ok')
})

test('an update names columns that can be changed, with a value for each, and a place that there is', async (t) => {
  const writer = await openWriter(t)
  const layout = writer.layouts.get('pairs')!
  await sendSteps(writer, putOf(writer, 'pairs', ['y', 1, 'z']))
  const update = (places: number[], values: SqlValue[], key: SqlValue[] = ['y', 1], rowid: number | null = null) =>
    sendSteps(writer, {
      type: 'update',
      store: 'pairs',
      layout,
      rowid,
      key: rowid === null ? encodeRecord(key) : null,
      places,
      record: encodeRecord(values),
    })
  t.like(await update([2], [7]), { kind: 'committed' })
  for (const bad of [
    update([1], [7]),
    update([0, 2], ['y', 7]),
    update([2, 2], [1, 2]),
    update([3], [7]),
    update([2], []),
    update([2], [1, 2]),
    update([2], [7], ['y']),
    update([2], [7], ['y', 1, 2]),
    update([2], [7], [], 5),
  ]) {
    t.like(await bad, { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' })
  }
  t.is(await writer.referee.integrityCheck(), 'ok')
})

test('a store is created only as map and table would have worded it', async (t) => {
  const writer = await openWriter(t)
  const create = (store: string, sql: string) => sendSteps(writer, { type: 'create', store, sql })
  const map = 'CREATE TABLE "new"("key" TEXT NOT NULL PRIMARY KEY, "value" JSON TEXT) WITHOUT ROWID'
  t.like(await create('new', map), { kind: 'committed', results: [{ existed: false, rowid: null }] })
  t.like(await create('new', map), { kind: 'committed', results: [{ existed: true, rowid: null }] })
  t.like(await create('t1', 'CREATE TABLE "t1"("a" INTEGER PRIMARY KEY, "b")'), { kind: 'committed' })
  for (const [store, sql] of [
    ['other', map],
    ['bad', 'CREATE TABLE bad(a)'],
    ['bad', 'CREATE TABLE "bad"("a" INTEGER PRIMARY KEY, "b" TEXT CHECK(b))'],
    ['bad', 'CREATE TABLE "bad"("a" INTEGER PRIMARY KEY, "b" VARCHAR)'],
    ['bad', 'CREATE TABLE "bad"("key" JSON TEXT NOT NULL PRIMARY KEY, "value") WITHOUT ROWID'],
    ['bad', 'CREATE TABLE "bad"("a" INTEGER PRIMARY KEY, "A" TEXT)'],
    ['bad', 'CREATE TABLE "bad"("a" INTEGER PRIMARY KEY);'],
    ['bad', 'CREATE TABLE "bad"()'],
    ['bad', 'CREATE TABLE "bad"("a" INTEGER, "b" TEXT)'],
    ['bad', 'not SQL'],
    ['sqlite_bad', 'CREATE TABLE "sqlite_bad"("a" INTEGER PRIMARY KEY)'],
    ['nul\0', 'CREATE TABLE "nul\0"("a" INTEGER PRIMARY KEY)'],
    ['', 'CREATE TABLE ""("a" INTEGER PRIMARY KEY)'],
  ] as const) {
    t.like(await create(store, sql), { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' }, sql)
  }
  t.is(await writer.referee.integrityCheck(), 'ok')
})

test('a store made in a savepoint that was undone is not mixed up with the next one', async (t) => {
  const writer = await openWriter(t)
  const create = (type: string): Step => ({ type: 'create', store: 'new', sql: sqlOf(type) })
  const sqlOf = (type: string) => `CREATE TABLE "new"("key" ${type} NOT NULL PRIMARY KEY, "value" TEXT) WITHOUT ROWID`
  const put = (type: string, key: SqlValue): Step => {
    const layout = definitionOfNew({ name: 'new', sql: sqlOf(type) }).layoutDigest
    return { type: 'put', store: 'new', layout, rowid: null, record: encodeRecord([key, null]) }
  }
  const undone = [{ type: 'savepoint' }, create('TEXT'), put('TEXT', 'a'), { type: 'rollback' }] as const
  t.like(await sendSteps(writer, ...undone, create('INTEGER'), put('INTEGER', 1)), { kind: 'committed' })
  t.deepEqual(await writer.referee.all('SELECT key FROM new'), [{ key: 1 }])
})

test('what is no request is refused at the door', async (t) => {
  const writer = await openWriter(t)
  const layout = writer.layouts.get('texts')!
  const record = encodeRecord(['key', '1'])
  const put = { type: 'put', store: 'texts', layout, rowid: null, record }
  const key = encodeRecord(['key'])
  const place = { store: 'texts', layout, rowid: null, key }
  const range = { type: 'range', range: 0, store: 'texts', layout, lower: null, upper: null }
  const flags = { isLowerOpen: true, isUpperOpen: true, reverse: false }
  const next = { type: 'next', range: 0, count: 1, digest: [1, 2], ended: true }
  const steps: unknown[][] = [
    [null],
    ['put'],
    [{}],
    [{ ...put, type: 'replace' }],
    [{ ...put, type: 'constructor' }],
    [{ ...put, store: 7 }],
    [{ ...put, layout: -1 }],
    [{ ...put, layout: 2 ** 32 }],
    [{ ...put, rowid: 1.5 }],
    [{ ...put, rowid: -0 }],
    [{ ...put, rowid: 5n }],
    [{ ...put, rowid: 2n ** 63n }],
    [{ ...put, record: [...record] }],
    [{ ...put, record: new Uint8Array(0) }],
    [{ ...put, record: record.subarray(0, -1) }],
    [{ ...put, record: Buffer.concat([record, Buffer.alloc(1)]) }],
    [{ type: 'delete', ...place, key: null }],
    [{ type: 'delete', ...place, rowid: 1 }],
    [{ type: 'update', ...place, places: [0.5], record }],
    [{ type: 'update', ...place, places: 'all', record }],
    [{ type: 'create', store: 'x' }],
    [{ type: 'drop' }],
    [{ type: 'get', ...place, digest: 1 }],
    [{ type: 'get', ...place, digest: [1, 2 ** 32] }],
    [{ type: 'has', ...place, found: 1 }],
    [{ type: 'count', store: 'texts', layout, count: -1 }],
    [{ ...range, ...flags, range: 1 }],
    [{ ...range, ...flags, reverse: 0 }],
    [{ ...range, ...flags, lower: new Uint8Array([9]) }],
    [next],
    [{ ...range, ...flags }, next, next],
    [
      { ...range, ...flags },
      { ...next, range: '0' },
    ],
    [{ type: 'expect', existed: 1, rowid: null, refusal: null }],
    [{ type: 'expect', existed: true, rowid: null, refusal: 'ENDMARK_NONE' }],
    [{ type: 'schema', cookie: null }],
    [{ type: 'savepoint' }],
    [{ type: 'release' }],
    [{ type: 'savepoint' }, { type: 'release' }, { type: 'rollback' }],
    Array.from({ length: 1001 }, () => ({ type: 'savepoint' })),
  ]
  const requests = [
    undefined,
    7,
    [],
    {},
    ...steps.map((each) => requestOf(each)),
    requestOf([put], { number: 0 }),
    requestOf([put], { number: 1.5 }),
    requestOf([put], { number: '99' }),
    requestOf([put], { synchronous: 'sometimes' }),
    requestOf([put], { wantsResults: null }),
    requestOf([put], { base: [1, 2, 3] }),
    requestOf([put], { base: undefined }),
    requestOf(put as never),
  ]
  for (const request of requests) {
    const refusal = await send(writer, request)
    t.true(
      refusal instanceof EndmarkError,
      JSON.stringify(request, (_, value) => String(value)),
    )
    t.is((refusal as EndmarkError).code, 'ENDMARK_INVALID_ARGUMENT')
  }
  const lonely = await send(writer, requestOf([{ type: 'expect', existed: true, rowid: null, refusal: null }]))
  t.like(lonely, { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' })
  t.like(await send(writer, requestOf([put])), { kind: 'committed' }, 'the client may go on')
})

test('texts and numbers in another form than ours are refused, however well SQLite would read them', async (t) => {
  const writer = await openWriter(t)
  const layout = writer.layouts.get('any')!
  for (const hex of [
    '030101 00 00', // NULL and too much
    '0303 01 0105 00', // a wrong column count by bytes left over
    '0301 01 00 05', // 0 in one byte
    '0301 02 05 0005', // 5 in two bytes
    '0301 07 05 4014000000000000', // 5 as a real
    '0301 07 05 7ff8000000000000', // NaN
    '0301 0a 05', // a reserved serial type
    '0301 0f 05 ff', // text that is not UTF-8
    '04 8001 01 05 05', // a serial type in two bytes
  ]) {
    const record = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    const refusal = await send(writer, requestOf([{ type: 'put', store: 'any', layout, rowid: null, record }]))
    t.true(refusal instanceof EndmarkError, hex)
  }
  t.is(await integrityCheck(t, writer.path), 'ok')
})

// Fuzzing: requests made of valid and of damaged parts.

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constantFrom<SqlValue>(null, 0, 1, -0, 1.5, 7, '7', '', 'a', 'A ', '1e2', 'ж', 2 ** 40, 2n ** 62n, 1e300),
  fc.string({ maxLength: 20 }),
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 1, max: 3000 }).map((size) => 'x'.repeat(size)),
)
const record = fc.oneof(
  { weight: 20, arbitrary: fc.array(value, { maxLength: 7 }).map(encodeRecord) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
)
const rowid = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom<unknown>(null, null, null, null, 1, 2, 40, -1) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(2n ** 63n - 1n, -(2n ** 63n), 0.5, 7n) },
)
const count = fc.integer({ min: 0, max: 5 })
const digest = fc.constantFrom<unknown>(null, [0, 0], [1, 0xffffffff])
const flag = fc.boolean()

/** Rows that fit their store more often than chance would have it. */
const FITTING: Readonly<Record<string, readonly (readonly SqlValue[])[]>> = {
  texts: [
    ['a', '1'],
    ['b', null],
  ],
  any: [
    [1, 'x'.repeat(2500)],
    ['a', 1],
  ],
  rows: [[null, 1, 1.5, 't', new Uint8Array(3), '{}']],
  pairs: [
    ['y', 1, 'z'],
    ['y', 2, null],
  ],
  affinities: [[null, 1, 1.5, 2.5, 't', null, 'v']],
  folded: [
    ['a', 1],
    ['A', 2],
  ],
}

/** Whole keys where entries have one, and no key where they have a rowid. */
function keysOf(store: string): fc.Arbitrary<Uint8Array | null> {
  const rows = FITTING[store]!
  if (rows[0]![0] === null) return fc.constant(null)
  return fc.constantFrom(...rows.map((row) => encodeRecord(row.slice(0, KEY_LENGTHS[store] ?? 1))))
}

const KEY_LENGTHS: Readonly<Record<string, number>> = { pairs: 2, folded: 2 }

function stepOf(layouts: ReadonlyMap<string, number>): fc.Arbitrary<unknown> {
  const store = fc.constantFrom(...layouts.keys())
  const at = store.chain((name) =>
    fc.record({
      store: fc.constant(name),
      layout: fc.oneof({ weight: 20, arbitrary: fc.constant(layouts.get(name)) }, { weight: 1, arbitrary: count }),
      record: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...FITTING[name]!.map(encodeRecord)) }, record),
      rowid,
      key: fc.oneof(keysOf(name), record),
    }),
  )
  const of = (more: fc.Arbitrary<object>) => fc.tuple(at, more).map(([place, fields]) => ({ ...place, ...fields }))
  return fc.oneof(
    { weight: 12, arbitrary: of(fc.record({ type: fc.constantFrom('put', 'insert') })) },
    { weight: 3, arbitrary: of(fc.record({ type: fc.constant('update'), places: fc.array(count, { maxLength: 3 }) })) },
    { weight: 3, arbitrary: of(fc.record({ type: fc.constant('delete') })) },
    { weight: 1, arbitrary: of(fc.record({ type: fc.constant('get'), digest })) },
    { weight: 1, arbitrary: of(fc.record({ type: fc.constant('has'), found: flag })) },
    { weight: 1, arbitrary: of(fc.record({ type: fc.constant('count'), count })) },
    {
      weight: 2,
      arbitrary: of(
        fc.record({
          type: fc.constant('range'),
          range: fc.constantFrom(0, 0, 0, 1),
          lower: fc.option(record),
          upper: fc.option(record),
          isLowerOpen: flag,
          isUpperOpen: flag,
          reverse: flag,
        }),
      ),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('next'), range: count, count, digest, ended: flag }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('expect'),
        existed: flag,
        rowid,
        refusal: fc.constantFrom(null, 'ENDMARK_CONSTRAINT', 'ENDMARK_NONE'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('savepoint', 'release', 'rollback') }) },
    { weight: 1, arbitrary: fc.anything() },
  )
}

test('random requests never store what SQLite would find wrong, and never crash the writing side', async (t) => {
  const writer = await openWriter(t)
  const base = fc.constantFrom<unknown>(null, null, NO_STATE)
  const request = fc.record({ steps: fc.array(stepOf(writer.layouts), { minLength: 1, maxLength: 3 }), base })
  const counts = { committed: 0, conflict: 0, cancelled: 0, failed: 0, refused: 0 }
  const property = fc.asyncProperty(request, async ({ steps, base: state }) => {
    const outcome = await send(writer, requestOf(steps, { base: state }))
    if (!(outcome instanceof EndmarkError)) counts[outcome.kind]++
    else if (outcome.code === 'ENDMARK_INVALID_ARGUMENT') counts.refused++
    else throw outcome
    // An error that is not ours would have come as this code, with its text.
    if ('kind' in outcome && outcome.kind === 'failed' && outcome.code === 'ENDMARK_IO')
      throw new Error(outcome.message)
  })
  await fc.assert(property, { numRuns: 3000, seed: SEED })
  t.log(counts)
  t.true(Math.min(counts.committed, counts.conflict, counts.failed, counts.refused) > 100)
  t.is(await writer.referee.integrityCheck(), 'ok')
})
