/**
 * A connection over any SQLite-like driver: one prepared statement for each kind of work. The table is the one that an ordered map
 * of Endmark is, so that it also works on a database that Endmark has made.
 */
import { type Connection, type OpenSettings, type Row, type Scanned, storedKey } from './peer.js'

interface SqlRow {
  readonly key: { readonly length: number }
  readonly value: { readonly length: number }
}

/** A prepared statement, as these drivers all have it. */
export interface SqlStatement {
  run(...values: readonly SqlValue[]): unknown
  get(...values: readonly SqlValue[]): unknown
  iterate(...values: readonly SqlValue[]): Iterable<unknown>
}

export type SqlValue = string | number | Uint8Array

export interface SqlDatabase<Statement extends SqlStatement> {
  exec(sql: string): unknown
  prepare(sql: string): Statement
  close(): unknown
}

/** What each driver has in a way of its own. */
export interface SqlDriver<Statement extends SqlStatement> {
  /** The first column of the first row. */
  readonly getValue: (statement: Statement) => (key: string) => Uint8Array | undefined
  readonly isBusy: (error: unknown) => boolean
}

export const SQL_SETTINGS = { full: 'synchronous = FULL', normal: 'synchronous = NORMAL' } as const

const CREATE_KV = 'CREATE TABLE kv(key TEXT NOT NULL PRIMARY KEY, value BLOB)'
const PUT = 'INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'

export function createTable({ keys }: OpenSettings, suffix = ''): string {
  return (keys === 'blob' ? CREATE_KV.replace('TEXT', 'BLOB') : CREATE_KV) + suffix
}

/** For SQLite itself, whatever the driver. */
export function setUpSqlite(db: { exec(sql: string): unknown }, settings: OpenSettings): void {
  const { create, synchronous, autoCheckpoint } = settings
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`)
  if (autoCheckpoint !== undefined) db.exec(`PRAGMA wal_autocheckpoint = ${autoCheckpoint}`)
  if (create) db.exec(createTable(settings, ' WITHOUT ROWID'))
}

export function sqlConnection<Statement extends SqlStatement>(
  db: SqlDatabase<Statement>,
  settings: OpenSettings,
  { getValue, isBusy }: SqlDriver<Statement>,
): Connection {
  const put = db.prepare(PUT)
  const get = getValue(db.prepare('SELECT value FROM kv WHERE key = ?'))
  const all = db.prepare('SELECT key, value FROM kv ORDER BY key')
  const between = db.prepare('SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key')
  const forward = db.prepare('SELECT key, value FROM kv WHERE key >= ? ORDER BY key LIMIT ?')
  const backward = db.prepare('SELECT key, value FROM kv WHERE key <= ? ORDER BY key DESC LIMIT ?')

  function inTransaction(begin: string, work: () => void): void {
    db.exec(begin)
    try {
      work()
      db.exec('COMMIT')
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }

  return {
    get,
    getMany: (keys) => keys.map(get),
    snapshot() {
      db.exec('BEGIN')
      return { get, close: () => db.exec('COMMIT') }
    },
    scanAll: () => scanned(all.iterate()),
    scanBetween: (start, end) => scanned(between.iterate(start, end)),
    scanForward: (start, limit) => scanned(forward.iterate(start, limit)),
    scanBackward: (start, limit) => scanned(backward.iterate(start, limit)),
    put(key, value) {
      put.run(key, value)
      return undefined
    },
    modify(key, change) {
      inTransaction('BEGIN IMMEDIATE', () => put.run(key, change(get(key))))
      return undefined
    },
    async load(rows: Iterable<Row>) {
      inTransaction('BEGIN IMMEDIATE', () => {
        for (const { key, value } of rows) put.run(storedKey(key, settings), value)
      })
    },
    isBusy,
    way: () => null,
    close: async () => void db.close(),
  }
}

function scanned(found: Iterable<unknown>): Scanned {
  let [rows, bytes] = [0, 0]
  for (const { key, value } of found as Iterable<SqlRow>) {
    rows++
    bytes += key.length + value.length
  }
  return { rows, bytes }
}
