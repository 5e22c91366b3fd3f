/** Arguments of the wrong shape are refused by name, everywhere alike: nothing is done, and nothing is taken for something else. */
import test from 'ava'
import type { Database, OrderedMap, Snapshot, Table, Transaction } from '../../src/index.js'
import { openDatabase, rejects, throws } from '../support/open-database.js'

interface Given {
  readonly db: Database
  readonly map: OrderedMap<string, string>
  readonly table: Table<{ id: number; name: string }, number>
}

type Call = (given: Given) => unknown

async function given(t: Parameters<typeof openDatabase>[0]): Promise<Given> {
  const db = await openDatabase(t)
  const map = await db.map('m', { key: 'text', value: 'text' })
  await map.batch([
    { type: 'put', key: 'a', value: '1' },
    { type: 'put', key: 'b', value: '2' },
  ])
  const columns = { id: 'integer', name: 'text' } as const
  const table = await db.table<{ id: number; name: string }, number>('t', { columns, primaryKey: 'id' })
  await table.put({ id: 1, name: 'a' })
  return { db, map: map as Given['map'], table }
}

/** Calls with what no declaration allows. */
const wrong = (value: unknown) => value as never

const THROWN: Readonly<Record<string, Call>> = {
  'keys that are a Set': ({ map }) => map.getMany(wrong(new Set(['a']))),
  'keys that are a string': ({ map }) => map.getMany(wrong('ab')),
  'no keys': ({ map }) => map.getMany(wrong(undefined)),
  'keys of a table that are a number': ({ table }) => table.getMany(wrong(1)),
  'no function to read': ({ db }) => db.read(wrong(undefined)),
  'no function for transactionSync': ({ db }) => db.transactionSync(wrong({})),
  'an option that transactionSync does not have': ({ db }) => db.transactionSync(() => 1, wrong({ syncronous: 'off' })),
  'a listener that is no function': ({ db }) => db.on('long-reader', wrong({})),
  'an object that does not say what it is': ({ map }) => map.getMany(wrong({ constructor: { name: Symbol('x') } })),
  'options of transactionSync that are a number': ({ db }) => db.transactionSync(() => 1, wrong(5)),
}

const REJECTED: Readonly<Record<string, (given: Given) => Promise<unknown>>> = {
  'a batch that is none': ({ map }) => map.batch(wrong(undefined)),
  'a batch that is a Set': ({ map }) => map.batch(wrong(new Set())),
  'a batch that is an object': ({ map }) => map.batch(wrong({})),
  'a change that is null': ({ map }) => map.batch(wrong([{ type: 'put', key: 'c', value: '3' }, null])),
  'a signal that is a number': ({ map }) => map.put('c', '3', wrong({ signal: 5 })),
  'an option that is misspelt': ({ map }) => map.put('c', '3', wrong({ syncronous: 'off' })),
  'options that are a number': ({ db }) => db.transaction((tx) => tx, wrong(5)),
  'no name of a store': ({ db }) => db.dropStore(wrong(undefined)),
  'a name of a map that is a number': ({ db }) => db.map(wrong(5)),
  'no name of a table': ({ db }) => db.table(wrong(undefined), { columns: { id: 'integer' }, primaryKey: 'id' }),
  'indexes that are null': ({ db }) =>
    db.table('u', { columns: { id: 'integer' }, primaryKey: 'id', indexes: wrong(null) }),
  'the handle of a store instead of its name': ({ db, map }) => db.dropStore(wrong(map)),
  'a mode without its object': ({ db }) => db.checkpoint(wrong('truncate')),
  'a mode whose name is misspelt': ({ db }) => db.checkpoint(wrong({ mod: 'truncate' })),
  'options of a checkpoint that are null': ({ db }) => db.checkpoint(wrong(null)),
  'a signal of a checkpoint that is a number': ({ db }) => db.checkpoint(wrong({ signal: 5 })),
  'options of a check that are null': ({ db }) => db.check(wrong(null)),
  'options of a check that are a number': ({ db }) => db.check(wrong(5)),
  'an option that a check does not have': ({ db }) => db.check(wrong({ foo: 1 })),
  'a signal of a check that is a string': ({ db }) => db.check(wrong({ signal: 'x' })),
}

/** In a snapshot and in a transaction. */
const READS: Readonly<Record<string, (state: Snapshot | Transaction, store: never) => unknown>> = {
  get: (state, store) => state.get(store, wrong('a')),
  has: (state, store) => state.has(store, wrong('a')),
  getMany: (state, store) => state.getMany(store, wrong(['a'])),
  range: (state, store) => [...state.range(store)],
  count: (state, store) => state.count(store),
}

const WRITES: Readonly<Record<string, (tx: Transaction, store: never) => unknown>> = {
  put: (tx, store) => tx.put(store, wrong('c'), wrong('3')),
  delete: (tx, store) => tx.delete(store, wrong('a')),
  insert: (tx, store) => tx.insert(store, wrong({ id: 2 })),
  update: (tx, store) => tx.update(store, wrong(1), {}),
}

for (const [what, call] of Object.entries(THROWN)) {
  test(`${what}: refused`, async (t) => {
    const all = await given(t)
    throws(t, () => void call(all), 'ENDMARK_INVALID_ARGUMENT')
  })
}

for (const [what, call] of Object.entries(REJECTED)) {
  test(`${what}: refused, and nothing is written`, async (t) => {
    const all = await given(t)
    const { logFrames } = all.db.stats()
    await rejects(t, call(all), 'ENDMARK_INVALID_ARGUMENT')
    t.is(all.db.stats().logFrames, logFrames)
    t.deepEqual([...all.map.keys()], ['a', 'b'])
  })
}

test('what is no handle of this database is refused by every call that takes one', async (t) => {
  const { db, map, table } = await given(t)
  for (const store of [undefined, null, 'm', { name: 'm' }, db]) {
    for (const call of Object.values(READS)) {
      throws(t, () => db.read((snapshot) => void call(snapshot, wrong(store))), 'ENDMARK_INVALID_ARGUMENT')
      throws(t, () => db.transactionSync((tx) => void call(tx, wrong(store))), 'ENDMARK_INVALID_ARGUMENT')
    }
    for (const call of Object.values(WRITES))
      throws(t, () => db.transactionSync((tx) => void call(tx, wrong(store))), 'ENDMARK_INVALID_ARGUMENT')
  }
  for (const call of [WRITES.insert!, WRITES.update!])
    throws(t, () => db.transactionSync((tx) => void call(tx, wrong(map))), 'ENDMARK_INVALID_ARGUMENT', /a table/)
  throws(t, () => db.transactionSync((tx) => tx.savepoint(wrong(5))), 'ENDMARK_INVALID_ARGUMENT')
  t.is(map.count() + table.count(), 3)
})

test('a signal of another realm or library is one', async (t) => {
  const { map } = await given(t)
  const signal = { aborted: true, reason: 'over', addEventListener() {}, removeEventListener() {} }
  await t.throwsAsync(map.put('c', '3', wrong({ signal })), { name: 'AbortError' })
})

test('transactionSync is not begun once the signal of its options has aborted', async (t) => {
  const { db, map } = await given(t)
  const options = { synchronous: 'full', signal: AbortSignal.abort() } as const
  t.throws(() => db.transactionSync((tx) => tx.put(map, 'c', '3'), options), { name: 'AbortError' })
  t.is(map.count(), 2)
})

test('a checkpoint whose signal has aborted before is not made', async (t) => {
  const { db } = await given(t)
  const { backfilled } = db.stats()
  await t.throwsAsync(db.checkpoint({ mode: 'truncate', signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.is(db.stats().backfilled, backfilled)
})
