/**
 * A connection over any SQLite-like driver: one prepared statement for each kind of work. The table is the one that an ordered map
 * of Endmark is, so that it also works on a database that Endmark has made.
 */
import { type Connection, type OpenSettings, type Row, type Scanned, storedKey } from './peer.js'

export interface SqlRow {
  readonly key: { readonly length: number }
  readonly value: { readonly length: number }
}

/** Prepared statements in the driver's own way, each as a function. */
export interface SqlDriver {
  exec(sql: string): void
  run(sql: string): (key: string | Buffer, value: Uint8Array) => unknown
  /** The first column of the first row. */
  get(sql: string): (key: string) => Uint8Array | undefined
  iterate(sql: string): (...values: readonly (string | number)[]) => Iterable<SqlRow>
  isBusy(error: unknown): boolean
  close(): void
}

const CREATE_KV = 'CREATE TABLE kv(key TEXT NOT NULL PRIMARY KEY, value BLOB)'
const PUT = 'INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'

export function createTable({ keys }: OpenSettings, suffix = ''): string {
  return (keys === 'blob' ? CREATE_KV.replace('TEXT', 'BLOB') : CREATE_KV) + suffix
}

export function sqlConnection(driver: SqlDriver, settings: OpenSettings): Connection {
  const putStored = driver.run(PUT)
  const get = driver.get('SELECT value FROM kv WHERE key = ?')
  const all = driver.iterate('SELECT key, value FROM kv ORDER BY key')
  const between = driver.iterate('SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key')
  const forward = driver.iterate('SELECT key, value FROM kv WHERE key >= ? ORDER BY key LIMIT ?')
  const backward = driver.iterate('SELECT key, value FROM kv WHERE key <= ? ORDER BY key DESC LIMIT ?')

  function inTransaction(begin: string, work: () => void): void {
    driver.exec(begin)
    try {
      work()
      driver.exec('COMMIT')
    } catch (error) {
      driver.exec('ROLLBACK')
      throw error
    }
  }

  return {
    get,
    getMany: (keys) => keys.map(get),
    snapshot() {
      driver.exec('BEGIN')
      return { get, close: () => driver.exec('COMMIT') }
    },
    scanAll: () => scanned(all()),
    scanBetween: (start, end) => scanned(between(start, end)),
    scanForward: (start, limit) => scanned(forward(start, limit)),
    scanBackward: (start, limit) => scanned(backward(start, limit)),
    put(key, value) {
      putStored(key, value)
      return undefined
    },
    modify(key, change) {
      inTransaction('BEGIN IMMEDIATE', () => putStored(key, change(get(key))))
      return undefined
    },
    async load(rows: Iterable<Row>) {
      inTransaction('BEGIN IMMEDIATE', () => {
        for (const { key, value } of rows) putStored(storedKey(key, settings), value)
      })
    },
    isBusy: (error) => driver.isBusy(error),
    way: () => null,
    close: async () => driver.close(),
  }
}

function scanned(found: Iterable<SqlRow>): Scanned {
  let [rows, bytes] = [0, 0]
  for (const { key, value } of found) {
    rows++
    bytes += key.length + value.length
  }
  return { rows, bytes }
}
