/** The writer process as the demo's main process sees it: started, its latest report, and its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ServingProgress } from './messages.js'

export class Serving {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>
  #latest: ServingProgress

  private constructor(child: ChildProcess, closed: Promise<unknown[]>, first: ServingProgress) {
    this.#child = child
    this.#closed = closed
    this.#latest = first
    child.on('message', (progress) => {
      this.#latest = progress as ServingProgress
    })
  }

  /** Resolves when clients can connect. */
  static async start(path: string): Promise<Serving> {
    const child = fork(fileURLToPath(new URL('./serve.js', import.meta.url)), [path])
    const closed = once(child, 'close')
    // For `stop` to tell.
    closed.catch(() => {})
    const first = await Promise.race([once(child, 'message').then(([message]) => message), closed.then(() => null)])
    if (first === null) throw new Error('the writer process has not started')
    return new Serving(child, closed, first as ServingProgress)
  }

  get latest(): ServingProgress {
    return this.#latest
  }

  /** Resolves when it has closed the database. Its last report has come by then. */
  async stop(): Promise<void> {
    // It may have ended by itself, or do so now: `#closed` says how.
    if (this.#child.connected) this.#child.send('stop', () => {})
    const [code, signal] = await this.#closed
    if (code !== 0) throw new Error(`the writer process ended with ${signal ?? `exit code ${code}`}`)
  }
}
