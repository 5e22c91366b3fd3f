/**
 * Puts into maps that come many in a row wait and are applied together (TXN-10). Whatever a transaction does, it sees and leaves
 * what it would if each had been applied at once; each thing that has to apply them first has a test that fails if it does not.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Database } from '../../src/database.js'
import { type OrderedMap, open, type Transaction } from '../../src/index.js'
import type { OpenOptions } from '../../src/options.js'
import { failOn, type HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { openDatabase, rejects, temporaryPath, throws } from '../support/open-database.js'
import { openHooked } from '../support/open-hooked.js'
import { seededRandom } from '../support/random.js'
import { askSqlite, integrityCheck } from '../support/referee.js'

type Texts = OrderedMap<string, string>

async function openTexts(
  t: ExecutionContext,
  options: OpenOptions = {},
): Promise<{ path: string; db: Database; map: Texts }> {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { writer: 'inline', ...options })
  return { path, db, map: await db.map<string, string>('m', { key: 'text', value: 'text' }) }
}

/** More than are applied one by one, and not in order. */
const COUNT = 40
const keyAt = (index: number) => `key ${String((index * 17) % COUNT).padStart(2, '0')}`

function putMany(tx: Transaction, map: Texts, value = 'many'): void {
  for (let index = 0; index < COUNT; index++) tx.put(map, keyAt(index), value)
}

const manyEntries = (value = 'many') =>
  Array.from({ length: COUNT }, (_, index) => [`key ${String(index).padStart(2, '0')}`, value])

// Reads.

const READS: Record<string, (tx: Transaction, map: Texts) => unknown> = {
  get: (tx, map) => tx.get(map, 'key 30') ?? null,
  getMany: (tx, map) => tx.getMany(map, ['key 30'])[0] ?? null,
  has: (tx, map) => (tx.has(map, 'key 30') ? 'many' : null),
  count: (tx, map) => (tx.count(map) === COUNT ? 'many' : null),
  'count of a range': (tx, map) => (tx.count(map, { gte: 'key 30', lt: 'key 31' }) === 1 ? 'many' : null),
  range: (tx, map) => [...tx.range(map, { gte: 'key 30', limit: 1 })][0]?.[1] ?? null,
}

for (const [name, read] of Object.entries(READS)) {
  test(`${name} sees puts that wait`, async (t) => {
    const { db, map } = await openTexts(t)
    await db.transaction((tx) => {
      putMany(tx, map)
      t.is(read(tx, map), 'many')
    })
    t.deepEqual([...map.entries()] as unknown[], manyEntries())
  })
}

test('an iteration that began before the puts meets them at its next step', async (t) => {
  const { db, map } = await openTexts(t)
  await db.transaction((tx) => {
    tx.put(map, 'a', '')
    tx.put(map, 'z', '')
    const iteration = tx.range(map)
    t.deepEqual(iteration.next().value, ['a', ''])
    putMany(tx, map)
    t.deepEqual(iteration.next().value, ['key 00', 'many'])
    t.is([...iteration].length, COUNT)
  })
})

test('a handle of the Database reads what is committed, whatever waits', async (t) => {
  const { db, map } = await openTexts(t)
  await db.transaction((tx) => {
    putMany(tx, map)
    t.is(map.get('key 30'), undefined)
    t.is(map.count(), 0)
  })
})

// Other changes.

test('a delete finds what was put before it, and leaves nothing of it', async (t) => {
  const { db, map } = await openTexts(t)
  await db.transaction((tx) => {
    putMany(tx, map)
    t.true(tx.delete(map, 'key 30'))
    t.false(tx.delete(map, 'key 30'))
  })
  t.is(map.get('key 30'), undefined)
  t.is(map.count(), COUNT - 1)
})

test('a value too long to wait takes the place of one that waited', async (t) => {
  const { db, map } = await openTexts(t)
  const long = 'long'.repeat(10_000)
  await db.transaction((tx) => {
    putMany(tx, map)
    tx.put(map, 'key 30', long)
  })
  t.is(map.get('key 30'), long)
})

test('of one key the last put counts, through whichever handle', async (t) => {
  const { db, map } = await openTexts(t)
  const again = (await db.map('m')) as Texts
  await db.transaction((tx) => {
    for (let round = 0; round < 20; round++) {
      tx.put(map, 'key', `one ${round}`)
      tx.put(again, 'key', `other ${round}`)
      tx.put(map, 'kez', `one ${round}`)
    }
  })
  t.deepEqual([...map.entries()] as unknown[], [
    ['key', 'other 19'],
    ['kez', 'one 19'],
  ])
})

test('keys of all kinds, several maps, and rows of tables go to their places', async (t) => {
  const { db, map, path } = await openTexts(t)
  const any = await db.map('any', { key: 'any', value: 'json' })
  const blobs = await db.map<Uint8Array, number>('blobs', { key: 'blob', value: 'integer' })
  const rows = await db.table<{ id: number; name: string }, number>('rows', {
    columns: { id: 'integer', name: 'text' },
    primaryKey: 'id',
  })
  const keys = ['text', new Uint8Array([5]), 7, 'TEXT', -0.5, new Uint8Array([]), '']
  await db.transaction((tx) => {
    for (let index = 0; index < COUNT; index++) {
      for (const key of keys) tx.put(any, key, { index })
      tx.put(map, keyAt(index), `${index}`)
      tx.put(blobs, new Uint8Array([index & 3, index]), index)
      if (index % 10 === 0) tx.insert(rows, { id: index, name: 'row' })
      if (index % 10 === 5) t.true(tx.update(rows, index - 5, { name: `row ${index}` }))
    }
  })
  t.deepEqual(
    [...any.entries()],
    [-0.5, 7, '', 'TEXT', 'text', new Uint8Array([]), new Uint8Array([5])].map((key) => [key, { index: COUNT - 1 }]),
  )
  t.is(map.count() + blobs.count() + rows.count(), COUNT + COUNT + 4)
  t.deepEqual(rows.get(30), { id: 30, name: 'row 35' })
  t.is(await integrityCheck(t, path), 'ok')
})

test('a map that orders its keys otherwise has them in its own order', async (t) => {
  const path = temporaryPath(t)
  await (await open(path)).close()
  await askSqlite(t, path, (db) => {
    db.exec('CREATE TABLE falling(k TEXT NOT NULL PRIMARY KEY DESC, v) WITHOUT ROWID')
    db.exec('CREATE TABLE folded(k TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, v) WITHOUT ROWID')
  })
  const db = await openDatabase(t, path, { writer: 'inline' })
  const falling = (await db.map('falling')) as Texts
  const folded = (await db.map('folded')) as Texts
  await db.transaction((tx) => {
    for (const key of 'the quick brown fox jumps over the lazy dog THE LAZY CAT') {
      tx.put(falling, key, key)
      tx.put(folded, key, key)
    }
  })
  t.is([...falling.keys()].join(''), 'zyxwvutsrqponmlkjihgfedcbaZYTLHECA ')
  t.is([...folded.values()].join(''), ' AbCdEfgHijkLmnopqrsTuvwxYZ')
  t.is(await integrityCheck(t, path), 'ok')
})

// Savepoints.

test('a savepoint that throws takes with it what was put in it, and nothing that was put before', async (t) => {
  const { db, map } = await openTexts(t)
  await db.transaction((tx) => {
    putMany(tx, map)
    t.throws(() =>
      tx.savepoint(() => {
        putMany(tx, map, 'undone')
        tx.put(map, 'undone', 'undone')
        throw new Error('undone')
      }),
    )
    tx.put(map, 'last', '')
  })
  t.deepEqual([...map.entries()] as unknown[], [...manyEntries(), ['last', '']])
})

test('savepoints that end well keep their puts, also in one that does not', async (t) => {
  const { db, map } = await openTexts(t)
  await db.transaction((tx) => {
    tx.savepoint(() => putMany(tx, map, 'kept'))
    t.throws(() =>
      tx.savepoint(() => {
        tx.savepoint(() => putMany(tx, map, 'undone'))
        throw new Error('undone')
      }),
    )
  })
  t.deepEqual([...map.entries()] as unknown[], manyEntries('kept'))
})

// Arguments.

test('what cannot be put is refused at once, and neither it nor anything else is lost or kept', async (t) => {
  const { db, map } = await openTexts(t)
  const other = await openTexts(t)
  await db.transaction((tx) => {
    putMany(tx, map)
    const put = tx.put.bind(tx) as (map: Texts, key: unknown, value: unknown) => unknown
    throws(t, () => put(map, 5, 'x'), 'ENDMARK_INVALID_ARGUMENT', /column "key": expected text, got 5/)
    throws(t, () => put(map, null, 'x'), 'ENDMARK_INVALID_ARGUMENT', /null cannot be a key/)
    throws(t, () => put(map, 'x', undefined), 'ENDMARK_INVALID_ARGUMENT', /a value is missing/)
    throws(t, () => put(map, 'x', 5), 'ENDMARK_INVALID_ARGUMENT', /expected text/)
    throws(t, () => put(other.map, 'x', 'x'), 'ENDMARK_INVALID_ARGUMENT', /another Database/)
    t.is(tx.put(map, 'y', 'y'), 'y')
  })
  t.deepEqual([...map.entries()] as unknown[], [...manyEntries(), ['y', 'y']])
})

test('a value that puts and reads while it is encoded comes after what it has put', async (t) => {
  const { db } = await openTexts(t)
  const map = await db.map<string, unknown>('json', { key: 'text', value: 'json' })
  await db.transaction((tx) => {
    for (let index = 0; index < COUNT; index++) {
      const toJSON = () => {
        tx.put(map, `inner ${index}`, index)
        tx.put(map, `key ${index}`, 'inner')
        if (index % 3 === 0) t.is(tx.get(map, `inner ${index}`), index)
        return 'outer'
      }
      tx.put(map, `key ${index}`, { toJSON })
    }
  })
  t.is(map.count(), 2 * COUNT)
  t.deepEqual([...map.values({ gte: 'key', lt: 'kez' })], Array(COUNT).fill('outer'))
})

test('nothing can be put once the function has returned', async (t) => {
  const { db, map } = await openTexts(t)
  let kept: Transaction | null = null
  await db.transaction((tx) => {
    kept = tx
    putMany(tx, map)
  })
  throws(t, () => putMany(kept!, map), 'ENDMARK_CLOSED')
  t.deepEqual([...map.entries()] as unknown[], manyEntries())
})

test('a function that throws leaves nothing of what waited', async (t) => {
  const { db, map } = await openTexts(t)
  const failing = db.transaction((tx) => {
    putMany(tx, map)
    throw new Error('my own')
  })
  await t.throwsAsync(failing, { message: 'my own' })
  t.is(map.count(), 0)
})

// Failures.

const TRUNK_OFFSET = 32

/** Two leaves of the freelist are good, the next one is no page. */
async function damagedFreelist(t: ExecutionContext): Promise<{ db: Database; map: Texts }> {
  const path = temporaryPath(t)
  const before = await open(path)
  const made = await before.map<string, string>('m', { key: 'text', value: 'text' })
  await made.put('long', 'x'.repeat(40_000))
  await made.put('kept', 'kept')
  await made.delete('long')
  await before.close()
  const bytes = readFileSync(path)
  const trunk = (bytes.readUInt32BE(TRUNK_OFFSET) - 1) * 4096
  const noPage = Buffer.alloc(4)
  noPage.writeUInt32BE(999_999)
  writeSync(openSync(path, 'r+'), noPage, 0, 4, trunk + 8 + 4 * (bytes.readUInt32BE(trunk + 4) - 3))
  const db = await openDatabase(t, path, { writer: 'inline' })
  return { db, map: (await db.map('m')) as Texts }
}

/** Needs three pages for its overflow chain. */
const TOO_LONG = 'y'.repeat(12_000)

test('puts that cannot be applied make the transaction fail, also if its function catches the error', async (t) => {
  const { db, map } = await damagedFreelist(t)
  const swallowing = db.transaction((tx) => {
    putMany(tx, map)
    tx.put(map, 'too long', TOO_LONG)
    throws(t, () => tx.get(map, 'kept'), 'ENDMARK_CORRUPT')
    t.is(tx.get(map, 'too long'), undefined)
    tx.put(map, 'another', '')
  })
  await rejects(t, swallowing, 'ENDMARK_CORRUPT')
  t.deepEqual([...map.entries()] as unknown[], [['kept', 'kept']])
  const atTheEnd = db.transaction((tx) => {
    putMany(tx, map)
    tx.put(map, 'too long', TOO_LONG)
  })
  await rejects(t, atTheEnd, 'ENDMARK_CORRUPT')
  t.deepEqual([...map.entries()] as unknown[], [['kept', 'kept']])
})

test('puts of a savepoint that cannot be applied make the savepoint fail, and it alone', async (t) => {
  const { db, map } = await damagedFreelist(t)
  await db.transaction((tx) => {
    putMany(tx, map)
    const part = () => {
      putMany(tx, map, 'undone')
      tx.put(map, 'too long', TOO_LONG)
    }
    throws(t, () => tx.savepoint(part), 'ENDMARK_CORRUPT')
  })
  t.deepEqual([...map.entries()] as unknown[], [['kept', 'kept'], ...manyEntries()])
})

// Memory.

const TEXTS = { key: 'text', value: 'text' } as const
const SMALL: OpenOptions = { pageSize: 512, dirtyLimit: 0, autoCheckpoint: 0 }
const isLogWrite = ({ when, operation, path }: VfsEvent) =>
  when === 'before' && operation === 'write' && path.endsWith('-wal')

async function openHookedTexts(
  t: ExecutionContext,
  given: OpenOptions = SMALL,
): Promise<{ vfs: HookedVfs; db: Database; map: Texts; path: string }> {
  const path = temporaryPath(t)
  const { vfs, db } = await openHooked(t, path, given)
  return { path, vfs, db, map: await db.map<string, string>('m', { key: 'text', value: 'text' }) }
}

test('no more waits than memory has room for, whether the keys come in order or not', async (t) => {
  const { db, map, vfs, path } = await openHookedTexts(t)
  for (const step of [1, 1999]) {
    let writes = 0
    vfs.hook = (event) => {
      if (isLogWrite(event)) writes++
    }
    await db.transaction((tx) => {
      for (let index = 0; index < 5000; index++) {
        tx.put(map, String((index * step) % 5000).padStart(5, '0'), `${step}`.padEnd(60))
        // 64 pages of 512 bytes, and three quarters of that: 400 rows.
        if (index % 1000 === 999) t.true(writes >= Math.floor(index / 1000), `${writes} writes after ${index} puts`)
      }
    })
    t.is(map.count(), 5000)
    t.is(map.get('04711'), `${step}`.padEnd(60))
  }
  t.is(await integrityCheck(t, path), 'ok')
})

test('a few at a time, at places all over the map, they stay in memory as long as it has room', async (t) => {
  // 2048 pages of 512 bytes, and a map of 739.
  const { db, map, vfs } = await openHookedTexts(t, { ...SMALL, dirtyLimit: 1 << 20 })
  const put = (tx: Transaction, index: number, value: string) =>
    tx.put(map, String((index * 1999) % 5000).padStart(5, '0'), value.padEnd(60))
  await db.transaction((tx) => {
    for (let index = 0; index < 5000; index++) put(tx, index, 'old')
  })
  let writes = 0
  vfs.hook = (event) => {
    if (isLogWrite(event)) writes++
  }
  await db.transaction((tx) => {
    for (let index = 0; index < 10_000; index++) {
      put(tx, index, 'new')
      if (index % 30 === 0) tx.has(map, '00000')
    }
    t.is(writes, 0, `${db.stats().pageCount} pages`)
  })
  t.true(writes > 0)
  t.is(map.count(), 5000)
})

const SHAPES: Record<string, (index: number) => string> = {
  numbers: (index) => String(index),
  'numbers behind an umlaut': (index) => `ä${index}`,
  'umlauts behind numbers': (index) => `${index}ö${index % 7}`,
  'characters of four bytes': (index) =>
    String.fromCodePoint(0x1f600 + (index % 50), 0x61 + (index % 13), 0x1f300 + index),
  'halves of characters': (index) => `${index % 30}${String.fromCharCode(0xd800 + (index % 90))}${index}`,
  'the longest beginnings in common': (index) => `${'='.repeat(50)}${index % 2 === 0 ? '' : 'ß'}${index}`,
  'anything, also nothing': (index) =>
    ['', '\0', `${index}`, `ü${index}`, `\0${index}`, 'x'.repeat(index % 90)][index % 6]!,
}

for (const [name, keyAt] of Object.entries(SHAPES)) {
  test(`of keys that are put again and again in any order, more than memory has room for, the last put counts: ${name}`, async (t) => {
    const random = seededRandom(t)
    const { db, map, path } = await openHookedTexts(t)
    const blobs = await db.map<Uint8Array, string>('blobs', { key: 'blob', value: 'text' })
    const batched = await db.map<string, string>('batched', { key: 'text', value: 'text' })
    const puts = Array.from({ length: 4000 }, (_, index) => [keyAt(random.below(900)), `${index}`] as const)
    await db.transaction((tx) => {
      for (const [key, value] of puts) {
        tx.put(map, key, value)
        tx.put(blobs, Buffer.from(key), value)
      }
    })
    await batched.batch(puts.map(([key, value]) => ({ type: 'put', key, value })))
    // Half a character is stored as U+FFFD.
    const expected = new Map(puts.map(([key, value]) => [Buffer.from(key).toString(), value]))
    const sorted = [...expected].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    t.deepEqual([...map.entries()], sorted)
    t.deepEqual([...batched.entries()], sorted)
    t.deepEqual(
      Array.from(blobs.entries(), ([key, value]) => [Buffer.from(key).toString(), value]),
      sorted as unknown,
    )
    t.is(await integrityCheck(t, path), 'ok')
  })
}

test('no more waits where it is a little for each of many maps', async (t) => {
  const { db, vfs, path } = await openHookedTexts(t)
  const maps: Texts[] = []
  for (let index = 0; index < 100; index++) maps.push((await db.map(`m${index}`, TEXTS)) as Texts)
  let writes = 0
  vfs.hook = (event) => {
    if (isLogWrite(event)) writes++
  }
  await db.transaction((tx) => {
    for (let row = 0; row < 20; row++) for (const map of maps) tx.put(map, `${(row * 7) % 20}`, 'x'.repeat(80))
    t.true(writes > 3, `${writes} writes`)
  })
  for (const map of maps) t.is(map.count(), 20)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a disk that is full while puts are applied rejects the transaction, whatever its function does', async (t) => {
  const { db, map, vfs, path } = await openHookedTexts(t)
  await map.put('before', 'before')
  for (let nth = 1; nth <= 4; nth++) {
    vfs.hook = failOn(isLogWrite, { nth, errno: 28 })
    const large = db.transaction((tx) => {
      for (let index = 0; index < 3000; index++) {
        try {
          tx.put(map, String((index * 1999) % 3000), 'x'.repeat(60))
        } catch {
          // A function that goes on all the same.
        }
      }
    })
    await rejects(t, large, 'ENDMARK_IO')
    vfs.hook = () => {}
    t.deepEqual([...map.keys()], ['before'])
  }
  await map.put('after', 'after')
  t.is(await integrityCheck(t, path), 'ok')
})

test('puts at random between reads, deletes and savepoints are what a plain map says', async (t) => {
  t.timeout(240_000)
  const seed = seededRandom(t).next32() | 0
  let round = 0
  const property = fc.asyncProperty(
    fc.constantFrom(512, 1024, 4096, 65_536),
    fc.array(fc.array(change, { minLength: 1, maxLength: 80, size: 'max' }), { minLength: 1, maxLength: 6 }),
    async (pageSize, transactions) => {
      const path = temporaryPath(t, `${round++}.db`)
      const db = await open(path, { pageSize, dirtyLimit: 0, writer: 'inline', synchronous: 'off' })
      try {
        await playAll(db, transactions)
      } finally {
        await db.close()
      }
      if (round % 5 === 0 && (await integrityCheck(t, path)) !== 'ok') throw new Error('SQLite finds damage')
    },
  )
  await t.notThrowsAsync(
    fc.assert(property, {
      numRuns: RUNS,
      seed,
      endOnFailure: process.env.ENDMARK_PROPERTY_SHRINK === undefined,
      includeErrorInReport: true,
    }),
  )
})

const RUNS = Number(process.env.ENDMARK_PROPERTY_RUNS ?? 12)

const map = fc.constantFrom<'a' | 'b'>('a', 'b')
const key = fc.oneof(
  { weight: 8, arbitrary: fc.nat(500) },
  { weight: 2, arbitrary: fc.integer({ min: 10_000, max: 10_200 }) },
)
const length = fc.oneof(
  { weight: 20, arbitrary: fc.nat(100) },
  { weight: 2, arbitrary: fc.nat(3000) },
  { weight: 1, arbitrary: fc.integer({ min: 15_000, max: 40_000 }) },
)
type Change =
  | { type: 'puts'; map: 'a' | 'b'; key: number; count: number; step: number; length: number }
  | { type: 'get' | 'has' | 'delete'; map: 'a' | 'b'; key: number }
  | { type: 'range' | 'count' | 'begin' | 'end' | 'undo'; map: 'a' | 'b' }
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant<'puts'>('puts'),
      map,
      key,
      count: fc.oneof(fc.nat(5), fc.nat(60), fc.nat(400)),
      step: fc.constantFrom(0, 1, 1, -1, 7, 211),
      length,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constantFrom<'get' | 'has' | 'delete'>('get', 'has', 'delete'), map, key }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom<'range' | 'count'>('range', 'count'), map }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom<'begin' | 'end' | 'undo'>('begin', 'end', 'undo'), map }),
  },
)

class Undone extends Error {}

/** Runs the changes of each transaction in the database and in plain maps, and compares what they say. */
async function playAll(db: Database, transactions: readonly (readonly Change[])[]): Promise<void> {
  const maps = {
    a: await db.map<string, string>('a', { key: 'text', value: 'text' }),
    b: await db.map<Uint8Array, string>('b', { key: 'blob', value: 'text' }),
  }
  let model = { a: new Map<string, string>(), b: new Map<string, string>() }
  const keyOf = (name: 'a' | 'b', number: number) =>
    (name === 'a' ? String(number) : Buffer.from(`common beginning of all ${number}`)) as never
  const same = (found: unknown, expected: unknown, what: string) => {
    if (found !== expected)
      throw new Error(`${what}: ${String(found).slice(0, 60)}, not ${String(expected).slice(0, 60)}`)
  }
  const sorted = (name: 'a' | 'b') =>
    [...model[name]].sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  const entries = (found: Iterable<readonly [string | Uint8Array, string]>) =>
    JSON.stringify(Array.from(found, ([at, value]) => [Buffer.from(at).toString().split(' ').at(-1), value]))
  for (const changes of transactions) {
    await db.transaction((tx) => {
      let next = 0
      const play = (depth: number): void => {
        while (next < changes.length) {
          const change = changes[next++]!
          const of = maps[change.map] as OrderedMap<never, string>
          const expected = model[change.map]
          switch (change.type) {
            case 'puts':
              for (let i = 0; i < change.count; i++) {
                const at = Math.abs(change.key + i * change.step)
                const value = `${next}.${i} `.padEnd(i % 9 === 0 ? change.length : change.length % 60, '.')
                tx.put(of, keyOf(change.map, at), value)
                expected.set(String(at), value)
              }
              break
            case 'get':
              same(tx.get(of, keyOf(change.map, change.key)), expected.get(String(change.key)), 'get')
              break
            case 'has':
              same(tx.has(of, keyOf(change.map, change.key)), expected.has(String(change.key)), 'has')
              break
            case 'delete':
              same(tx.delete(of, keyOf(change.map, change.key)), expected.delete(String(change.key)), 'delete')
              break
            case 'range':
              same(entries(tx.range(of)), entries(sorted(change.map)), 'range')
              break
            case 'count':
              same(tx.count(of), expected.size, 'count')
              break
            case 'begin': {
              const before = { a: new Map(model.a), b: new Map(model.b) }
              try {
                tx.savepoint(() => play(depth + 1))
              } catch (error) {
                if (!(error instanceof Undone)) throw error
                model = before
              }
              break
            }
            case 'end':
              if (depth > 0) return
              break
            case 'undo':
              if (depth > 0) throw new Undone()
          }
        }
      }
      play(0)
    })
    for (const name of ['a', 'b'] as const) {
      same(entries(maps[name].entries() as never), entries(sorted(name)), `committed in ${name}`)
    }
  }
}
