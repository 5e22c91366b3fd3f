/** SQLite through `node:sqlite`, where the Node has it. As better-sqlite3, it blocks the thread. */
import { DatabaseSync } from 'node:sqlite'
import { BUSY_TIMEOUT_MS, type Peer } from './peer.js'
import { createTable, type SqlDriver, type SqlRow, sqlConnection } from './sql.js'

/** The primary result codes of SQLite for a database that another connection has locked. */
const SQLITE_BUSY = 5

export const nodeSqlite: Peer = {
  settings: { full: 'synchronous = FULL', normal: 'synchronous = NORMAL' },

  async open(path, settings) {
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${settings.synchronous}`)
    if (settings.autoCheckpoint !== undefined) db.exec(`PRAGMA wal_autocheckpoint = ${settings.autoCheckpoint}`)
    if (settings.create) db.exec(createTable(settings, ' WITHOUT ROWID'))
    return sqlConnection(driverOf(db), settings)
  },
}

function driverOf(db: DatabaseSync): SqlDriver {
  return {
    exec: (sql) => db.exec(sql),
    run(sql) {
      const statement = db.prepare(sql)
      return (key, value) => statement.run(key, value)
    },
    get(sql) {
      const statement = db.prepare(sql)
      return (key) => (statement.get(key) as { readonly value: Uint8Array } | undefined)?.value
    },
    iterate(sql) {
      const statement = db.prepare(sql)
      return (...values) => statement.iterate(...values) as Iterable<SqlRow>
    },
    isBusy: (error) => error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === SQLITE_BUSY,
    close: () => db.close(),
  }
}
