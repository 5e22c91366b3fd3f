/** SQLite reads what Endmark wrote and the reverse, while both have the file open. */
import { join } from 'node:path'
import test from 'ava'
import { open } from '../../src/index.js'
import { integrityCheck, startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** Enough rows, of enough different sizes, for a tree of three levels and for overflow chains. */
const ROW_COUNT = 3000
const textOf = (id: number) => `row ${id} `.repeat(1 + ((id * id) % (id % 100 === 0 ? 3000 : 40)))

interface Note {
  id: number
  text: string | null
  weight: number | null
  bytes: Uint8Array | null
}

const noteOf = (id: number): Note => ({
  id,
  text: id % 11 === 0 ? null : textOf(id),
  weight: id % 3 === 0 ? id : id / 3,
  bytes: id % 7 === 0 ? null : new Uint8Array([id & 255, 0, 255]),
})

const NOTE_COLUMNS = { id: 'integer', text: 'text', weight: 'real', bytes: 'blob' } as const

test('SQLite reads every value that Endmark commits, as soon as it is committed', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path)
  const notes = await db.table<Note, number>('notes', { columns: NOTE_COLUMNS, primaryKey: 'id' })
  const referee = await startReferee(t, path)
  t.is(await referee.value('SELECT count(*) FROM notes'), 0)

  await db.transaction((tx) => {
    for (let id = 1; id <= ROW_COUNT; id++) tx.put(notes, noteOf(id))
  })

  const rows = await referee.all('SELECT * FROM notes ORDER BY id')
  t.is(rows.length, ROW_COUNT)
  for (const row of rows) t.deepEqual(plain(row as unknown as Note), plain(noteOf(row.id as number)))
  t.is(await referee.integrityCheck(), 'ok')

  await notes.delete(5)
  t.is(await referee.value('SELECT count(*) FROM notes'), ROW_COUNT - 1)
  await db.close()
  t.is(await referee.integrityCheck(), 'ok')
})

test('Endmark reads every value that SQLite commits, as soon as it is committed', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const referee = await startReferee(t, path)
  await referee.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, weight REAL, bytes BLOB)`)
  const db = await open(path)
  const notes = await db.table<Note, number>('notes')
  t.is(notes.count(), 0)

  await referee.call(
    (sqlite, rows) => {
      const insert = sqlite.prepare('INSERT INTO notes VALUES (:id, :text, :weight, :bytes)')
      sqlite.transaction(() => {
        for (const row of rows) insert.run(row)
      })()
    },
    Array.from({ length: ROW_COUNT }, (_, index) => noteOf(index + 1)),
  )

  t.is(notes.count(), ROW_COUNT)
  for (const row of notes.range()) t.deepEqual(plain(row), plain(noteOf(row.id)))

  await referee.run('DELETE FROM notes WHERE id = 5')
  t.is(notes.get(5), undefined)
  await db.close()
  await referee.close()
  t.is(await integrityCheck(t, path), 'ok')
})

test('maps of every key and value type show in SQLite as tables, and rows put there by SQLite in the map', async (t) => {
  const path = join(temporaryFolder(t), 'a.db')
  const db = await open(path)
  const referee = await startReferee(t, path)
  const byText = await db.map<string, unknown>('by_text', { key: 'text', value: 'json' })
  const byNumber = await db.map<number | bigint, string>('by_number', { key: 'integer', value: 'text' })
  await byText.put('ü', { deep: [1, 'two', null] })
  await byNumber.put(2n ** 62n, 'large')
  await byNumber.put(-1, 'small')

  t.deepEqual(await referee.all("SELECT key, json_extract(value, '$.deep[1]') AS v FROM by_text"), [
    { key: 'ü', v: 'two' },
  ])
  t.deepEqual(
    await referee.call((sqlite) =>
      sqlite.prepare('SELECT key FROM by_number ORDER BY key').pluck().safeIntegers().all(),
    ),
    [-1n, 2n ** 62n],
  )
  await referee.exec(`INSERT INTO by_text VALUES ('a', '[true]'); INSERT INTO by_number VALUES (7, 'seven')`)
  t.deepEqual(
    [...byText.entries()],
    [
      ['a', [true]],
      ['ü', { deep: [1, 'two', null] }],
    ],
  )
  t.deepEqual([...byNumber.keys()], [-1, 7, 2n ** 62n])
  await db.close()
  t.is(await referee.integrityCheck(), 'ok')
})

for (const pageSize of [512, 1024, 4096, 16384, 65536]) {
  test(`both write a database with pages of ${pageSize} bytes`, async (t) => {
    const path = join(temporaryFolder(t), 'a.db')
    const db = await open(path, { pageSize })
    const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
    await db.transaction((tx) => {
      for (let key = 0; key < 500; key++) tx.put(map, key, textOf(key))
    })
    const referee = await startReferee(t, path)
    t.is(await referee.value('PRAGMA page_size'), pageSize)
    await referee.exec('DELETE FROM m WHERE key % 2 = 0; UPDATE m SET value = value || value WHERE key % 5 = 0')
    for (let key = 0; key < 500; key++) {
      const text = textOf(key)
      t.is(map.get(key), key % 2 === 0 ? undefined : key % 5 === 0 ? text + text : text)
    }
    await db.transaction((tx) => {
      for (let key = 0; key < 500; key += 3) tx.delete(map, key)
    })
    t.is(await referee.integrityCheck(), 'ok')
    await referee.close()
    await db.close()
    t.is(await integrityCheck(t, path), 'ok')
  })
}

/** Blobs as plain arrays, since one side gives a Buffer and the other a Uint8Array. */
function plain(note: Note): Record<string, unknown> {
  return { ...note, bytes: note.bytes && Array.from(note.bytes) }
}
