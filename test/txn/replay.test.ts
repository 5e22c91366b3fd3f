/**
 * TXN-5: a transaction recorded on one state is committed on another only if its function would have seen the same there. Each
 * kind of change of each kind of read is found out, and changes of what was not read are not in the way.
 */
import test, { type ExecutionContext } from 'ava'
import { EndmarkError } from '../../src/errors.js'
import type { OrderedMap, Table } from '../../src/store/index.js'
import type { Transaction } from '../../src/txn/index.js'
import { type Engine, NO_STATE, openEngine, resultsOf } from '../support/engine.js'
import { temporaryPath } from '../support/open-database.js'
import { type Random, seededRandom } from '../support/random.js'
import { integrityCheck } from '../support/referee.js'

interface User {
  id: number
  name: string | null
}

interface Place {
  x: number
  y: string
  note: string
}

const USERS = { columns: { id: 'integer', name: 'text' }, primaryKey: 'id' } as const
const PLACES = { columns: { x: 'integer', y: 'text', note: 'text' }, primaryKey: ['x', 'y'] } as const

interface Stores {
  readonly path: string
  readonly engine: Engine
  readonly map: OrderedMap<string, string>
  readonly users: Table<User, number>
  readonly places: Table<Place, [number, string]>
  readonly other: OrderedMap<string, string>
}

async function openStores(t: ExecutionContext<unknown>): Promise<Stores> {
  const path = temporaryPath(t)
  const engine = openEngine(t, path)
  const map = await engine.map<string, string>('map', { key: 'text', value: 'text' })
  const users = await engine.table<User, number>('users', USERS)
  const places = await engine.table<Place, [number, string]>('places', PLACES)
  const other = await engine.map<string, string>('other', { key: 'text', value: 'text' })
  await engine.commit((tx) => {
    for (let i = 0; i < 50; i++) {
      tx.put(map, `key ${String(i).padStart(2, '0')}`, `value ${i}`)
      tx.put(users, { id: i * 10 + 10, name: `user ${i}` })
      tx.put(places, { x: i >> 2, y: `y ${i & 3}`, note: 'n'.repeat(i % 7 === 0 ? 3000 : 5) })
      tx.put(other, `key ${i}`, 'other')
    }
  })
  return { path, engine, map, users, places, other }
}

type Part = (tx: Transaction, stores: Stores) => unknown

interface Case {
  /** What the function sees. */
  readonly what: string
  readonly run: Part
  /** Each of them changes what it sees. */
  readonly changes: readonly Part[]
  /** None of them does. */
  readonly others: readonly Part[]
}

function take(count: number, entries: Iterable<unknown>): unknown[] {
  const taken: unknown[] = []
  for (const entry of entries) {
    taken.push(entry)
    if (taken.length === count) break
  }
  return taken
}

/** The result, or the code of the refusal. */
function attempt(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    if (error instanceof EndmarkError) return error.code
    throw error
  }
}

const CASES: readonly Case[] = [
  {
    what: 'a value that is there',
    run: (tx, { map }) => tx.get(map, 'key 07'),
    changes: [(tx, { map }) => tx.put(map, 'key 07', 'new'), (tx, { map }) => tx.delete(map, 'key 07')],
    others: [(tx, { map }) => tx.put(map, 'key 08', 'new'), (tx, { map }) => tx.put(map, 'key 07', 'value 7')],
  },
  {
    what: 'a value that is not there',
    run: (tx, { map }) => tx.get(map, 'key 07.'),
    changes: [(tx, { map }) => tx.put(map, 'key 07.', '')],
    others: [(tx, { map }) => tx.delete(map, 'key 07')],
  },
  {
    what: 'several values',
    run: (tx, { map }) => tx.getMany(map, ['key 01', 'none', 'key 02']),
    changes: [(tx, { map }) => tx.put(map, 'none', 'some'), (tx, { map }) => tx.put(map, 'key 02', 'new')],
    others: [(tx, { map }) => tx.put(map, 'key 03', 'new')],
  },
  {
    what: 'a row',
    run: (tx, { users }) => tx.get(users, 70),
    changes: [(tx, { users }) => tx.update(users, 70, { name: null }), (tx, { users }) => tx.delete(users, 70)],
    others: [(tx, { users }) => tx.update(users, 80, { name: null })],
  },
  {
    what: 'a row with an overflow chain',
    run: (tx, { places }) => tx.get(places, [0, 'y 0']),
    changes: [(tx, { places }) => tx.update(places, [0, 'y 0'], { note: `${'n'.repeat(2999)}N` })],
    others: [(tx, { places }) => tx.update(places, [0, 'y 1'], { note: 'N' })],
  },
  {
    what: 'whether there is an entry',
    run: (tx, { map, users }) => [tx.has(map, 'key 07'), tx.has(users, 5)],
    changes: [(tx, { map }) => tx.delete(map, 'key 07'), (tx, { users }) => tx.put(users, { id: 5, name: null })],
    others: [(tx, { map }) => tx.put(map, 'key 07', 'new')],
  },
  {
    what: 'how many entries there are',
    run: (tx, { users }) => tx.count(users),
    changes: [(tx, { users }) => tx.insert(users, { id: 1, name: null }), (tx, { users }) => tx.delete(users, 10)],
    others: [(tx, { users }) => tx.update(users, 10, { name: 'new' })],
  },
  {
    what: 'a whole store',
    run: (tx, { map }) => [...tx.range(map)],
    changes: [
      (tx, { map }) => tx.put(map, 'a', ''),
      (tx, { map }) => tx.put(map, 'z', ''),
      (tx, { map }) => tx.delete(map, 'key 20'),
      (tx, { map }) => tx.put(map, 'key 20', 'new'),
    ],
    others: [(tx, { other }) => tx.put(other, 'a', '')],
  },
  {
    what: 'a range between bounds',
    run: (tx, { users }) => [...tx.range(users, { gt: 100, lte: 200 })],
    changes: [
      (tx, { users }) => tx.put(users, { id: 101, name: null }),
      (tx, { users }) => tx.delete(users, 200),
      (tx, { users }) => tx.update(users, 150, { name: 'new' }),
    ],
    others: [(tx, { users }) => tx.delete(users, 100), (tx, { users }) => tx.put(users, { id: 201, name: null })],
  },
  {
    what: 'a range backwards by the first part of a key',
    run: (tx, { places }) => [...tx.range(places, { gte: [3], lte: [4], reverse: true })],
    changes: [
      (tx, { places }) => tx.put(places, { x: 4, y: 'y 9', note: '' }),
      (tx, { places }) => tx.delete(places, [3, 'y 0']),
    ],
    others: [(tx, { places }) => tx.delete(places, [5, 'y 0']), (tx, { places }) => tx.delete(places, [2, 'y 3'])],
  },
  {
    what: 'the first entries of a range',
    run: (tx, { map }) => take(3, tx.range(map, { gte: 'key 10' })),
    changes: [(tx, { map }) => tx.put(map, 'key 11.', ''), (tx, { map }) => tx.delete(map, 'key 12')],
    others: [(tx, { map }) => tx.put(map, 'key 12.', ''), (tx, { map }) => tx.delete(map, 'key 13')],
  },
  {
    what: 'a range up to its limit',
    run: (tx, { map }) => [...tx.range(map, { reverse: true, limit: 2 })],
    changes: [(tx, { map }) => tx.put(map, 'z', ''), (tx, { map }) => tx.delete(map, 'key 48')],
    others: [(tx, { map }) => tx.delete(map, 'key 47')],
  },
  {
    what: 'a count of a range',
    run: (tx, { users }) => tx.count(users, { lt: 100 }),
    changes: [(tx, { users }) => tx.put(users, { id: 1, name: null })],
    others: [(tx, { users }) => tx.put(users, { id: 101, name: null })],
  },
  {
    what: 'a range that its own writes run ahead of',
    run: (tx, { map }) => {
      const seen: string[] = []
      for (const [key] of tx.range(map, { gte: 'key 40' })) {
        seen.push(key)
        if (key.length < 7) tx.put(map, `${key}.`, 'more')
        if (key === 'key 44') tx.delete(map, 'key 45')
      }
      return seen
    },
    changes: [(tx, { map }) => tx.put(map, 'key 43,', ''), (tx, { map }) => tx.delete(map, 'key 45')],
    others: [(tx, { map }) => tx.put(map, 'key 39', '')],
  },
  {
    what: 'two ranges by turns',
    run: (tx, { map, users }) => {
      const pairs = tx.range(map)
      const rows = tx.range(users, { reverse: true })
      const seen = [pairs.next(), rows.next(), pairs.next(), pairs.next(), rows.next(), tx.get(users, 10), pairs.next()]
      return JSON.stringify(seen)
    },
    changes: [(tx, { map }) => tx.put(map, 'key 02', 'new'), (tx, { users }) => tx.delete(users, 490)],
    others: [(tx, { map }) => tx.put(map, 'key 04', 'new'), (tx, { users }) => tx.delete(users, 480)],
  },
  {
    what: 'a row that was there to be changed or deleted',
    run: (tx, { users, map }) => [tx.update(users, 70, { name: 'changed' }), tx.delete(map, 'key 07')],
    changes: [(tx, { users }) => tx.delete(users, 70), (tx, { map }) => tx.delete(map, 'key 07')],
    others: [(tx, { users }) => tx.update(users, 70, { name: 'new' }), (tx, { map }) => tx.put(map, 'key 07', 'new')],
  },
  {
    what: 'a row that was not there to be changed or deleted',
    run: (tx, { users, map }) => [tx.update(users, 71, { name: 'changed' }), tx.delete(map, 'none')],
    changes: [(tx, { users }) => tx.put(users, { id: 71, name: null }), (tx, { map }) => tx.put(map, 'none', '')],
    others: [(tx, { users }) => tx.delete(users, 70)],
  },
  {
    what: 'a key that was assigned',
    run: (tx, { users }) => tx.insert(users, { name: 'new' } as User),
    changes: [(tx, { users }) => tx.put(users, { id: 501, name: null })],
    others: [(tx, { users }) => tx.put(users, { id: 499, name: null })],
  },
  {
    what: 'a row that could be inserted',
    run: (tx, { users }) => tx.insert(users, { id: 71, name: 'new' }),
    changes: [(tx, { users }) => tx.put(users, { id: 71, name: null })],
    others: [(tx, { users }) => tx.delete(users, 70)],
  },
  {
    what: 'an insert that was refused',
    run: (tx, { users }) => attempt(() => tx.insert(users, { id: 70, name: 'new' })),
    changes: [(tx, { users }) => tx.delete(users, 70)],
    others: [(tx, { users }) => tx.update(users, 70, { name: null })],
  },
  {
    what: 'what was read in a savepoint that was undone',
    run: (tx, { map }) =>
      attempt(() =>
        tx.savepoint(() => {
          tx.put(map, 'key 08', 'undone')
          if (tx.get(map, 'key 07') === 'value 7') throw new EndmarkError('ENDMARK_NOT_FOUND', 'undo')
        }),
      ),
    changes: [(tx, { map }) => tx.put(map, 'key 07', 'new')],
    others: [(tx, { map }) => tx.put(map, 'key 08', 'new')],
  },
  {
    what: 'what was read of its own writes',
    run: (tx, { map }) => {
      tx.put(map, 'key 07', 'mine')
      tx.savepoint(() => tx.put(map, 'key 08', 'mine'))
      return [tx.get(map, 'key 07'), tx.get(map, 'key 08')]
    },
    changes: [],
    others: [(tx, { map }) => tx.put(map, 'key 07', 'new'), (tx, { map }) => tx.delete(map, 'key 08')],
  },
]

/** The function of the case, made a write whatever it does else. */
const marking = (run: Part, stores: Stores) => (tx: Transaction) => {
  const value = JSON.stringify(run(tx, stores)) ?? 'undefined'
  tx.put(stores.other, 'mark', value)
  return value
}

const contentOf = (tx: Transaction, { map, users, other }: Stores) =>
  JSON.stringify([[...tx.range(map)], [...tx.range(users)], [...tx.range(other)]])

for (const { what, run, changes, others } of CASES) {
  test(`${what}: committed where it is the same, a conflict where it is not`, async (t) => {
    for (const other of [() => {}, ...others]) {
      const stores = await openStores(t)
      const { engine } = stores
      const fn = marking(run, stores)
      const { value, steps, isWrite } = engine.record(fn)
      t.true(isWrite)
      await engine.commit((tx) => other(tx, stores))
      t.is(engine.record(fn).value, value, 'the function sees the same')
      t.is((await engine.submit({ steps, base: NO_STATE })).kind, 'committed', String(other))
      t.is(stores.other.get('mark'), value)
    }
    for (const change of changes) {
      const stores = await openStores(t)
      const { engine } = stores
      const recorded = engine.record(marking(run, stores))
      await engine.commit((tx) => change(tx, stores))
      const before = engine.record((tx) => contentOf(tx, stores)).value
      t.deepEqual(await engine.submit(recorded), { kind: 'conflict' }, String(change))
      t.is(engine.record((tx) => contentOf(tx, stores)).value, before, 'nothing of it is left')
    }
  })
}

test('a store that was dropped, or dropped and made anew with other columns, is a conflict', async (t) => {
  const { engine, users, other } = await openStores(t)
  const read = engine.record((tx) => tx.put(other, 'found', String(tx.get(users, 70)?.name)))
  const written = engine.record((tx) => tx.put(users, { id: 70, name: 'new' }))
  await engine.drop('users')
  t.deepEqual(await engine.submit(read), { kind: 'conflict' })
  t.deepEqual(await engine.submit(written), { kind: 'conflict' })
  t.like(await engine.submit({ ...written, base: null }), { kind: 'failed', code: 'ENDMARK_NOT_FOUND' })
  await engine.table('users', { columns: { id: 'integer', name: 'text', age: 'integer' }, primaryKey: 'id' })
  t.deepEqual(await engine.submit(read), { kind: 'conflict' })
  t.deepEqual(await engine.submit(written), { kind: 'conflict' })
  t.like(await engine.submit({ ...written, base: null }), { kind: 'failed', code: 'ENDMARK_INVALID_ARGUMENT' })
})

test('a refusal for what the schema says depends on the schema', async (t) => {
  const { engine, other, users } = await openStores(t)
  // Its row makes the table of client commits, which is a change of the schema as well.
  await engine.submit(engine.record((tx) => tx.put(other, 'first', '')))
  const missing = await engine.map<string, string>('missing')
  const notThere = engine.record((tx) => tx.put(other, 'found', String(attempt(() => tx.get(missing, 'a')))))
  const wrongColumn = engine.record((tx) =>
    tx.put(other, 'found', String(attempt(() => tx.put(users, { id: 1, age: 7 } as unknown as User)))),
  )
  t.is((await engine.submit({ ...notThere, base: NO_STATE })).kind, 'committed')
  t.is(other.get('found'), 'ENDMARK_NOT_FOUND')
  t.is((await engine.submit({ ...wrongColumn, base: NO_STATE })).kind, 'committed')
  t.is(other.get('found'), 'ENDMARK_INVALID_ARGUMENT')
  await engine.map('missing', { key: 'text', value: 'text' })
  t.deepEqual(await engine.submit(notThere), { kind: 'conflict' })
  t.deepEqual(await engine.submit(wrongColumn), { kind: 'conflict' })
})

test('reads are not repeated while nothing was committed, and are as soon as something is, also in the same batch', async (t) => {
  const { engine, map } = await openStores(t)
  const copy = (tx: Transaction) => tx.put(map, 'copy', tx.get(map, 'key 07')!)
  // The first row of the clients' table changes the schema, and so the state.
  await engine.submit(engine.record(copy))
  const { steps, base } = engine.record(copy)
  const wrong = steps.map((step) => (step.type === 'get' ? { ...step, digest: [1, 2] as const } : step))
  const outcomes = await Promise.all([engine.submit({ steps: wrong, base }), engine.submit({ steps: wrong, base })])
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['committed', 'conflict'],
  )
})

test('operations without a function give their results; if one is refused, all are undone', async (t) => {
  const { engine, map, users } = await openStores(t)
  const schema = engine.schema()
  const insert = users.insertOperation(schema, { name: 'assigned' } as User)
  const steps = [map.putOperation(schema, 'new', 'new'), insert, users.deleteOperation(schema, 7), insert]
  t.deepEqual(resultsOf(await engine.submit({ steps, base: null })), [
    { existed: false, rowid: null },
    { existed: false, rowid: 501 },
    { existed: false, rowid: null },
    { existed: false, rowid: 502 },
  ])
  const refused = [map.putOperation(schema, 'new', 'newer'), users.insertOperation(schema, { id: 501, name: 'again' })]
  t.like(await engine.submit({ steps: refused, base: null }), { kind: 'failed', code: 'ENDMARK_CONSTRAINT' })
  t.is(map.get('new'), 'new')
})

test('a function that throws leaves nothing, and one that changes nothing has nothing to commit', async (t) => {
  const { engine, map } = await openStores(t)
  const throwing = (tx: Transaction) => {
    tx.put(map, 'key 01', 'never')
    throw new Error('no')
  }
  t.throws(() => engine.record(throwing), { message: 'no' })
  const { isWrite, value } = engine.record((tx) => [tx.get(map, 'key 01'), tx.delete(map, 'none')])
  t.false(isWrite)
  t.deepEqual(value, ['value 1', false])
  t.throws(() => engine.record(async () => {}), { code: 'ENDMARK_INVALID_ARGUMENT' })
})

// Random transactions: whatever is committed is what the function itself would have done on the state it was committed on.

/** One step of a random function; what it writes depends on everything it has seen. */
type Move = (tx: Transaction, stores: Stores, seen: string[]) => void

const see = (seen: string[], value: unknown) => void seen.push(JSON.stringify(value) ?? 'undefined')
const summary = (seen: readonly string[]) => `${seen.length} ${seen.join().length}`

function randomMove(random: Random, depth = 0): Move {
  const key = `key ${String(random.below(24)).padStart(2, '0')}`
  const end = `key ${String(random.below(24)).padStart(2, '0')}`
  const id = random.below(30) * 10
  const count = random.between(1, 6)
  const text = String(random.below(1000)).repeat(random.below(20) === 0 ? 400 : 1)
  const reverse = random.below(2) === 0
  switch (random.below(depth > 2 ? 11 : 13)) {
    case 0:
      return (tx, { map }, seen) => see(seen, tx.get(map, key))
    case 1:
      return (tx, { users }, seen) => see(seen, tx.has(users, id))
    case 2:
      return (tx, { map }, seen) => see(seen, take(count, tx.range(map, { gte: key, lt: end, reverse })))
    case 3:
      return (tx, { users }, seen) => see(seen, tx.count(users, { gt: id, limit: count }))
    case 4:
      return (tx, { users }, seen) => see(seen, tx.count(users))
    case 5:
      return (tx, { map }, seen) => see(seen, tx.delete(map, key))
    case 6:
      return (tx, { users }, seen) => see(seen, tx.update(users, id, { name: text }))
    case 7:
      return (tx, { users }, seen) =>
        see(
          seen,
          attempt(() => tx.insert(users, { id, name: summary(seen) })),
        )
    case 8:
      return (tx, { users }, seen) => see(seen, tx.put(users, { name: summary(seen) } as User))
    case 9:
      return (tx, { map }, seen) => void tx.put(map, key, summary(seen) + text)
    case 10:
      return (tx, { map }, seen) => {
        for (const [found] of tx.range(map, { gte: key, limit: count })) {
          see(seen, found)
          tx.put(map, end, found)
        }
      }
    default:
      return randomSavepoint(random, depth + 1)
  }
}

function randomSavepoint(random: Random, depth: number): Move {
  const inner = Array.from({ length: random.between(1, 3) }, () => randomMove(random, depth))
  const isUndone = random.below(2) === 0
  return (tx, stores, seen) =>
    void attempt(() =>
      tx.savepoint(() => {
        for (const move of inner) move(tx, stores, seen)
        if (isUndone) throw new EndmarkError('ENDMARK_NOT_FOUND', 'undone')
      }),
    )
}

function randomFunction(random: Random, length: number) {
  const moves = Array.from({ length: random.between(1, length) }, () => randomMove(random))
  return (tx: Transaction, stores: Stores): string => {
    const seen: string[] = []
    for (const move of moves) move(tx, stores, seen)
    tx.put(stores.other, 'mark', summary(seen))
    return seen.join()
  }
}

test('random transactions: a conflict, or exactly what running the function again would have done', async (t) => {
  const random = seededRandom(t)
  const stores = await openStores(t)
  const { engine } = stores
  const counts = { committed: 0, conflict: 0, avoidable: 0 }
  for (let round = 0; round < 600; round++) {
    const fn = randomFunction(random, 5)
    const recorded = engine.record((tx) => fn(tx, stores))
    for (let i = random.below(3); i > 0; i--) {
      const between = randomFunction(random, 4)
      await engine.commit((tx) => between(tx, stores))
    }
    const before = engine.record((tx) => contentOf(tx, stores)).value
    const again = engine.record((tx) => [fn(tx, stores), contentOf(tx, stores)] as const).value
    const { steps, base } = recorded
    const { kind } = await engine.submit({ steps, base: random.below(4) === 0 ? NO_STATE : base })
    const after = engine.record((tx) => contentOf(tx, stores)).value
    t.is(after, kind === 'committed' ? again[1] : before)
    if (kind === 'committed') {
      t.is(recorded.value, again[0], 'it saw what it would see')
      counts.committed++
    } else {
      t.is(kind, 'conflict')
      counts.conflict++
      if (recorded.value === again[0]) counts.avoidable++
    }
  }
  t.log(counts)
  t.true(counts.committed > 200 && counts.conflict > 50, JSON.stringify(counts))
  t.is(await integrityCheck(t, stores.path), 'ok')
})
