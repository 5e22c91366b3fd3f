/**
 * Sound databases of every kind that SQLite can make, small enough to be damaged a thousand times: all page sizes, deep trees,
 * overflow chains, a freelist, WITHOUT ROWID, every kind of index, generated columns, STRICT, auto-vacuum.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { readFixture } from '../support/fixtures.js'
import { askSqlite, startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

export interface SoundDatabase {
  readonly name: string
  readonly pageSize: number
  /** The main file, in WAL mode. */
  readonly main: Uint8Array
  /** The log that belongs to it, as a killed process leaves it; or null. */
  readonly log: Uint8Array | null
}

const SCHEMA = `
  CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, age INTEGER, score REAL, note);
  CREATE INDEX people_by_name ON people (name COLLATE NOCASE, age DESC);
  CREATE INDEX people_by_note ON people (note);
  CREATE INDEX adults ON people (age) WHERE age > 30;
  CREATE INDEX people_by_half ON people (age / 2, name);
  CREATE TABLE words (word TEXT, language TEXT COLLATE NOCASE, meaning BLOB, PRIMARY KEY (language, word)) WITHOUT ROWID;
  CREATE INDEX words_by_meaning ON words (meaning);
  CREATE TABLE plain (a, b NUMERIC, c TEXT, UNIQUE (c, a), UNIQUE (a, b));
  CREATE TABLE computed (a INTEGER, b TEXT GENERATED ALWAYS AS (a || 'x') VIRTUAL, c INT AS (a * 2) STORED);
  CREATE INDEX computed_by_b ON computed (b);
  CREATE INDEX computed_by_c ON computed (c);
  CREATE TABLE exact (a INT, b REAL, c TEXT, d ANY) STRICT;
  CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
  CREATE TABLE gone (x);
`

const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $count)
  INSERT INTO people SELECT i, 'Name ' || (i * 7919 % 1000), 'p' || (i * 31 % 1009) || '-' || i || '@x', i * 17 % 90,
    i / 7.0, CASE i % 40 WHEN 0 THEN zeroblob($large) WHEN 1 THEN NULL ELSE 'note ' || i END FROM n;
  INSERT INTO words SELECT 'word' || id, CASE id % 3 WHEN 0 THEN 'EN' WHEN 1 THEN 'en2' ELSE 'de' END,
    CASE WHEN id % 50 = 0 THEN zeroblob($large) ELSE CAST('m' || (id % 13) AS BLOB) END FROM people;
  INSERT INTO plain SELECT id, id * 3, 'c' || (id % 10) FROM people;
  INSERT INTO computed (a) SELECT id FROM people LIMIT 60;
  INSERT INTO exact SELECT id, id * 1.0, 't' || id, note FROM people LIMIT 60;
  INSERT INTO counted (v) SELECT name FROM people LIMIT 30;
  INSERT INTO gone SELECT name || name || name FROM people;
  ALTER TABLE plain ADD COLUMN added TEXT NOT NULL DEFAULT 'later';
  CREATE INDEX plain_by_added ON plain (added, c DESC);
  INSERT INTO plain (a, b, c, added) VALUES ('x', 'y', 'z', 'now');
  DROP TABLE gone;
  DELETE FROM people WHERE id % 11 = 0;
`

interface Kind {
  readonly name: string
  readonly pageSize: number
  readonly count: number
  readonly large: number
  readonly autoVacuum: 0 | 1 | 2
}

const kinds: readonly Kind[] = [
  { name: 'pages of 512', pageSize: 512, count: 300, large: 3000, autoVacuum: 0 },
  { name: 'pages of 1024', pageSize: 1024, count: 250, large: 5000, autoVacuum: 0 },
  { name: 'pages of 2048', pageSize: 2048, count: 200, large: 9000, autoVacuum: 0 },
  { name: 'pages of 4096', pageSize: 4096, count: 300, large: 9000, autoVacuum: 0 },
  { name: 'pages of 8192', pageSize: 8192, count: 250, large: 20_000, autoVacuum: 0 },
  { name: 'pages of 16384', pageSize: 16_384, count: 200, large: 40_000, autoVacuum: 0 },
  { name: 'pages of 32768', pageSize: 32_768, count: 200, large: 70_000, autoVacuum: 0 },
  { name: 'pages of 65536', pageSize: 65_536, count: 300, large: 70_000, autoVacuum: 0 },
  { name: 'auto-vacuum', pageSize: 512, count: 250, large: 3000, autoVacuum: 1 },
  { name: 'incremental vacuum', pageSize: 1024, count: 200, large: 3000, autoVacuum: 2 },
]

export async function soundDatabases(t: ExecutionContext<unknown>): Promise<SoundDatabase[]> {
  const folder = temporaryFolder(t)
  const databases: SoundDatabase[] = []
  for (const kind of kinds) {
    const path = join(folder, `${databases.length}.db`)
    const sql = FILL.replaceAll('$count', String(kind.count)).replaceAll('$large', String(kind.large))
    await askSqlite(t, path, make, kind.pageSize, kind.autoVacuum, SCHEMA + sql)
    databases.push({ name: kind.name, pageSize: kind.pageSize, main: inWalMode(readFileSync(path)), log: null })
  }
  const chinook = { name: 'chinook', pageSize: 4096, main: inWalMode(readFixture('chinook.db')), log: null }
  return [...databases, chinook, await withLog(t, join(folder, 'log.db'))]
}

function make(db: import('better-sqlite3').Database, pageSize: number, autoVacuum: number, sql: string): void {
  db.pragma(`page_size = ${pageSize}`)
  db.pragma(`auto_vacuum = ${autoVacuum}`)
  db.exec(sql)
}

/** A small main file and a log of many commits. */
async function withLog(t: ExecutionContext<unknown>, path: string): Promise<SoundDatabase> {
  const referee = await startReferee(t, path)
  await referee.exec('PRAGMA page_size = 1024; PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0')
  await referee.exec(SCHEMA)
  await referee.checkpoint('truncate')
  await referee.exec(FILL.replaceAll('$count', '120').replaceAll('$large', '3000'))
  const database = { name: 'a log', pageSize: 1024, main: readFileSync(path), log: readFileSync(`${path}-wal`) }
  await referee.close()
  return database
}

function inWalMode(file: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(file)
  bytes[18] = 2
  bytes[19] = 2
  return bytes
}
