/**
 * Gives a verdict on damaged copies, one after the other, in a process that may crash, hang or be killed: Endmark's check,
 * or SQLite's; or tries out the whole API on them. All processes make the same copies, from the same seed. Before the
 * damaged copies come the sound ones, as rounds below 0.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EndmarkError, open } from '../../src/index.js'
import { tryOut } from '../support/damage.js'
import { Random } from '../support/random.js'
import type { SoundDatabase } from './corpus.js'
import { damagedCopy } from './damage-copy.js'

export interface VerdictTask {
  readonly judge: 'endmark' | 'sqlite' | 'operations'
  readonly folder: string
  readonly databases: readonly SoundDatabase[]
  readonly seed: number
  readonly rounds: number
}

export interface Verdict {
  readonly round: number
  readonly database: string
  readonly changes: readonly string[]
  readonly ok: boolean
  /** The findings, or why it could not be opened. */
  readonly findings: readonly string[]
  /** Errors that are no verdict, and mean that the judge is wrong. */
  readonly failure: string | null
  /** Bytes of memory that the process has taken at most, so far. */
  readonly memoryPeak: number
}

type Judge = (path: string, round: number) => Promise<Pick<Verdict, 'ok' | 'findings' | 'failure'>>

process.once('message', (task) => void run(task as VerdictTask))

async function run({ judge, folder, databases, seed, rounds }: VerdictTask): Promise<void> {
  const give = judge === 'endmark' ? byEndmark : judge === 'sqlite' ? await sqliteJudge() : byOperations
  for (let round = -databases.length; round < rounds; round++) {
    const database = databases[(round + databases.length) % databases.length]!
    const sound = { bytes: database.bytes, changes: [] }
    const { bytes, changes } = round < 0 ? sound : damagedCopy(database, new Random(seed + round))
    const path = join(folder, `${judge}-${round}.db`)
    writeFileSync(path, bytes)
    process.send?.({ starting: round })
    const verdict = await give(path, round)
    const memoryPeak = process.resourceUsage().maxRSS * 1024
    process.send?.({ ...verdict, round, database: database.name, changes, memoryPeak } satisfies Verdict)
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  }
  process.disconnect?.()
}

async function byEndmark(path: string): ReturnType<Judge> {
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
async function byOperations(path: string, round: number): ReturnType<Judge> {
  const options = { writer: 'inline' as const }
  const { findings } = await tryOut(
    path,
    round % 2 === 0 ? { ...options, readOnly: true } : { ...options, write: true },
  )
  return { ok: findings.length === 0, findings, failure: findings[0] ?? null }
}

async function sqliteJudge(): Promise<Judge> {
  const { default: Database } = await import('better-sqlite3')
  return async (path) => {
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
}
