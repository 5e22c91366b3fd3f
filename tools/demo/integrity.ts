/** SQLite's own opinion of a file, in a process of its own: prints the answer of `integrity_check`. */
import Database from 'better-sqlite3'

const db = new Database(process.argv[2] ?? '', { timeout: 10_000 })
const findings = db.pragma('integrity_check') as { integrity_check: string }[]
process.stdout.write(findings.map((row) => row.integrity_check).join('\n'))
db.close()
