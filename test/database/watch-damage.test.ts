/** Watches over damaged files: each look ends, with a change or a typed error, whatever the bytes say. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import test from 'ava'
import { EndmarkError } from '../../src/index.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { type Random, seededRandom } from '../support/random.js'

const ROUNDS = 60

/** Overwrites some bytes of a file that others have mapped, without changing its length. */
function damage(random: Random, path: string, from: number): void {
  const fd = openSync(path, 'r+')
  const { size } = fstatSync(fd)
  for (let count = random.between(1, 30); count > 0; count--) {
    const length = random.pick([1, 1, 2, 4, 40])
    if (size > from + length) writeSync(fd, random.bytes(length), 0, length, from + random.below(size - from - length))
  }
  closeSync(fd)
}

test('whatever becomes of the pages, a watch ends its looks with a change or a typed error', async (t) => {
  const random = seededRandom(t)
  const seen = { known: 0, unknown: 0, errors: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const path = temporaryPath(t, `${round}.db`)
    const db = await openDatabase(t, path, { writer: 'inline', synchronous: 'off', autoCheckpoint: 0, pageSize: 512 })
    const map = await db.map('m', { key: 'integer', value: 'text' })
    const table = await db.table('t', { columns: { a: 'text', b: 'text' }, primaryKey: ['a', 'b'] })
    for (let key = 0; key < 200; key++) await map.put(key, 'x'.repeat(random.below(60)))
    if (random.below(2) === 0) await db.checkpoint({ mode: 'truncate' })
    const watch = db.watch()
    for (let i = 0; i < 5; i++) {
      await db.transaction((tx) => {
        for (let count = 0; count < 8; count++) tx.put(map, random.below(300), 'y'.repeat(random.below(900)))
        tx.put(table, { a: `${i}`, b: 'z'.repeat(random.below(400)) })
      })
    }
    // The header of the log, and those of its frames, say what the wal-index has already.
    damage(random, `${path}-wal`, 32)
    if (random.below(2) === 0) damage(random, path, 100)
    for (let i = 0; i < 5; i++) {
      try {
        const { value, done } = await watch.next()
        if (done) break
        if (value.stores === undefined) seen.unknown++
        else seen.known++
      } catch (error) {
        if (!(error instanceof EndmarkError)) throw error
        seen.errors++
      }
    }
  }
  t.log(seen)
  t.true(seen.known > 0 && seen.unknown > 0)
})
