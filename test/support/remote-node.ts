/**
 * Another Node process that evaluates what a test sends it, one expression after the other, and answers with
 * the value. It keeps its globals from call to call; `importFrom(url)` loads a module there. For SQLite there
 * is referee.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly message: string; readonly code?: string }
}

const CHILD_SOURCE = `
  process.on('disconnect', () => process.exit())
  globalThis.importFrom = url => import(url)
  process.on('message', async ({ id, code }) => {
    try {
      process.send({ id, value: await (0, eval)(code) })
    } catch (error) {
      process.send({ id, error: { message: String(error && error.message), code: error && error.code } })
    }
  })
`

export class RemoteNode {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #lastId = 0

  /** Starts the process; it is killed when the test ends. */
  constructor(t: ExecutionContext<unknown>) {
    this.#child = spawn(process.execPath, ['-e', CHILD_SOURCE], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (answer) => this.#receive(answer as Answer))
    this.#child.on('exit', (code, signal) => this.#failAll(`the process ended (${signal ?? code})`))
    t.teardown(() => this.kill())
  }

  /** Evaluates `code`; a promise is awaited there. Rejects with the code and message of what it throws. */
  async run(code: string): Promise<unknown> {
    const id = ++this.#lastId
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    if (this.#child.connected) this.#child.send({ id, code })
    else this.#failAll('the process has ended')
    const { value, error } = await answered
    if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code })
    return value
  }

  /** Ends the process at once, as `kill -9` does, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #receive(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }

  #failAll(message: string): void {
    for (const id of [...this.#waiting.keys()]) this.#receive({ id, error: { message } })
  }
}
