/** The database that the tests of bad input damage: several trees, overflow chains and a freelist, in small pages. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, open } from '../../src/index.js'

export const SOUND_PAGE_SIZE = 512

/** The main file, all in it; the stores are a map `map` and a table `rows`. */
export async function soundBytes(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'endmark-test-'))
  const path = join(folder, 'sound.db')
  const db = await open(path, { pageSize: SOUND_PAGE_SIZE, synchronous: 'off' })
  await fill(db)
  await db.close()
  const bytes = new Uint8Array(readFileSync(path))
  rmSync(folder, { recursive: true })
  return bytes
}

async function fill(db: Database): Promise<void> {
  const map = await db.map<string, string>('map', { key: 'text', value: 'text' })
  const rows = await db.table('rows', { columns: { id: 'integer', name: 'text', amount: 'real' }, primaryKey: 'id' })
  const dropped = await db.map<number, string>('dropped', { key: 'integer', value: 'text' })
  await db.transaction((tx) => {
    for (let i = 0; i < 200; i++) tx.put(map, `key ${i}`, `value ${i} `.repeat(i % 50 === 0 ? 300 : 3))
    for (let id = 1; id <= 300; id++) {
      tx.put(rows, { id, name: `name ${id}`.repeat(id % 70 === 0 ? 200 : 2), amount: id / 7 })
    }
    for (let key = 0; key < 400; key++) tx.put(dropped, key, 'x'.repeat(60))
  })
  await db.dropStore('dropped')
}

/** Some commits that change `map`, which stay in the log if the Database makes no checkpoints. */
export async function fillLog(db: Database): Promise<void> {
  const map = await db.map<string, string>('map')
  for (let i = 0; i < 30; i++) await map.put(`key ${i}`, `changed ${i} `.repeat(10))
  await db.transaction((tx) => {
    for (let i = 0; i < 20; i++) tx.put(map, `late ${i}`, 'late')
  })
}
