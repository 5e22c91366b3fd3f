/** SQLite through `node:sqlite`, where the Node has it. As better-sqlite3, it blocks the thread. */
import { DatabaseSync } from 'node:sqlite'
import { BUSY_TIMEOUT_MS, type Peer } from './peer.js'
import { SQL_SETTINGS, type SqlDriver, type SqlStatement, setUpSqlite, sqlConnection } from './sql.js'

/** The primary result codes of SQLite for a database that another connection has locked. */
const SQLITE_BUSY = 5

const DRIVER: SqlDriver<SqlStatement> = {
  getValue: (statement) => (key) => (statement.get(key) as { readonly value: Uint8Array } | undefined)?.value,
  isBusy: (error) => error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === SQLITE_BUSY,
}

export const nodeSqlite: Peer = {
  settings: SQL_SETTINGS,

  async open(path, settings) {
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    setUpSqlite(db, settings)
    return sqlConnection(db, settings, DRIVER)
  },
}
