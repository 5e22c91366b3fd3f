/**
 * Real SQLite as the referee, in a process of its own: inside the test's process, closing any descriptor of
 * the database would drop the locks that SQLite holds on it.
 *
 * The process runs on the Node that better-sqlite3 was compiled for. Where the tests themselves run on
 * another one, ENDMARK_REFEREE_NODE names it.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { Database, RunResult } from 'better-sqlite3'
import { RemoteDatabase } from './remote-database.js'

const PROCESS_FILE = fileURLToPath(new URL('./referee-process.js', import.meta.url))
const STANDING_FILE = fileURLToPath(new URL('./standing-referee-process.js', import.meta.url))
export const REFEREE_NODE = process.env.ENDMARK_REFEREE_NODE ?? process.execPath

export type CheckpointMode = 'passive' | 'full' | 'restart' | 'truncate'
export type Row = Record<string, unknown>

/** What SQLite says of a checkpoint: whether it was hindered, frames in the log, frames backfilled. */
export interface CheckpointReport {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}

export interface RefereeOptions {
  /** Milliseconds that SQLite waits for a lock; 10,000 if not given. */
  readonly timeoutMs?: number
  readonly readOnly?: boolean
}

/** Opens the database at `path` in a SQLite process that ends with the test at the latest. */
export async function startReferee(
  t: ExecutionContext<unknown>,
  path: string,
  options: RefereeOptions = {},
): Promise<Referee> {
  const parameters = [path, String(options.timeoutMs ?? 10_000), String(options.readOnly ?? false)]
  const child = fork(PROCESS_FILE, parameters, { execPath: REFEREE_NODE, execArgv: [], serialization: 'advanced' })
  const referee = new Referee(child)
  t.teardown(() => referee.kill())
  await referee.call((db) => db.open)
  return referee
}

/** Runs one function against the database in a SQLite process that starts and ends for it. */
export async function askSqlite<Result, Parameters extends unknown[]>(
  t: ExecutionContext<unknown>,
  path: string,
  work: (db: Database, ...parameters: Parameters) => Result,
  ...parameters: Parameters
): Promise<Awaited<Result>> {
  const referee = await startReferee(t, path)
  const result = await referee.call(work, ...parameters)
  await referee.close()
  return result
}

/** SQLite's `integrity_check` of the file, from a process of its own: 'ok', or all findings. */
export function integrityCheck(t: ExecutionContext<unknown>, path: string): Promise<string> {
  return askSqlite(t, path, findings)
}

/** A SQLite process without a database, for many questions about files that it opens and closes for each. */
export function startStandingReferee(t: ExecutionContext<unknown>): StandingReferee {
  const referee = new StandingReferee(
    fork(STANDING_FILE, { execPath: REFEREE_NODE, execArgv: [], serialization: 'advanced' }),
  )
  t.teardown(() => referee.kill())
  return referee
}

/** What `call` sends gets the function that opens a database, and closes what it has opened. */
export class StandingReferee extends RemoteDatabase<(path: string) => Database> {
  /** 'ok', or all findings; a log that was left behind is recovered first, and removed if nobody else has the file open. */
  integrityCheck(path: string): Promise<string> {
    return this.call((openAt, at) => {
      const db = openAt(at)
      try {
        const rows = db.pragma('integrity_check') as { integrity_check: string }[]
        return rows.map((row) => row.integrity_check).join('\n')
      } finally {
        db.close()
      }
    }, path)
  }
}

export class Referee extends RemoteDatabase<Database> {
  exec(sql: string): Promise<void> {
    return this.call((db, text) => void db.exec(text), sql)
  }

  run(sql: string, ...parameters: unknown[]): Promise<RunResult> {
    return this.call((db, text, values) => db.prepare(text).run(...values), sql, parameters)
  }

  all(sql: string, ...parameters: unknown[]): Promise<Row[]> {
    return this.call((db, text, values) => db.prepare(text).all(...values) as Row[], sql, parameters)
  }

  /** The first column of the first row. */
  value(sql: string, ...parameters: unknown[]): Promise<unknown> {
    return this.call((db, text, values) => Object.values(db.prepare(text).get(...values) as Row)[0], sql, parameters)
  }

  /** 'ok', or all findings. */
  integrityCheck(): Promise<string> {
    return this.call(findings)
  }

  checkpoint(mode: CheckpointMode): Promise<CheckpointReport> {
    return this.call((db, word) => (db.pragma(`wal_checkpoint(${word})`) as CheckpointReport[])[0]!, mode)
  }

  /** Closes the database as a well-behaved program does, and ends the process. */
  async close(): Promise<void> {
    await this.call((db) => void db.close())
    await this.end()
  }
}

function findings(db: Database): string {
  return (db.pragma('integrity_check') as { integrity_check: string }[]).map((row) => row.integrity_check).join('\n')
}
