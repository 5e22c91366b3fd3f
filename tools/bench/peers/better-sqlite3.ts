/**
 * SQLite through better-sqlite3, in WAL mode. It blocks the thread, so callers of one process take turns, and each sees its call end
 * when the others had theirs.
 */
import Database from 'better-sqlite3'
import { BUSY_TIMEOUT_MS, type Peer } from './peer.js'
import { SQL_SETTINGS, type SqlDriver, setUpSqlite, sqlConnection } from './sql.js'

const DRIVER: SqlDriver<Database.Statement> = {
  getValue(statement) {
    const value = statement.pluck()
    return (key) => value.get(key) as Uint8Array | undefined
  },
  isBusy: (error) => error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'),
}

export const betterSqlite3: Peer = {
  settings: SQL_SETTINGS,

  async open(path, settings) {
    const db = new Database(path, { fileMustExist: !settings.create, timeout: BUSY_TIMEOUT_MS })
    setUpSqlite(db, settings)
    return sqlConnection(db, settings, DRIVER)
  },
}
