/** Writer processes that were started in the background. They are nobody's children: found by the database on their command line. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Ends all of them, and their checkpointers; resolves when there are none. */
export async function killWritersOf(path: string): Promise<void> {
  for (let pids = writersOf(path); pids.length > 0; pids = writersOf(path)) {
    for (const pid of pids) kill(pid)
    await delay(5)
  }
}

export function writersOf(path: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => pid !== process.pid && commandLineOf(pid).includes(path))
}

/** Empty if it has ended. */
function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
