/**
 * Transactions that change more than may stay in memory: pages leave it for the log, where they are nothing without the commit
 * (TXN-1, TXN-3, TXN-9). With `dirtyLimit` 0 that begins at 64 pages.
 */
import { copyFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/database.js'
import { type OrderedMap, open } from '../../src/index.js'
import type { OpenOptions } from '../../src/options.js'
import type { Transaction } from '../../src/txn/index.js'
import { failOn, type HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { readLogFile } from '../support/independent-wal-reader.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { openHooked } from '../support/open-hooked.js'
import { seededRandom } from '../support/random.js'
import { integrityCheck } from '../support/referee.js'

const ENOSPC = 28
const OPTIONS: OpenOptions = { pageSize: 512, dirtyLimit: 0, autoCheckpoint: 0 }

type Texts = OrderedMap<number, string>

interface Spilling {
  readonly path: string
  readonly vfs: HookedVfs
  readonly db: Database
  readonly map: Texts
}

async function openSpilling(t: ExecutionContext, given: OpenOptions = OPTIONS): Promise<Spilling> {
  const path = temporaryPath(t)
  const { vfs, db } = await openHooked(t, path, given)
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  return { path, vfs, db, map }
}

const isLogWrite = ({ when, operation, path }: VfsEvent) =>
  when === 'before' && operation === 'write' && path.endsWith('-wal')

/** Some 800 pages, all of them changed. */
const text = (value: string, key: number) => `${value} ${key} `.padEnd(110, '.')

function fill(tx: Transaction, map: Texts, value: string, count = 3000): void {
  for (let key = 0; key < count; key++) tx.put(map, key, text(value, key))
}

const contentsOf = (map: Texts): [number, string][] => [...map.entries()] as [number, string][]

test('random changes, some of them undone, are what a plain map says, whatever left memory in between', async (t) => {
  const { path, db, map, vfs } = await openSpilling(t)
  const random = seededRandom(t)
  const model = new Map<number, string>()
  let spillCount = 0
  for (let round = 0; round < 6; round++) {
    let writes = 0
    vfs.hook = (event) => {
      if (isLogWrite(event)) writes++
    }
    await db.transaction((tx) => {
      const change = (depth: number): void => {
        for (let i = 0; i < 1200; i++) {
          const key = random.below(4000)
          if (random.below(4) === 0) {
            tx.delete(map, key)
            model.delete(key)
          } else {
            const value = 'x'.repeat(random.below(random.below(20) === 0 ? 3000 : 60))
            tx.put(map, key, value)
            model.set(key, value)
          }
          if (i % 400 === 200 && depth < 2) inner(depth + 1)
          if (i % 100 === 0) t.is(tx.get(map, key), model.get(key))
        }
      }
      const inner = (depth: number): void => {
        const before = new Map(model)
        const isUndone = random.below(2) === 0
        try {
          tx.savepoint(() => {
            change(depth)
            if (isUndone) throw new Error('undone')
          })
        } catch {
          model.clear()
          for (const [key, value] of before) model.set(key, value)
        }
      }
      change(0)
      const seen = [...tx.range(map)]
      t.deepEqual(seen, sorted(model))
    })
    spillCount += writes - 1
    t.deepEqual(contentsOf(map), sorted(model))
    await assertRecovered(t, path, sorted(model))
    if (round % 2 === 1) await db.checkpoint({ mode: 'restart' })
  }
  t.true(spillCount > 50, `${spillCount} writes before the commits`)
  t.is(await integrityCheck(t, path), 'ok')
  const other = await openDatabase(t, path)
  t.deepEqual(contentsOf(await other.map('m')), sorted(model))
})

/** What somebody finds who has nothing but the two files: a recovery believes no frame whose checksum is wrong. */
async function assertRecovered(t: ExecutionContext, path: string, contents: readonly [number, string][]) {
  const copy = `${path}-copy`
  for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
  const db = await open(copy, { autoCheckpoint: 0 })
  t.deepEqual(contentsOf((await db.map('m')) as Texts), contents)
  await db.close()
}

test('a page that leaves memory again takes the place of its frame', async (t) => {
  const { path, db, map } = await openSpilling(t)
  const contents = (): [number, string][] => Array.from({ length: 3000 }, (_, key) => [key, text('round 4', key)])
  await db.transaction((tx) => {
    for (let round = 0; round < 5; round++) {
      fill(tx, map, `round ${round}`)
      t.is(tx.get(map, 7), text(`round ${round}`, 7))
    }
  })
  const { logFrames, pageCount } = db.stats()
  t.true(logFrames < pageCount * 1.4, `${logFrames} frames of ${pageCount} pages`)
  t.deepEqual(contentsOf(map), contents())
  await assertRecovered(t, path, contents())
  t.is(await integrityCheck(t, path), 'ok')
})

test('a frame that a savepoint may go back to stays as it is', async (t) => {
  const { path, db, map } = await openSpilling(t)
  await db.transaction((tx) => {
    fill(tx, map, 'first')
    for (let round = 0; round < 2; round++) {
      const undone = () =>
        tx.savepoint(() => {
          fill(tx, map, 'undone')
          t.is(tx.get(map, 7), text('undone', 7))
          fill(tx, map, 'undone as well')
          t.is(tx.get(map, 7), text('undone as well', 7))
          throw new Error('my own')
        })
      t.throws(undone, { message: 'my own' })
      t.is(tx.get(map, 7), text('first', 7))
    }
    tx.savepoint(() => fill(tx, map, 'kept', 1500))
    // Of the savepoint that was released nobody can go back to the beginning alone.
    fill(tx, map, 'last', 700)
  })
  const contents = Array.from({ length: 3000 }, (_, key): [number, string] => {
    return [key, text(key < 700 ? 'last' : key < 1500 ? 'kept' : 'first', key)]
  })
  t.deepEqual(contentsOf(map), contents)
  await assertRecovered(t, path, contents)
  t.is(await integrityCheck(t, path), 'ok')
})

test('an iteration goes on from its key, whatever has taken the frame of its page meanwhile', async (t) => {
  const { db, map } = await openSpilling(t)
  await db.transaction((tx) => {
    for (let round = 0; round < 3; round++) fill(tx, map, `round ${round}`)
    for (const reverse of [false, true]) {
      const keys: number[] = []
      for (const [key] of tx.range(map, { gte: 1000, lt: 1030, reverse })) {
        keys.push(key)
        // The entries of its page come to lie elsewhere, and the page leaves memory.
        for (let near = key - 10; near <= key + 10; near++) tx.put(map, near, 'short'.repeat(1 + (keys.length % 7)))
        fill(tx, map, 'other', 1000)
      }
      const expected = Array.from({ length: 30 }, (_, index) => 1000 + index)
      t.deepEqual(keys, reverse ? expected.reverse() : expected)
    }
  })
})

const sorted = (model: ReadonlyMap<number, string>) => [...model].sort(([a], [b]) => a - b)

test('nobody sees anything of it before the commit, and snapshots nothing after it', async (t) => {
  const { path, db, map, vfs } = await openSpilling(t)
  await db.transaction((tx) => fill(tx, map, 'old', 100))
  const other = await openDatabase(t, path)
  const others = (await other.map('m')) as Texts
  const snapshot = other.snapshot()
  let looks = 0
  vfs.hook = (event) => {
    if (!isLogWrite(event)) return
    looks++
    t.is(others.get(7), text('old', 7))
    t.is(others.count(), 100)
  }
  await db.transaction((tx) => fill(tx, map, 'new'))
  t.true(looks > 2)
  t.is(others.get(7), text('new', 7))
  t.is(snapshot.get(others, 7), text('old', 7))
  t.is(snapshot.count(others), 100)
  snapshot.close()
})

test('one that throws at its end leaves nothing, and the others of its batch commit', async (t) => {
  const { path, db, map } = await openSpilling(t)
  await db.transaction((tx) => fill(tx, map, 'old', 1000))
  const { endMark } = db.snapshot()
  const throwing = db.transaction((tx) => {
    fill(tx, map, 'new')
    throw new Error('my own')
  })
  const [first, failed, last] = await Promise.allSettled([map.put(5000, 'before'), throwing, map.put(5001, 'after')])
  t.is(first.status, 'fulfilled')
  t.like(failed, { status: 'rejected', reason: { message: 'my own' } })
  t.is(last.status, 'fulfilled')
  t.is(map.get(7), text('old', 7))
  t.is(map.count(), 1002)
  t.true(db.stats().logFrames - endMark < 20, 'the frames of the one that threw have been overwritten')
  await assertRecovered(t, path, contentsOf(map))
  t.is(await integrityCheck(t, path), 'ok')
})

test('a process that dies in the middle of it leaves what was committed before', async (t) => {
  const { path, db, map, vfs } = await openSpilling(t)
  await db.transaction((tx) => fill(tx, map, 'old', 1000))
  let writes = 0
  const copies: string[] = []
  vfs.hook = (event) => {
    if (event.when !== 'after' || event.operation !== 'write' || !event.path.endsWith('-wal') || writes++ % 3 !== 0)
      return
    const copy = `${path}-${writes}`
    for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
    copies.push(copy)
  }
  await db.transaction((tx) => fill(tx, map, 'new'))
  vfs.hook = () => {}
  t.true(copies.length >= 3)
  const states: string[] = []
  for (const copy of copies) {
    const frames = readLogFile(`${copy}-wal`)!
    const found = await open(copy)
    const texts = (await found.map('m')) as Texts
    states.push(`${texts.get(7)?.slice(0, 5)}, ${texts.count()}`)
    if (texts.count() === 1000) t.true(frames.uncommittedCount > 0 || copy === copies[0])
    await texts.put(7, 'again')
    await found.close()
    t.is(await integrityCheck(t, copy), 'ok')
  }
  t.true(states.includes('old 7, 1000'))
  t.deepEqual(
    [...new Set(states)].filter((state) => state !== 'old 7, 1000' && state !== 'new 7, 3000'),
    [],
  )
})

test('a disk that is full in the middle of it rejects it with the reason, and nothing else', async (t) => {
  const { path, db, map, vfs } = await openSpilling(t)
  await db.transaction((tx) => fill(tx, map, 'old', 1000))
  for (let nth = 1; nth <= 5; nth++) {
    vfs.hook = failOn(isLogWrite, { nth, errno: ENOSPC })
    const large = db.transaction((tx) => {
      try {
        fill(tx, map, `new ${nth}`)
      } catch {
        // A function that goes on all the same.
      }
    })
    const error = await rejects(t, () => large, 'ENDMARK_IO')
    t.regex(String((error.cause as Error | undefined)?.message ?? error.message), /ENOSPC|no space/i)
    vfs.hook = () => {}
    t.is(map.get(7), text('old', 7))
    await map.put(5000 + nth, 'small')
  }
  t.is(map.count(), 1005)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a savepoint is undone whole though nothing can be read from the log', async (t) => {
  const { path, db, map, vfs } = await openSpilling(t)
  const isLogRead = ({ operation, path: read }: VfsEvent) => operation === 'read' && read.endsWith('-wal')
  const undone = (tx: Transaction) =>
    t.throws(
      () =>
        tx.savepoint(() => {
          fill(tx, map, 'undone')
          vfs.hook = failOn(isLogRead, { andLater: true })
          throw new Error('my own')
        }),
      { message: 'my own' },
    )
  const contents = Array.from({ length: 3000 }, (_, key): [number, string] => [key, text('kept', key)])
  await db.transaction((tx) => {
    fill(tx, map, 'kept')
    undone(tx)
    vfs.hook = () => {}
    tx.put(map, 0, text('kept', 0))
  })
  t.deepEqual(contentsOf(map), contents)
  const reading = db.transaction((tx) => {
    fill(tx, map, 'rejected')
    undone(tx)
  })
  await rejects(t, reading, 'ENDMARK_IO')
  vfs.hook = () => {}
  t.deepEqual(contentsOf(map), contents)
  await assertRecovered(t, path, contents)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a new generation of the log may begin with it, and a blocking transaction spills as well', async (t) => {
  const { path, db, map } = await openSpilling(t)
  await db.transaction((tx) => fill(tx, map, 'old', 1000))
  await db.checkpoint({ mode: 'restart' })
  db.transactionSync((tx) => fill(tx, map, 'sync'))
  t.is(map.get(2999), text('sync', 2999))
  await db.checkpoint({ mode: 'truncate' })
  await db.transaction((tx) => {
    for (let key = 0; key < 3000; key++) if (key % 7 !== 0) tx.delete(map, key)
  })
  t.is(map.count(), 429)
  t.is(await integrityCheck(t, path), 'ok')
})

test('a transaction too large to run beside others runs under the lock when there is a writer process', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { ...OPTIONS, writer: 'process' })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  let runs = 0
  const values = await Promise.all([
    map.put(9000, 'before'),
    db.transaction((tx) => {
      runs++
      fill(tx, map, 'large')
      return tx.get(map, 9000)
    }),
    map.put(9001, 'after'),
  ])
  t.is(values[1], 'before', 'in the order of the calls')
  t.true(runs >= 1)
  t.is(map.count(), 3002)
  t.is(map.get(2999), text('large', 2999))
})
