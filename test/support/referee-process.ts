/** The process of referee.ts: better-sqlite3 with one database open. */
import Database from 'better-sqlite3'
import { serve } from './remote-database.js'

const [path = '', timeout = '0', readOnly = 'false'] = process.argv.slice(2)
serve(new Database(path, { timeout: Number(timeout), readonly: readOnly === 'true' }))
