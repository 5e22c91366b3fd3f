/**
 * `@tursodatabase/database`, its blocking interface, in one process only. The table is an ordinary one with a primary key: WITHOUT
 * ROWID is experimental there and has no upsert.
 */
import { Database } from '@tursodatabase/database/compat'
import { BUSY_TIMEOUT_MS, type Peer } from './peer.js'
import { createTable, type SqlDriver, type SqlRow, sqlConnection } from './sql.js'

export const turso: Peer = {
  settings: { full: 'synchronous = FULL', normal: 'synchronous = NORMAL' },

  async open(path, settings) {
    const db = new Database(path, { timeout: BUSY_TIMEOUT_MS })
    db.exec(`PRAGMA synchronous = ${settings.synchronous}`)
    if (settings.create) db.exec(createTable(settings))
    const connection = sqlConnection(driverOf(db), settings)
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

function driverOf(db: Database): SqlDriver {
  return {
    exec: (sql) => db.exec(sql),
    run(sql) {
      const statement = db.prepare(sql)
      return (key, value) => statement.run(key, value)
    },
    get(sql) {
      const statement = db.prepare(sql).pluck(true)
      return (key) => statement.get(key) as Uint8Array | undefined
    },
    iterate(sql) {
      const statement = db.prepare(sql)
      return (...values) => statement.iterate(...values) as Iterable<SqlRow>
    },
    isBusy: (error) => error instanceof Error && /busy|locked/i.test(error.message),
    close: () => db.close(),
  }
}
