/** The processes beside the profiled one, from the driver's side. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Companion } from './workloads/index.js'

const MAIN = join(import.meta.dirname, 'companion.js')
/** For a writer process to close its database. */
const END_MAX_MS = 5000

/** Runs `use` beside them; they end with it, whatever happens. */
export async function withCompanions(
  companions: readonly Companion[],
  path: string,
  rowCount: number,
  use: () => Promise<void>,
): Promise<void> {
  const children: ChildProcess[] = []
  try {
    for (const companion of companions) {
      const child = fork(MAIN, [path, JSON.stringify(companion), String(rowCount)])
      children.push(child)
      await ready(child)
    }
    await use()
  } finally {
    await Promise.all(children.map(end))
  }
}

async function ready(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process beside the profiled one has ended with ${code}`)
  })
  // Heard of below, or it ends later and as it should.
  ended.catch(() => {})
  await Promise.race([once(child, 'message'), ended])
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MAX_MS)
  child.disconnect()
  await ended
  clearTimeout(timer)
}
