/**
 * `transaction` and `transactionSync` as callers see them: isolation, undoing, savepoints, aborts, errors, DDL. The same in
 * every mode of committing; functions may run more than once, so what they saw is looked at when they have committed.
 */
import type { ExecutionContext } from 'ava'
import type { Database, OrderedMap, Transaction } from '../../src/index.js'
import { type CommitMode, testsIn } from '../support/commit-modes.js'
import { rejects, temporaryPath, throws } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'

type Numbers = OrderedMap<number, number>

interface User {
  id: number
  name: string | null
}

const USERS = { columns: { id: 'integer', name: 'text' }, primaryKey: 'id' } as const

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

export function transactionSuite(mode: CommitMode): void {
  const test = testsIn(mode)

  async function openNumbers(t: ExecutionContext<unknown>, path = temporaryPath(t)): Promise<[Database, Numbers]> {
    const db = await mode.open(t, path)
    return [db, await db.map<number, number>('numbers', { key: 'integer', value: 'integer' })]
  }

  test('a transaction reads its own writes, and nobody else does before it is committed', async (t) => {
    const [db, numbers] = await openNumbers(t)
    const users = await db.table<User, number>('users', USERS)
    await numbers.put(1, 1)
    const committed = db.transaction((tx) => {
      tx.put(numbers, 2, 2)
      tx.put(numbers, 1, 10)
      t.is(tx.insert(users, { id: 7, name: 'seven' }), 7)
      t.is(tx.put(users, { name: 'eight' } as User), 8)
      t.true(tx.update(users, 7, { name: 'Seven' }))
      t.false(tx.update(users, 70, { name: 'Seventy' }))
      t.is(tx.get(numbers, 2), 2)
      t.true(tx.has(numbers, 2))
      t.deepEqual(tx.getMany(numbers, [3, 2, 1]), [undefined, 2, 10])
      t.deepEqual(
        [...tx.range(numbers, { reverse: true })],
        [
          [2, 2],
          [1, 10],
        ],
      )
      t.is(tx.count(numbers), 2)
      t.is(tx.count(numbers, { gt: 1 }), 1)
      t.deepEqual(tx.get(users, 7), { id: 7, name: 'Seven' })
      t.true(tx.delete(numbers, 1))
      t.false(tx.delete(numbers, 1))
      t.is(tx.get(numbers, 1), undefined)
      t.is(numbers.get(1), 1, 'the handle reads what is committed')
      t.is(
        db.read((snapshot) => snapshot.count(numbers)),
        1,
      )
      return 'value'
    })
    t.is(numbers.get(2), undefined)
    t.is(await committed, 'value')
    t.deepEqual([...numbers.entries()], [[2, 2]])
    t.deepEqual(
      [...users.range()],
      [
        { id: 7, name: 'Seven' },
        { id: 8, name: 'eight' },
      ],
    )
  })

  test('a throw undoes everything and rejects with the very same error', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    await numbers.batch(Array.from({ length: 3000 }, (_, key) => ({ type: 'put', key, value: key })))
    const before = [...numbers.entries()]
    const { pageCount } = db.stats()
    for (const thrown of [new Error('no'), { plain: true }, 'text', undefined, null]) {
      const failing = db.transaction((tx) => {
        for (let key = 0; key < 3000; key++) tx.delete(numbers, key)
        for (let key = 5000; key < 9000; key++) tx.put(numbers, key, key)
        throw thrown
      })
      const outcome = await failing.then(
        () => ['resolved'],
        (error: unknown) => [error],
      )
      t.is(outcome[0], thrown)
      t.deepEqual([...numbers.entries()], before)
      t.is(db.stats().pageCount, pageCount)
    }
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('savepoints nest, and an inner one is undone alone', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    await db.transaction((tx) => {
      tx.put(numbers, 1, 1)
      const value = tx.savepoint(() => {
        tx.put(numbers, 2, 2)
        const inner = new Error('inner')
        const thrown = t.throws(() =>
          tx.savepoint(() => {
            tx.put(numbers, 3, 3)
            tx.delete(numbers, 1)
            for (let key = 100; key < 3000; key++) tx.put(numbers, key, key)
            tx.savepoint(() => tx.put(numbers, 4, 4))
            throw inner
          }),
        )
        t.is(thrown, inner)
        t.deepEqual(
          [...tx.range(numbers)],
          [
            [1, 1],
            [2, 2],
          ],
        )
        tx.put(numbers, 5, 5)
        return 'kept'
      })
      t.is(value, 'kept')
      t.throws(() =>
        tx.savepoint(() => {
          tx.put(numbers, 6, 6)
          throw new Error('second')
        }),
      )
    })
    t.deepEqual([...numbers.keys()], [1, 2, 5])
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('a savepoint that succeeded inside a transaction that throws is undone with it', async (t) => {
    const [db, numbers] = await openNumbers(t)
    await numbers.put(1, 1)
    await t.throwsAsync(
      db.transaction((tx) => {
        tx.savepoint(() => tx.put(numbers, 1, 2))
        tx.savepoint(() => tx.put(numbers, 1, 3))
        throw new Error('outer')
      }),
    )
    t.deepEqual([...numbers.entries()], [[1, 1]])
  })

  test('an async function is refused and undone, also as a savepoint', async (t) => {
    const [db, numbers] = await openNumbers(t)
    const asynchronous = db.transaction(async (tx) => void tx.put(numbers, 1, 1))
    await rejects(t, asynchronous, 'ENDMARK_INVALID_ARGUMENT', /async/)
    const inner = db.transaction((tx) => void tx.savepoint(async () => void tx.put(numbers, 1, 1)))
    await rejects(t, inner, 'ENDMARK_INVALID_ARGUMENT', /async/)
    throws(t, () => void db.transactionSync(async () => {}), 'ENDMARK_INVALID_ARGUMENT', /async/)
    // What it does after its refusal fails as well, and nobody waits for that: it must not end the process.
    let isOver = false
    const late = async (tx: Transaction) => {
      await Promise.resolve()
      isOver = true
      tx.put(numbers, 1, 1)
    }
    await rejects(t, db.transaction(late), 'ENDMARK_INVALID_ARGUMENT', /async/)
    t.true(isOver)
    t.is(numbers.count(), 0)
  })

  test('what is not a function is refused', async (t) => {
    const [db] = await openNumbers(t)
    for (const fn of [undefined, null, 1, {}, 'x']) {
      await rejects(t, db.transaction(fn as never), 'ENDMARK_INVALID_ARGUMENT')
      throws(t, () => db.transactionSync(fn as never), 'ENDMARK_INVALID_ARGUMENT')
    }
  })

  test('a transaction and its iterators end with its function', async (t) => {
    const [db, numbers] = await openNumbers(t)
    await numbers.batch(Array.from({ length: 500 }, (_, key) => ({ type: 'put', key, value: key })))
    let left: Transaction | undefined
    let iterator: Iterator<[number, number]> | undefined
    const fn = (tx: Transaction) => {
      left = tx
      tx.put(numbers, 1000, 1000)
      iterator = tx.range(numbers)
      t.deepEqual(iterator.next().value, [0, 0])
    }
    const check = () => {
      const uses: ((tx: Transaction) => unknown)[] = [
        (tx) => tx.get(numbers, 1),
        (tx) => tx.has(numbers, 1),
        (tx) => tx.getMany(numbers, [1]),
        (tx) => tx.count(numbers),
        (tx) => tx.range(numbers),
        (tx) => tx.put(numbers, 1, 2),
        (tx) => tx.delete(numbers, 1),
        (tx) => tx.savepoint(() => 1),
      ]
      for (const use of uses) throws(t, () => void use(left!), 'ENDMARK_CLOSED')
      if (iterator === undefined) return
      // Once: this function may run again, and the iterator has ended by then.
      const ended = iterator
      iterator = undefined
      throws(t, () => void ended.next(), 'ENDMARK_CLOSED')
      t.true(ended.next().done)
    }
    await Promise.all([db.transaction(fn), db.transaction(check)])
    await db.transaction(fn)
    check()
    db.transactionSync(fn)
    check()
  })

  test('concurrent increments of many callers of two Databases add up exactly', async (t) => {
    const path = temporaryPath(t)
    const [first, numbers] = await openNumbers(t, path)
    const second = await mode.open(t, path)
    const others = await second.map<number, number>('numbers')
    await numbers.put(0, 0)
    const increment = async (db: Database, map: Numbers) => {
      for (let i = 0; i < 10; i++) await db.transaction((tx) => void tx.put(map, 0, tx.get(map, 0)! + 1))
    }
    const callers = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? increment(first, numbers) : increment(second, others),
    )
    await Promise.all(callers)
    t.is(numbers.get(0), 200)
    t.is(others.get(0), 200)
  })

  test('a transaction that throws does not hurt the others of its batch', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, key) =>
        db.transaction((tx) => {
          tx.put(numbers, key, key)
          for (let other = 0; other < 60; other++)
            if (other % 3 === 1 && key % 3 === 1) tx.put(numbers, other + 1000, key)
          if (key % 3 === 1) throw new Error(`bad ${key}`)
          return key
        }),
      ),
    )
    for (const [key, outcome] of outcomes.entries()) {
      if (key % 3 === 1) t.is(outcome.status === 'rejected' && (outcome.reason as Error).message, `bad ${key}`)
      else t.deepEqual(outcome, { status: 'fulfilled', value: key })
    }
    t.deepEqual(
      [...numbers.keys()],
      Array.from({ length: 60 }, (_, key) => key).filter((key) => key % 3 !== 1),
    )
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('a signal that is aborted already, or aborts while the call waits, rejects with AbortError', async (t) => {
    const [db, numbers] = await openNumbers(t)
    const reason = new Error('enough')
    const before = await t.throwsAsync(
      db.transaction((tx) => tx.put(numbers, 1, 1), { signal: AbortSignal.abort(reason) }),
    )
    t.is(before?.name, 'AbortError')
    t.is(before?.cause, reason)
    const controller = new AbortController()
    const waiting = numbers.put(1, 1, { signal: controller.signal })
    const neighbour = numbers.put(2, 2)
    controller.abort(reason)
    const error = await t.throwsAsync(waiting)
    t.is(error?.name, 'AbortError')
    t.is((error as unknown as { code: string }).code, 'ABORT_ERR')
    await neighbour
    t.deepEqual([...numbers.keys()], [2])
    const later = new AbortController()
    await numbers.put(3, 3, { signal: later.signal })
    later.abort()
    t.is(numbers.get(3), 3)
  })

  test('a signal ends the wait for the WRITE lock', async (t) => {
    const path = temporaryPath(t)
    const [first, numbers] = await openNumbers(t, path)
    const second = await mode.open(t, path, { timeout: 30_000 })
    const others = await second.map<number, number>('numbers')
    const controller = new AbortController()
    let waiting: Promise<void> | undefined
    first.transactionSync((tx) => {
      tx.put(numbers, 1, 1)
      // The other Database cannot get the lock while this function runs; its batch starts with the next turn.
      waiting = others.put(2, 2, { signal: controller.signal })
      controller.abort()
    })
    const error = await t.throwsAsync(waiting!)
    t.is(error?.name, 'AbortError')
    t.deepEqual([...numbers.keys()], [1])
    await others.put(3, 3)
  })

  test('`synchronous` of one transaction is validated and each mode commits', async (t) => {
    const [db, numbers] = await openNumbers(t)
    for (const synchronous of ['off', 'normal', 'full', 'extra'] as const) {
      await numbers.put(1, 1, { synchronous })
      t.is(await db.transaction(() => synchronous, { synchronous }), synchronous)
      t.is(
        db.transactionSync(() => synchronous, { synchronous }),
        synchronous,
      )
    }
    for (const synchronous of ['fast', 1, null, true]) {
      const options = { synchronous } as never
      await rejects(t, numbers.put(1, 1, options), 'ENDMARK_INVALID_ARGUMENT', new RegExp(String(synchronous)))
      await rejects(
        t,
        db.transaction(() => 1, options),
        'ENDMARK_INVALID_ARGUMENT',
      )
      throws(t, () => db.transactionSync(() => 1, options), 'ENDMARK_INVALID_ARGUMENT')
    }
  })

  test('transactionSync commits before it returns, and throws what its function throws', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    const other = await mode.open(t, path)
    const seen = await other.map<number, number>('numbers')
    t.is(
      db.transactionSync((tx) => tx.put(numbers, 1, 1)),
      1,
    )
    t.is(seen.get(1), 1)
    const thrown = new Error('no')
    t.is(
      t.throws(() =>
        db.transactionSync((tx) => {
          tx.put(numbers, 1, 2)
          throw thrown
        }),
      ),
      thrown,
    )
    t.is(numbers.get(1), 1)
  })

  test('transactionSync goes ahead of what waits, and is BUSY inside of, or beside, a commit under way', async (t) => {
    const [db, numbers] = await openNumbers(t)
    const queued = numbers.put(1, 1)
    db.transactionSync((tx) => t.is(tx.get(numbers, 1), undefined))
    await queued
    t.is(numbers.get(1), 1)
    db.transactionSync(() => throws(t, () => db.transactionSync(() => 1), 'ENDMARK_BUSY'))
    await db.transaction(() => throws(t, () => db.transactionSync(() => 1), 'ENDMARK_BUSY'))
    t.is(
      db.transactionSync(() => 5),
      5,
    )
  })

  test('a transaction started inside a transaction is one of its own, later', async (t) => {
    const [db, numbers] = await openNumbers(t)
    let inner: Promise<number> | undefined
    await db.transaction((tx) => {
      tx.put(numbers, 1, 1)
      inner = db.transaction((second) => second.put(numbers, 2, second.get(numbers, 1)! + 1))
      t.is(tx.get(numbers, 2), undefined)
    })
    t.is(await inner, 2)
    const { promise, resolve } = deferred()
    db.transactionSync((tx) => {
      tx.put(numbers, 3, 3)
      void db.transaction((second) => second.put(numbers, 4, second.get(numbers, 3)! + 1)).then(() => resolve())
    })
    await promise
    t.is(numbers.get(4), 4)
  })

  test('a transaction that changes nothing writes no frame', async (t) => {
    const [db, numbers] = await openNumbers(t)
    await numbers.put(1, 1)
    const { logFrames } = db.stats()
    t.is(await db.transaction((tx) => tx.get(numbers, 1)), 1)
    t.is(await db.transaction(() => undefined), undefined)
    await numbers.batch([])
    // Through a writer it leaves its number.
    if (mode.name === 'inline') t.false(await numbers.delete(2))
    t.is(db.stats().logFrames, logFrames)
  })

  test('a range goes on correctly while its entries are deleted, changed and added', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    await numbers.batch(Array.from({ length: 4000 }, (_, key) => ({ type: 'put', key: key * 2, value: key })))
    await db.transaction((tx) => {
      const seen: number[] = []
      for (const [key] of tx.range(numbers, { lt: 2000 })) {
        seen.push(key)
        if (key % 4 === 0) tx.delete(numbers, key)
        // Behind the iterator: must not be seen. Ahead of it: must be.
        tx.put(numbers, key - 1, -1)
        if (key % 100 === 0) tx.put(numbers, key + 1, -2)
      }
      const expected = []
      for (let key = 0; key < 2000; key += 2) {
        expected.push(key)
        if (key % 100 === 0) expected.push(key + 1)
      }
      const sorted = [...new Set(seen)].sort((a, b) => a - b)
      t.deepEqual(seen, sorted, 'in order, each once')
      for (const key of expected) t.true(sorted.includes(key), `saw ${key}`)
    })
    await db.transaction((tx) => {
      let count = 0
      for (const [key] of tx.range(numbers, { reverse: true })) {
        t.true(tx.delete(numbers, key))
        count++
      }
      t.true(count > 4000)
      t.is(tx.count(numbers), 0)
      t.deepEqual([...tx.range(numbers)], [])
    })
    t.is(numbers.count(), 0)
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('rowids of a range stay right while the table is emptied through it', async (t) => {
    const [db] = await openNumbers(t)
    const users = await db.table<User, number>('users', USERS)
    await db.transaction((tx) => {
      for (let id = 1; id <= 2000; id++) tx.insert(users, { id, name: `name ${id}`.repeat(5) })
    })
    await db.transaction((tx) => {
      let expected = 1
      for (const { id } of tx.range(users)) {
        if (id !== expected++) t.fail(`row ${id}`)
        tx.delete(users, id)
        if (id % 10 === 0) t.is(tx.put(users, { name: 'new' } as User), 2000 + id / 10)
        if (id === 2000) break
      }
      t.is(tx.count(users), 200)
    })
    t.is(users.count(), 200)
  })

  test('creating in a batch beside failing transactions keeps the schema right', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    const other = await mode.open(t, path)
    for (let round = 0; round < 10; round++) {
      const name = `store${round}`
      const outcomes = await Promise.allSettled([
        db.transaction((tx) => {
          tx.put(numbers, round, round)
          throw new Error('bad')
        }),
        db.map<string, string>(name, { key: 'text', value: 'text' }),
        db.map<string, string>(name, { key: 'integer', value: 'text' } as never),
        other.map<string, string>(name, { key: 'text', value: 'text' }),
        db.transaction((tx) => tx.put(numbers, 1000 + round, round)),
        db.dropStore('there is none'),
      ])
      t.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'rejected'],
      )
      const store = await db.map<string, string>(name)
      await Promise.all([store.put('a', 'b'), numbers.put(2000 + round, 1)])
      t.is((await other.map<string, string>(name)).get('a'), 'b')
      if (round % 2 === 0) await other.dropStore(name)
    }
    t.is(db.stores().length, 1 + 5)
    await Promise.all([db.close(), other.close()])
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('dropping and creating again in one batch gives a store of the new definition', async (t) => {
    const path = temporaryPath(t)
    const [db] = await openNumbers(t, path)
    const old = await db.map<string, string>('m', { key: 'text', value: 'text' })
    await old.put('a', 'b')
    const dropped = db.dropStore('m')
    const put = old.put('c', 'd')
    await dropped
    await rejects(t, put, 'ENDMARK_NOT_FOUND')
    const [made] = await Promise.all([
      db.map<number, number>('m', { key: 'integer', value: 'integer' }),
      rejects(t, db.map('m', { key: 'real', value: 'real' }), 'ENDMARK_INVALID_ARGUMENT', /another definition/),
    ])
    await made.put(1, 2)
    t.deepEqual([...made.entries()], [[1, 2]])
    await rejects(t, old.put('e', 'f'), 'ENDMARK_INVALID_ARGUMENT')
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })

  test('a handle of another Database is refused', async (t) => {
    const [db, numbers] = await openNumbers(t)
    const [, others] = await openNumbers(t)
    await others.put(1, 100)
    await numbers.put(1, 1)
    for (const work of [
      (tx: Transaction) => tx.get(others, 1),
      (tx: Transaction) => tx.put(others, 1, 2),
      (tx: Transaction) => tx.delete(others, 1),
      (tx: Transaction) => [...tx.range(others)],
    ]) {
      await rejects(t, db.transaction<unknown>(work), 'ENDMARK_INVALID_ARGUMENT', /another Database/)
    }
    throws(t, () => db.read((snapshot) => snapshot.count(others)), 'ENDMARK_INVALID_ARGUMENT', /another Database/)
    t.is(numbers.get(1), 1)
  })

  test('a commit past the timeout is BUSY, and the next one goes through', async (t) => {
    const path = temporaryPath(t)
    const [db, numbers] = await openNumbers(t, path)
    const impatient = await mode.open(t, path, { timeout: 30 })
    const others = await impatient.map<number, number>('numbers')
    db.transactionSync((tx) => {
      tx.put(numbers, 1, 1)
      throws(t, () => impatient.transactionSync(() => 1), 'ENDMARK_BUSY', /WRITE/)
    })
    await others.put(2, 2)
    t.deepEqual([...numbers.keys()], [1, 2])
  })

  test('many values of a batch over the size limit of one append all commit', async (t) => {
    const path = temporaryPath(t)
    const db = await mode.open(t, path)
    const blobs = await db.map<number, Uint8Array>('blobs', { key: 'integer', value: 'blob' })
    await Promise.all(Array.from({ length: 24 }, (_, key) => blobs.put(key, new Uint8Array(1 << 20).fill(key))))
    t.is(blobs.count(), 24)
    for (let key = 0; key < 24; key++) t.is(blobs.get(key)?.[12345], key)
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}
