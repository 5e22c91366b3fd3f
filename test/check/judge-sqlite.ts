/** The judge of verdict-process-main.ts that is SQLite. */
import Database from 'better-sqlite3'
import type { Judge } from './verdict-process-main.js'

export async function bySqlite(path: string): ReturnType<Judge> {
  try {
    const db = new Database(path, { timeout: 1000 })
    try {
      const rows = db.pragma('integrity_check') as { integrity_check: string }[]
      const findings = rows.map((row) => row.integrity_check)
      return { ok: findings.join() === 'ok', findings, failure: null }
    } finally {
      db.close()
    }
  } catch (error) {
    return { ok: false, findings: [(error as Error).message], failure: null }
  }
}
