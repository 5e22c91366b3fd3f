/**
 * SQLite through better-sqlite3, in WAL mode. It blocks the thread, so callers of one process take turns, and each sees its call end
 * when the others had theirs.
 */
import Database from 'better-sqlite3'
import { BUSY_TIMEOUT_MS, type OpenSettings, type Peer } from './peer.js'
import { createTable, type SqlDriver, type SqlRow, sqlConnection } from './sql.js'

export const betterSqlite3: Peer = {
  settings: { full: 'synchronous = FULL', normal: 'synchronous = NORMAL' },

  async open(path, settings) {
    const db = new Database(path, { fileMustExist: !settings.create, timeout: BUSY_TIMEOUT_MS })
    prepare(db, settings)
    return sqlConnection(driverOf(db), settings)
  },
}

function prepare(db: Database.Database, settings: OpenSettings): void {
  db.pragma('journal_mode = WAL')
  db.pragma(`synchronous = ${settings.synchronous}`)
  if (settings.autoCheckpoint !== undefined) db.pragma(`wal_autocheckpoint = ${settings.autoCheckpoint}`)
  if (settings.create) db.exec(createTable(settings, ' WITHOUT ROWID'))
}

function driverOf(db: Database.Database): SqlDriver {
  return {
    exec: (sql) => db.exec(sql),
    run(sql) {
      const statement = db.prepare(sql)
      return (key, value) => statement.run(key, value)
    },
    get(sql) {
      const statement = db.prepare<[string], Uint8Array>(sql).pluck()
      return (key) => statement.get(key)
    },
    iterate(sql) {
      const statement = db.prepare<(string | number)[], SqlRow>(sql)
      return (...values) => statement.iterate(...values)
    },
    isBusy: (error) => error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'),
    close: () => db.close(),
  }
}
