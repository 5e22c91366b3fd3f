/** A writer process for one database, started by a test and ended with it, whatever happens. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { FromWriter, WriterSettings } from '../../workers/spawn.js'

const WRITER_FILE = fileURLToPath(new URL('../../workers/writer.js', import.meta.url))

/** Resolves when it serves. */
export async function startWriter(t: ExecutionContext<unknown>, path: string): Promise<ChildProcess> {
  const settings: WriterSettings = { path, idleExitMs: 0 }
  const child = fork(WRITER_FILE, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  t.teardown(() => killWriter(child))
  const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [FromWriter | number]
  if (typeof message !== 'object' || message === null || message.type !== 'ready') {
    throw new Error(`the writer process did not start: ${JSON.stringify(message)}`)
  }
  return child
}

/** Ends it as a crash would; resolves when it is gone. */
export async function killWriter(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
