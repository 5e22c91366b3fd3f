/**
 * Keys that are read again and again are found by hints to their cells. Whatever happened to the pages since, each state must
 * give its own values: the newest one, and snapshots from before commits, checkpoints and new generations of the log.
 */
import test from 'ava'
import type { MapOptions, OrderedMap, Snapshot } from '../../src/index.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { seededRandom } from '../support/random.js'

const KEY_COUNT = 300
const STEPS = 250
/** As often as a leaf must be looked into before its entries get hints, and then some. */
const PASSES = 4
const SNAPSHOTS_MAX = 3
const ANY: MapOptions = { key: 'any', value: 'any' }

const textKey = (index: number) => `key-${String(index).padStart(12, '0')}`
const integerKey = (index: number) => index * 1_000_003

for (const [kind, keyOf] of [
  ['text', textKey],
  ['integer', integerKey],
] as const) {
  test(`every state gives its own values of ${kind} keys that are read often`, async (t) => {
    const random = seededRandom(t)
    const path = temporaryPath(t)
    const options = { pageSize: 512, synchronous: 'off', writer: 'inline', autoCheckpoint: 0 } as const
    const databases = [await openDatabase(t, path, options), await openDatabase(t, path, options)]
    const maps: OrderedMap<string | number, unknown>[] = []
    for (const db of databases) maps.push(await db.map<string | number, unknown>('m', ANY))
    const model = new Map<string | number, string>()
    let open: { snapshot: Snapshot; map: OrderedMap<string | number, unknown>; content: Map<unknown, string> }[] = []

    const compare = (from: number) => {
      for (let pass = 0; pass < PASSES; pass++) {
        for (let index = from; index < from + 30; index++) {
          const key = keyOf(index % KEY_COUNT)
          for (const map of maps) t.is(map.get(key), model.get(key))
          for (const { snapshot, map, content } of open) t.is(snapshot.get(map, key), content.get(key))
        }
      }
    }
    for (let step = 0; step < STEPS; step++) {
      const which = random.below(2)
      const db = databases[which]!
      const map = maps[which]!
      const action = random.below(10)
      if (action < 5) {
        const indexes = Array.from({ length: 1 + random.below(20) }, () => random.below(KEY_COUNT))
        const value = `${step} ${'x'.repeat(random.below(60))}`
        const isDelete = random.below(4) === 0
        await map.batch(
          indexes.map((index) =>
            isDelete ? { type: 'delete', key: keyOf(index) } : { type: 'put', key: keyOf(index), value },
          ),
        )
        for (const index of indexes) {
          if (isDelete) model.delete(keyOf(index))
          else model.set(keyOf(index), value)
        }
      } else if (action < 7) {
        if (open.length >= SNAPSHOTS_MAX) open.shift()!.snapshot.close()
        open.push({ snapshot: db.snapshot(), map, content: new Map(model) })
      } else if (action < 8) {
        for (const { snapshot } of open) snapshot.close()
        open = []
        await db.checkpoint({ mode: random.pick(['restart', 'truncate']) })
      } else {
        await db.checkpoint({ mode: 'passive' })
      }
      compare(random.below(KEY_COUNT))
    }
    for (const { snapshot } of open) snapshot.close()
    t.pass()
  })
}

// A leaf that is merged into its neighbour goes to the freelist with its content: no frame says that it has changed.
test('keys of a leaf that has left its tree have the values they were given since', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), { pageSize: 512, synchronous: 'off', writer: 'inline' })
  const map = await db.map('m', { key: 'text', value: 'integer' })
  const keys = Array.from({ length: KEY_COUNT }, (_, index) => textKey(index))
  await map.batch(keys.map((key) => ({ type: 'put', key, value: 0 })))
  for (let round = 1; round < 20; round++) {
    for (let pass = 0; pass < PASSES; pass++) for (const key of keys) map.get(key)
    const kept = (index: number) => index % 20 === round
    await map.batch(keys.filter((_, index) => !kept(index)).map((key) => ({ type: 'delete', key })))
    for (const [index, key] of keys.entries()) t.is(map.get(key) !== undefined, kept(index))
    await map.batch(keys.map((key) => ({ type: 'put', key, value: round })))
    for (const key of keys) t.is(map.get(key), round)
  }
})

// Behind the end of a file a map is a SIGBUS, which ends the process; the first cells of a page stand at its end.
test('what is read ahead ends with the file', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { writer: 'inline' })
  const map = await db.map('m', { key: 'text', value: 'integer' })
  const keys = Array.from({ length: 1000 }, (_, index) => textKey(index))
  for (let from = 0; from < keys.length; from += 50) {
    await map.batch(keys.slice(from, from + 50).map((key, index) => ({ type: 'put', key, value: from + index })))
    await db.checkpoint({ mode: 'truncate' })
    for (let pass = 0; pass < PASSES; pass++) {
      t.deepEqual(
        map.getMany(keys.slice(0, from + 50)),
        Array.from({ length: from + 50 }, (_, index) => index),
      )
    }
  }
})

test('the same keys in two stores are told apart', async (t) => {
  const db = await openDatabase(t)
  const first = await db.map('first', { key: 'text', value: 'integer' })
  const second = await db.map('second', { key: 'text', value: 'integer' })
  const keys = Array.from({ length: 500 }, (_, index) => textKey(index))
  await first.batch(keys.map((key, index) => ({ type: 'put', key, value: index })))
  await second.batch(keys.slice(0, 250).map((key, index) => ({ type: 'put', key, value: index + 1000 })))
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [index, key] of keys.entries()) {
      t.is(first.get(key), index)
      t.is(second.get(key), index < 250 ? index + 1000 : undefined)
    }
  }
  await db.dropStore('first')
  const third = await db.map('third', { key: 'text', value: 'integer' })
  for (const key of keys) t.is(third.get(key), undefined, 'pages of a store that was dropped')
})
