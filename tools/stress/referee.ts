/** SQLite's opinion at the end, in a process of its own: prints `integrity_check` and all rows as one line of JSON. */
import Database from 'better-sqlite3'
import type { RefereeReport } from './messages.js'
import { CELLS, LANES } from './workload.js'

const db = new Database(process.argv[2] ?? '', { timeout: 30_000 })
const findings = db.pragma('integrity_check') as { integrity_check: string }[]
const rowsOf = (table: string) =>
  db.prepare<[], [number, string]>(`SELECT key, value FROM ${table} ORDER BY key`).raw().all()
const report: RefereeReport = {
  integrity: findings.map((row) => row.integrity_check).join('\n'),
  cells: rowsOf(CELLS),
  lanes: rowsOf(LANES),
}
db.close()
process.stdout.write(JSON.stringify(report))
