/** `endmark serve` as the coordinator sees it: it and its checkpointer are killed, and it is started again after a while. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN_FILE = fileURLToPath(new URL('../cli/main.js', import.meta.url))
/** Should the coordinator be killed itself, nobody is left behind for long. */
const IDLE_EXIT_SECONDS = '10'

/** Characters of what it has to say about its end. */
const ERRORS_SHOWN = 500

export class Serving {
  readonly #path: string
  #child: ChildProcess | null = null
  #checkpointer = 0
  #isEnding = false
  #timer: NodeJS.Timeout | null = null
  killCount = 0
  checkpointerKillCount = 0
  readonly #violations: string[]

  /** @param violations gets why it ended, if nobody killed it; with any in it, it is not started again */
  constructor(path: string, violations: string[]) {
    this.#path = path
    this.#violations = violations
    this.#start()
  }

  /** @param restartMs after which another one is started: until then clients are on their own */
  kill(restartMs: number): void {
    if (this.#timer !== null || !this.#child?.kill('SIGKILL')) return
    this.killCount++
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (this.#isGoingOn) this.#start()
    }, restartMs)
  }

  killCheckpointer(): void {
    if (this.#checkpointer === 0) return
    try {
      process.kill(this.#checkpointer, 'SIGKILL')
      this.checkpointerKillCount++
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    this.#checkpointer = 0
  }

  async end(): Promise<void> {
    this.#isEnding = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    const child = this.#child
    if (child === null) return
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
  }

  /** For the end of everything, whatever has happened. */
  abandon(): void {
    this.#isEnding = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    const child = spawn(process.execPath, [MAIN_FILE, 'serve', this.#path, '--idle-exit', IDLE_EXIT_SECONDS], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let errors = ''
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(JSON.parse(line), child))
    child.stderr.on('data', (data) => {
      errors = (errors + String(data)).slice(0, ERRORS_SHOWN)
    })
    child.once('close', (code, signal) => {
      // Told to end before it listens to that, it just ends.
      const isTold = signal === 'SIGKILL' || (signal === 'SIGTERM' && this.#isEnding)
      if (code !== 0 && !isTold) this.#violations.push(`the writer process ended (${signal ?? code}): ${errors}`)
      if (this.#child === child) {
        this.#child = null
        this.#checkpointer = 0
      }
      if (signal !== 'SIGKILL' && this.#isGoingOn && this.#timer === null) this.#start()
    })
  }

  get #isGoingOn(): boolean {
    return !this.#isEnding && this.#violations.length === 0
  }

  #hear(line: { readonly event: string; readonly checkpointer?: number }, child: ChildProcess): void {
    if (child !== this.#child) return
    if (line.event === 'checkpointer started') this.#checkpointer = line.checkpointer ?? 0
    // Its number may be another process's soon.
    if (line.event === 'checkpointer ended') this.#checkpointer = 0
  }
}
