/** `endmark serve` in a process of its own, ended with the test at the latest, and the JSON lines that it prints. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { until } from './until.js'

const MAIN_FILE = fileURLToPath(new URL('../../tools/cli/main.js', import.meta.url))

export interface ServeEvent {
  readonly time: string
  readonly event: string
  readonly [field: string]: string | number
}

export class ServeProcess {
  readonly events: ServeEvent[] = []
  errors = ''
  readonly #child: ChildProcess
  /** Its exit code or signal, once all that it printed has been read. */
  readonly exited: Promise<number | string>

  constructor(t: ExecutionContext<unknown>, path: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, [MAIN_FILE, 'serve', path, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.exited = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | string)
    createInterface({ input: child.stdout! }).on('line', (line) => this.events.push(JSON.parse(line) as ServeEvent))
    child.stderr!.on('data', (data) => {
      this.errors += String(data)
    })
    t.teardown(async () => {
      child.kill('SIGKILL')
      await this.exited
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The first event of this name that fits, once there is one. */
  async event(name: string, fits: (event: ServeEvent) => boolean = () => true): Promise<ServeEvent> {
    const find = () => this.events.find((event) => event.event === name && fits(event))
    let hasEnded = false
    void this.exited.then(() => {
      hasEnded = true
    })
    await until(() => find() !== undefined || hasEnded, `the event "${name}"`)
    const found = find()
    if (found === undefined) throw new Error(`it ended without "${name}": ${this.errors}`)
    return found
  }
}

/** Resolves when it serves and its checkpointer is ready. */
export async function startServe(
  t: ExecutionContext<unknown>,
  path: string,
  ...args: string[]
): Promise<ServeProcess & { readonly checkpointer: number }> {
  const serve = new ServeProcess(t, path, args)
  const { checkpointer } = await serve.event('checkpointer started')
  return Object.assign(serve, { checkpointer: Number(checkpointer) })
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
