/**
 * Real SQLite in a process that has done its work and is gone when the call returns: for forcing a schedule from
 * within a hook, where nothing can be awaited. Otherwise use referee.ts.
 */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Database } from 'better-sqlite3'

const REFEREE_NODE = process.env.ENDMARK_REFEREE_NODE ?? process.execPath

/**
 * Runs `work` there and waits for it. It is sent as source text and sees nothing but its parameters; parameters and result
 * travel as JSON. Connections of this process that hold locks make SQLite fail at once, since nobody could let go.
 */
export function sqliteNow<Result, Parameters extends unknown[]>(
  path: string,
  work: (db: Database, ...parameters: Parameters) => Result,
  ...parameters: Parameters
): Result {
  const source = `
    const db = new (require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))}))(${JSON.stringify(path)})
    const result = (${work.toString()})(db, ...${JSON.stringify(parameters)})
    process.stdout.write(JSON.stringify(result) ?? 'null')
    db.close()`
  return JSON.parse(execFileSync(REFEREE_NODE, ['-e', source], { encoding: 'utf8' })) as Result
}
