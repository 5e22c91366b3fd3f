/** Endmark in a process of its own, for tests in which several processes share a database or one is killed. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { Database, OpenOptions } from '../../src/index.js'
import { RemoteDatabase } from './remote-database.js'

const PROCESS_FILE = fileURLToPath(new URL('./endmark-process-main.js', import.meta.url))

/** Opens the database at `path` in an Endmark process that ends with the test at the latest. */
export async function startEndmark(
  t: ExecutionContext<unknown>,
  path: string,
  options: OpenOptions = {},
): Promise<EndmarkProcess> {
  const child = fork(PROCESS_FILE, [path, JSON.stringify(options)], { serialization: 'advanced' })
  const process = new EndmarkProcess(child)
  t.teardown(() => process.kill())
  await process.call(() => undefined)
  return process
}

export class EndmarkProcess extends RemoteDatabase<Database> {
  /** Closes the database as a well-behaved program does, and ends the process. */
  async close(): Promise<void> {
    await this.call((db) => db.close())
    await this.end()
  }
}
