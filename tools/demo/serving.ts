/** The writer process as the demo's main process sees it: started, its latest report, and its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ServingProgress } from './messages.js'

export class Serving {
  readonly #child: ChildProcess
  #latest: ServingProgress

  private constructor(child: ChildProcess, first: ServingProgress) {
    this.#child = child
    this.#latest = first
    child.on('message', (progress) => {
      this.#latest = progress as ServingProgress
    })
  }

  /** Resolves when clients can connect. */
  static async start(path: string): Promise<Serving> {
    const child = fork(fileURLToPath(new URL('./serve.js', import.meta.url)), [path])
    const ended = once(child, 'close').then(() => {
      throw new Error('the writer process has not started')
    })
    const [first] = await Promise.race([once(child, 'message'), ended])
    ended.catch(() => {})
    return new Serving(child, first as ServingProgress)
  }

  get latest(): ServingProgress {
    return this.#latest
  }

  /** Resolves when it has closed the database. Its last report has come by then. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('the writer process has died')
    const closed = once(this.#child, 'close')
    this.#child.send('stop')
    const [code, signal] = await closed
    if (code !== 0) throw new Error(`the writer process ended with ${signal ?? `exit code ${code}`}`)
  }
}
