/** Runs a judge of verdict-process-main.ts, within bounds of time and memory, and collects what it says. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { REFEREE_NODE } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import type { Verdict, VerdictTask } from './verdict-process-main.js'

const PROCESS_FILE = fileURLToPath(new URL('./verdict-process-main.js', import.meta.url))
/** Far more than one copy takes on a busy machine. */
const ROUND_MS_MAX = 20_000
const HEAP_MB_MAX = 256

export async function verdicts(t: ExecutionContext<unknown>, task: Omit<VerdictTask, 'folder'>): Promise<Verdict[]> {
  const execPath = task.judge === 'sqlite' ? REFEREE_NODE : process.execPath
  const execArgv = [`--max-old-space-size=${HEAP_MB_MAX}`]
  const child = fork(PROCESS_FILE, { execPath, execArgv, serialization: 'advanced' })
  t.teardown(() => void child.kill('SIGKILL'))
  const all: Verdict[] = []
  let started = 0
  const watchdog = setTimeout(() => child.kill('SIGKILL'), ROUND_MS_MAX)
  child.on('message', (message: Verdict | { readonly starting: number }) => {
    watchdog.refresh()
    if ('starting' in message) started = message.starting
    else all.push(message)
  })
  child.send({ ...task, folder: temporaryFolder(t) } satisfies VerdictTask)
  const end = await new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  clearTimeout(watchdog)
  t.is(end, 0, `${task.judge} ended in round ${started} of seed ${task.seed}`)
  return all
}
