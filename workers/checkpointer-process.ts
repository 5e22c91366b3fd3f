/**
 * The checkpointer as its parent, the writer process, sees it: forked, replaced when it dies, told when a checkpoint is due,
 * and given a pause between two batches when it asks for one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LogEntry } from '../ipc/server.js'
import type { CheckpointerSettings, FromCheckpointer, ToCheckpointer } from './checkpointer-messages.js'

const CHECKPOINTER_FILE = fileURLToPath(new URL('./checkpointer.js', import.meta.url))

/** Before a dead one is replaced: doubles from the first to the second, and starts over once one has lived for the second. */
const RESTART_MIN_MS = 100
const RESTART_MAX_MS = 30_000
/** A pause that lasts longer is ended: by then the checkpointer stands still, and commits fare better by polling for WRITE. */
const PAUSE_MAX_MS = 500
/** It closes its database within this, or is killed: nothing is lost by that. */
const STOP_MAX_MS = 5000

export interface CheckpointerProcessHooks {
  /** Runs `work` between two batches. */
  readonly between: (work: () => Promise<unknown>) => Promise<void>
  readonly slowDown: (isSlow: boolean) => void
  readonly log: (entry: LogEntry) => void
}

export class CheckpointerProcess {
  readonly #settings: CheckpointerSettings
  readonly #hooks: CheckpointerProcessHooks
  #child: ChildProcess | null = null
  #made = 0
  #isReady = false
  #isStopping = false
  #restartMs = RESTART_MIN_MS
  #restartTimer: NodeJS.Timeout | null = null
  #endPause: (() => void) | null = null
  #endedPause = 0

  constructor(settings: CheckpointerSettings, hooks: CheckpointerProcessHooks) {
    this.#settings = settings
    this.#hooks = hooks
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Checkpoints that were made since the start, by all checkpointers. */
  get made(): number {
    return this.#made
  }

  start(): void {
    const startMs = performance.now()
    const child = fork(CHECKPOINTER_FILE, [JSON.stringify(this.#settings)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('message', (message) => this.#heard(message as FromCheckpointer))
    child.on('error', (error) => {
      this.#hooks.log({ event: 'checkpointer error', message: error.message })
      // Never started: there will be no `exit`.
      if (child.pid === undefined) this.#ended(0, error.message)
    })
    // Not `close`, which does not come once this side has disconnected.
    child.once('exit', (code, signal) => {
      if (performance.now() - startMs >= RESTART_MAX_MS) this.#restartMs = RESTART_MIN_MS
      this.#ended(child.pid ?? 0, signal ?? `code ${code}`)
    })
  }

  /** Says that a checkpoint is due. @returns false if there is nobody to do it */
  request(): boolean {
    if (!this.#isReady) return false
    this.#send({ type: 'checkpoint' })
    return true
  }

  /** Ends it; resolves when it has closed its database. */
  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer)
    const child = this.#child
    if (child === null) return
    const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (child.connected) child.disconnect()
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS)
    await closed
    clearTimeout(timer)
  }

  #heard(message: FromCheckpointer): void {
    if (message.type === 'ready') {
      this.#isReady = true
      this.#hooks.log({ event: 'checkpointer started', checkpointer: this.pid ?? 0 })
    } else if (message.type === 'pause') {
      void this.#hooks.between(() => this.#pause(message.pause))
    } else if (message.type === 'resume') {
      this.#endedPause = message.pause
      this.#endPause?.()
    } else if (message.type === 'made') {
      this.#made++
    } else if (message.type === 'slow') {
      this.#hooks.slowDown(message.isSlow)
    } else {
      this.#hooks.log({ event: 'checkpoint failed', code: message.code ?? '', message: message.message })
    }
  }

  /** Lasts until the checkpointer says so, ends, or stands still. */
  async #pause(pause: number): Promise<void> {
    if (pause <= this.#endedPause || !this.#isReady) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PAUSE_MAX_MS)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#send({ type: 'paused', pause })
    })
    this.#endPause = null
  }

  #ended(checkpointer: number, how: string): void {
    this.#child = null
    this.#isReady = false
    this.#endedPause = 0
    this.#endPause?.()
    this.#hooks.slowDown(false)
    if (this.#isStopping) return
    this.#hooks.log({ event: 'checkpointer ended', checkpointer, how, restartMs: this.#restartMs })
    this.#restartTimer = setTimeout(() => this.start(), this.#restartMs)
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS)
  }

  #send(message: ToCheckpointer): void {
    const child = this.#child
    if (child?.connected) child.send(message, () => {})
  }
}
