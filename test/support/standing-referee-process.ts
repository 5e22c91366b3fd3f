/** The process of a standing referee (referee.ts): better-sqlite3 with no database open. */
import Database from 'better-sqlite3'
import { serve } from './remote-database.js'

serve((path: string) => new Database(path, { timeout: 10_000 }))
