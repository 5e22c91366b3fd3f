/**
 * An edit that meets damage stops half-way: a row may be gone, a page freed and not yet used. Once, a transaction whose
 * function caught that error was committed with the edit half done. TXN-4: it is rejected, whatever the function does.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Database, type OrderedMap, open } from '../../src/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const PAGE_SIZE = 4096
const FREELIST_TRUNK_OFFSET = 32

/** A map whose file has a freelist with a leaf that is no page, two leaves deep. */
async function damagedFreelist(t: ExecutionContext): Promise<{ db: Database; map: OrderedMap<number, string> }> {
  const path = join(temporaryFolder(t), 'app.db')
  const before = await open(path)
  const made = await before.map<number, string>('m', { key: 'integer', value: 'text' })
  await made.put(1, 'first')
  await made.put(2, 'x'.repeat(40_000))
  await made.put(3, 'kept')
  await made.delete(2)
  await before.close()
  const bytes = readFileSync(path)
  const trunkOffset = (bytes.readUInt32BE(FREELIST_TRUNK_OFFSET) - 1) * PAGE_SIZE
  const leafCount = bytes.readUInt32BE(trunkOffset + 4)
  const noPage = Buffer.alloc(4)
  noPage.writeUInt32BE(999_999)
  writeSync(openSync(path, 'r+'), noPage, 0, 4, trunkOffset + 8 + 4 * (leafCount - 3))
  const db = await open(path)
  t.teardown(() => db.close())
  return { db, map: await db.map<number, string>('m') }
}

test('damage that the function of a transaction catches still undoes the transaction', async (t) => {
  const { db, map } = await damagedFreelist(t)
  const swallowing = db.transaction((tx) => {
    tx.put(map, 1, 'changed')
    t.throws(() => tx.put(map, 3, 'y'.repeat(30_000)), { code: 'ENDMARK_CORRUPT' })
  })
  await t.throwsAsync(swallowing, { code: 'ENDMARK_CORRUPT' })
  t.deepEqual([...map.values()], ['first', 'kept'])
})

test('damage inside a savepoint that is undone leaves the rest of the transaction whole', async (t) => {
  const { db, map } = await damagedFreelist(t)
  await db.transaction((tx) => {
    tx.put(map, 1, 'changed')
    t.throws(() => tx.savepoint(() => tx.put(map, 3, 'y'.repeat(30_000))), { code: 'ENDMARK_CORRUPT' })
  })
  t.deepEqual([...map.values()], ['changed', 'kept'])
})

test('an operation that is refused before it changes anything does not undo the transaction', async (t) => {
  const db = await open(join(temporaryFolder(t), 'app.db'))
  t.teardown(() => db.close())
  const table = await db.table<{ id: number }, number>('t', { columns: { id: 'integer' }, primaryKey: 'id' })
  await db.transaction((tx) => {
    tx.insert(table, { id: 1 })
    t.throws(() => tx.insert(table, { id: 1 }), { code: 'ENDMARK_CONSTRAINT' })
  })
  t.is(table.count(), 1)
})
