/** `endmark serve` on a database, for as long as `use` takes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { engineUrl } from './engine.js'

const COMMAND = fileURLToPath(engineUrl('tools/cli/main.js'))
const READY_TIMEOUT_MS = 10_000
const POLL_MS = 10

export async function withWriterProcess<T>(path: string, use: (pid: number) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, [COMMAND, 'serve', path], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'close')
  const end = () => child.kill('SIGTERM')
  process.once('exit', end)
  try {
    await Promise.race([listening(path), ended.then(failEarly)])
    return await use(child.pid!)
  } finally {
    process.off('exit', end)
    end()
    await ended
  }
}

async function listening(path: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!existsSync(`${path}-sock`)) {
    if (performance.now() > deadline) throw new Error(`no writer process listens at ${path}-sock`)
    await delay(POLL_MS)
  }
}

function failEarly(): never {
  throw new Error('the writer process has ended before the round')
}
