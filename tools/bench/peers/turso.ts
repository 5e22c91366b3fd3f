/**
 * `@tursodatabase/database`, its blocking interface, in one process only. The table is an ordinary one with a primary key: WITHOUT
 * ROWID is experimental there and has no upsert.
 */
import { Database } from '@tursodatabase/database/compat'
import { BUSY_TIMEOUT_MS, type Peer } from './peer.js'
import { createTable, SQL_SETTINGS, type SqlDriver, sqlConnection } from './sql.js'

const DRIVER: SqlDriver<ReturnType<Database['prepare']>> = {
  getValue(statement) {
    const value = statement.pluck(true)
    return (key) => value.get(key) as Uint8Array | undefined
  },
  isBusy: (error) => error instanceof Error && /busy|locked/i.test(error.message),
}

export const turso: Peer = {
  settings: SQL_SETTINGS,

  async open(path, settings) {
    const db = new Database(path, { timeout: BUSY_TIMEOUT_MS })
    db.exec(`PRAGMA synchronous = ${settings.synchronous}`)
    if (settings.create) db.exec(createTable(settings))
    const connection = sqlConnection(db, settings, DRIVER)
    if (!settings.create) return connection
    // The others copy their log when they close a database; left to itself, this one would read the rows from it for ever.
    return {
      ...connection,
      async close() {
        db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
        await connection.close()
      },
    }
  },
}
