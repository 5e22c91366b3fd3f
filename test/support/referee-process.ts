/** The SQLite side of referee.ts: opens one database and runs the functions it is sent. */
import Database from 'better-sqlite3'
import type { RefereeAnswer, RefereeRequest } from './referee.js'

const [path = '', timeout = '0', readOnly = 'false'] = process.argv.slice(2)
const db = new Database(path, { timeout: Number(timeout), readonly: readOnly === 'true' })

process.on('disconnect', () => process.exit())
process.on('message', (request) => {
  process.send?.(answer(request as RefereeRequest))
})

function answer({ id, source, parameters }: RefereeRequest): RefereeAnswer {
  try {
    // Indirect eval: the function sees the globals of this process and nothing of this module.
    // biome-ignore lint/security/noGlobalEval: the source is a function of the test that started this process
    const work = globalThis.eval(`(${source})`) as (db: Database.Database, ...parameters: readonly unknown[]) => unknown
    return { id, value: work(db, ...parameters) }
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    return { id, error: { message, code } }
  }
}
