/**
 * Makes the sound entries of the corpus anew: `node dist/tools/fuzz/make-corpus.js test/fuzz/corpus`. They are saved in the repository, so
 * that a seed damages the same bytes everywhere; salts and times make every run of this tool different.
 *
 * - small: made by Endmark in pages of 512 bytes: a map, a table, overflow chains, a freelist, a log and its wal-index;
 * - small.requests: what a client sends to a writer process of that database, without the handshake;
 * - sqlite: made by SQLite in pages of 1024 bytes, with what Endmark reads only: indexes, a composite key, a view.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RequestWriter, requestSize } from '../../ipc/request-writer.js'
import { Database } from '../../src/database.js'
import { open } from '../../src/index.js'
import { resolveOptions } from '../../src/options.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { attach, runAsync } from '../../src/wal/index.js'
import { copyFiles } from '../../test/support/damage.js'
import { FakeWriter } from '../../test/support/fake-writer.js'
import { readLogFile } from '../../test/support/independent-wal-reader.js'

const TIMEOUT_MS = 5000

interface Row {
  readonly id: number
  readonly name: string
  readonly amount: number
}

const corpus = process.argv[2]
if (corpus === undefined) throw new Error('usage: make-corpus.js FOLDER')
const folder = mkdtempSync(join(tmpdir(), 'endmark-corpus-'))
try {
  await makeSmall(join(folder, 'small.db'), corpus)
  makeSqlite(join(folder, 'sqlite.db'), corpus)
} finally {
  rmSync(folder, { recursive: true })
}

async function makeSmall(path: string, to: string): Promise<void> {
  const first = await open(path, { pageSize: 512, writer: 'inline', autoCheckpoint: 0 })
  await fill(first)
  await first.close()
  // Everything so far is in the main file; what comes now stays in the log.
  const db = await open(path, { writer: 'inline', autoCheckpoint: 0 })
  const map = await db.map<string, string>('map')
  const rows = await db.table<Row>('rows')
  for (let i = 0; i < 8; i++) await map.put(`key ${i}`, `changed ${i} `.repeat(i === 3 ? 150 : 4))
  for (let id = 10; id < 30; id += 3) await rows.delete(id)
  const copy = join(to, 'small.db')
  copyFiles(path, copy)
  // Without the zeros that are kept behind the frames: damage to them is wasted.
  truncateSync(`${copy}-wal`, 32 + readLogFile(`${copy}-wal`)!.frames.length * (24 + 512))
  await db.close()
  writeFileSync(join(to, 'small.requests'), await recordRequests(path))
}

async function fill(db: Database): Promise<void> {
  const map = await db.map<string, string>('map', { key: 'text', value: 'text' })
  const columns = { id: 'integer', name: 'text', amount: 'real' } as const
  const rows = await db.table<Row>('rows', { columns, primaryKey: 'id' })
  const dropped = await db.map<number, string>('dropped', { key: 'integer', value: 'text' })
  await db.transaction((tx) => {
    for (let i = 0; i < 60; i++) tx.put(map, `key ${i}`, `value ${i} `.repeat(i % 20 === 0 ? 150 : 2))
    for (let id = 1; id <= 90; id++)
      tx.put(rows, { id, name: `name ${id}`.repeat(id % 40 === 0 ? 100 : 1), amount: id / 7 })
    for (let key = 0; key < 60; key++) tx.put(dropped, key, 'x'.repeat(60))
  })
  await db.dropStore('dropped')
}

/** Operations of every kind, and a function with reads, ranges and savepoints. */
async function recordRequests(path: string): Promise<Uint8Array> {
  const inline = { writer: 'inline' } as const
  const writer = new FakeWriter(await open(path, inline), await open(path, inline))
  const options = resolveOptions({})
  const attaching = attach(path, {
    vfs: nodeVfs(),
    create: false,
    readOnly: false,
    pageSize: 512,
    timeoutMs: TIMEOUT_MS,
  })
  const db = new Database(await runAsync(attaching), options, writer.openLink)
  while (db.stats().writer.mode !== 'remote') {
    await db.transaction(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const map = await db.map<string, string>('map')
  const rows = await db.table<Row>('rows')
  await map.put('key 5', 'by the writer')
  await map.delete('key 6')
  await rows.insert({ id: 500, name: 'new', amount: 1 })
  await rows.update(500, { name: 'newer' })
  await map.batch([
    { type: 'put', key: 'a', value: 'b' },
    { type: 'delete', key: 'a' },
  ])
  await db.transaction((tx) => {
    const seen = [...tx.range(rows, { gte: 5, lt: 20, limit: 4 })].length + tx.count(map) + Number(tx.has(rows, 3))
    try {
      tx.savepoint(() => {
        tx.delete(rows, 7)
        throw new Error('on purpose')
      })
    } catch {
      tx.savepoint(() => void tx.put(rows, { id: 501, name: tx.get(map, 'key 7') ?? '', amount: seen }))
    }
  })
  const made = await db.map<number, string>('made', { key: 'integer', value: 'text' })
  await made.put(1, 'x'.repeat(2000))
  await db.dropStore('made')
  const messages = writer.links
    .flatMap(({ sent }) => sent)
    .map((request) => {
      const requests = new RequestWriter()
      requests.add(request, requestSize(request))
      return requests.take(Math.max(0, request.number - 1))
    })
  await db.close()
  await writer.close()
  return Buffer.concat(messages)
}

/** In another process; the files are copied while SQLite has them open, with all of the last part in the log. */
function makeSqlite(path: string, to: string): void {
  const source = `
    const { copyFileSync } = require('node:fs')
    const db = new (require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))}))(${JSON.stringify(path)})
    db.pragma('page_size = 1024'); db.pragma('journal_mode = wal'); db.pragma('wal_autocheckpoint = 0')
    db.exec(\`CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born REAL, photo BLOB);
      CREATE INDEX by_name ON people (name COLLATE NOCASE, born DESC);
      CREATE TABLE pairs (a TEXT, b INTEGER, c, PRIMARY KEY (a, b DESC)) WITHOUT ROWID;
      CREATE TABLE plain (x, y DEFAULT 5); CREATE VIEW v AS SELECT name FROM people\`)
    const person = db.prepare('INSERT INTO people VALUES (?, ?, ?, ?)'), pair = db.prepare('INSERT INTO pairs VALUES (?, ?, ?)')
    db.transaction(() => {
      for (let i = 1; i <= 60; i++) person.run(i * i * i, 'name ' + i, i / 3, Buffer.alloc(i % 15 === 0 ? 3000 : i, i))
      for (let i = 0; i < 80; i++) pair.run('k' + (i % 9), i, i % 2 ? null : 2 ** (i / 2))
      for (let i = 0; i < 20; i++) db.prepare('INSERT INTO plain VALUES (?, ?)').run('x'.repeat(i * 20), -i)
    })()
    db.pragma('wal_checkpoint(truncate)')
    db.exec('UPDATE people SET born = 1 WHERE id < 2000; DELETE FROM plain WHERE y < -10')
    for (const suffix of ['', '-wal', '-shm']) copyFileSync(${JSON.stringify(path)} + suffix, ${JSON.stringify(join(to, 'sqlite.db'))} + suffix)
    db.close()`
  execFileSync(process.execPath, ['-e', source])
}
