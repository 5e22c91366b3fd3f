/**
 * Gives a verdict on damaged copies, one after the other, in a process that may crash, hang or be killed: Endmark's check,
 * or SQLite's; or tries out the whole API on them. All processes make the same copies, from the same seed. Before the
 * damaged copies come the sound ones, as rounds below 0.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

export type Judge = (path: string, round: number) => Promise<Pick<Verdict, 'ok' | 'findings' | 'failure'>>

process.once('message', (task) => void run(task as VerdictTask))

async function run({ judge, folder, databases, seed, rounds }: VerdictTask): Promise<void> {
  const give = await judgeOf(judge)
  for (let round = -databases.length; round < rounds; round++) {
    const database = databases[(round + databases.length) % databases.length]!
    const { changes, ...files } =
      round < 0 ? { ...database, changes: [] } : damagedCopy(database, new Random(seed + round))
    const path = join(folder, `${judge}-${round}.db`)
    writeFileSync(path, files.main)
    if (files.log !== null) writeFileSync(`${path}-wal`, files.log)
    process.send?.({ starting: round })
    const verdict = await give(path, round)
    const memoryPeak = process.resourceUsage().maxRSS * 1024
    process.send?.({ ...verdict, round, database: database.name, changes, memoryPeak } satisfies Verdict)
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  }
  process.disconnect?.()
}

/** Each loads only what it needs: SQLite may run on another Node than Endmark. */
async function judgeOf(judge: VerdictTask['judge']): Promise<Judge> {
  if (judge === 'sqlite') return (await import('./judge-sqlite.js')).bySqlite
  const { byCheck, byOperations } = await import('./judge-endmark.js')
  return judge === 'endmark' ? byCheck : byOperations
}
