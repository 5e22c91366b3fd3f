/** Judges of verdict-process-main.ts: what Endmark says of a database, and whether everything else about it ends in order. */
import { EndmarkError, open } from '../../src/index.js'
import { tryOut } from '../support/damage.js'
import type { Judge } from './verdict-process-main.js'

export async function byCheck(path: string): ReturnType<Judge> {
  try {
    const db = await open(path, { readOnly: true, create: false, timeout: 1000, writer: 'inline' })
    try {
      const { ok, findings } = await db.check()
      return { ok, findings: findings.map(({ page, offset, what }) => `${page}, ${offset}: ${what}`), failure: null }
    } finally {
      await db.close()
    }
  } catch (error) {
    const { message, stack } = error as Error
    return { ok: false, findings: [message], failure: error instanceof EndmarkError ? null : (stack ?? message) }
  }
}

/** Every other round only reads. */
export async function byOperations(path: string, round: number): ReturnType<Judge> {
  const options = { writer: 'inline' as const }
  const { findings } = await tryOut(
    path,
    round % 2 === 0 ? { ...options, readOnly: true } : { ...options, write: true },
  )
  return { ok: findings.length === 0, findings, failure: findings[0] ?? null }
}
