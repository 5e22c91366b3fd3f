/**
 * SQLite through better-sqlite3: WAL, `synchronous = FULL`, one prepared statement. It blocks the thread, so callers of one
 * process take turns, and each sees its call end when the others had theirs. The table is the one that an ordered map of
 * Endmark is, so that it also works on a database that Endmark has made.
 */
import Database from 'better-sqlite3'
import { BUSY_TIMEOUT_MS, type Connection, type Peer } from './peer.js'

const PUT = 'INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'

export const betterSqlite3: Peer = {
  async create(path, rows) {
    const db = new Database(path)
    db.pragma('journal_mode = WAL')
    db.exec('CREATE TABLE kv(key TEXT NOT NULL PRIMARY KEY, value BLOB) WITHOUT ROWID')
    const put = db.prepare(PUT)
    db.transaction(() => {
      for (const { key, value } of rows) put.run(key, value)
    })()
    db.close()
  },

  async open(path): Promise<Connection> {
    const db = new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS })
    db.pragma('synchronous = FULL')
    const put = db.prepare(PUT)
    return {
      put(key, value) {
        put.run(key, value)
        return undefined
      },
      isBusy: (error) => error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'),
      way: () => null,
      close: async () => void db.close(),
    }
  },
}
