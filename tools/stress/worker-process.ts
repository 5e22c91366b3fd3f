/**
 * A worker process as the coordinator sees it: sends commands, gets answers, kills it in the middle of one, and starts the next
 * in its place when somebody asks for it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, Command, WorkerSettings } from './messages.js'

export type EngineName = 'endmark' | 'sqlite'

const FILES = {
  endmark: fileURLToPath(new URL('./endmark-worker.js', import.meta.url)),
  sqlite: fileURLToPath(new URL('./sqlite-worker.js', import.meta.url)),
} as const satisfies Record<EngineName, string>

/** A command that takes longer hangs: twice what an engine waits for a lock. */
const ANSWER_MAX_MS = 60_000

/** `killed`: before it could answer. */
export type Outcome = Exclude<Answer, { type: 'ready' | 'pinned' }> | { readonly type: 'killed' }

interface Asked {
  readonly settle: (outcome: Outcome) => void
  readonly onPinned: () => void
}

export class WorkerProcess {
  readonly engine: EngineName
  readonly #settings: () => WorkerSettings
  readonly #asked = new Map<number, Asked>()
  #running: Promise<ChildProcess> | null = null
  #child: ChildProcess | null = null
  killCount = 0
  readonly #violations: string[]

  /**
   * @param settings drawn anew for each process that is started
   * @param violations gets what ended or hung by itself, in words; with any in it no further process is started
   */
  constructor(engine: EngineName, settings: () => WorkerSettings, violations: string[]) {
    this.engine = engine
    this.#violations = violations
    this.#settings = settings
  }

  /** Sends the command once a process is ready. @param sent called in the moment it is sent */
  async ask(command: Command, sent: () => void, onPinned: () => void = () => {}): Promise<Outcome> {
    if (this.#running === null && this.#violations.length > 0) return { type: 'killed' }
    this.#running ??= this.#start()
    const child = await this.#running
    if (child !== this.#child) return this.ask(command, sent, onPinned)
    sent()
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#hangs(command), ANSWER_MAX_MS)
      const settle = (outcome: Outcome) => {
        clearTimeout(timer)
        this.#asked.delete(command.id)
        resolve(outcome)
      }
      this.#asked.set(command.id, { settle, onPinned })
      // One that was killed cannot be sent to any more: its `close` tells. Told here, callers would ask on without a turn
      // of the event loop, and `close` would never come.
      child.send(command, () => {})
    })
  }

  /** As `kill -9` does. Whoever waits for an answer hears of it; the next `ask` starts another process. */
  kill(): void {
    if (this.#child?.kill('SIGKILL')) this.killCount++
  }

  /** Lets it close the database and end. It must have nothing to do. */
  async end(id: number): Promise<void> {
    const child = this.#child
    if (child === null) return
    const closed = once(child, 'close')
    const outcome = await this.ask({ type: 'end', id }, () => {})
    if (outcome.type === 'failed') this.#violations.push(outcome.message)
    await closed
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(FILES[this.engine], [JSON.stringify(this.#settings())], { serialization: 'advanced' })
    this.#child = child
    const isReady = new Promise<void>((resolve) => {
      child.on('message', (answer: Answer) => {
        if (answer.type === 'ready') resolve()
        else if (answer.type === 'pinned') this.#asked.get(answer.id)?.onPinned()
        else this.#asked.get(answer.id)?.settle(answer)
      })
      // Not `exit`: that may come before the last answer has been read.
      child.once('close', (code, signal) => {
        if (code !== 0 && signal !== 'SIGKILL')
          this.#violations.push(`a ${this.engine} worker ended (${signal ?? code})`)
        this.#child = null
        this.#running = null
        for (const { settle } of [...this.#asked.values()]) settle({ type: 'killed' })
        resolve()
      })
    })
    await isReady
    return child
  }

  #hangs({ type }: Command): void {
    this.#violations.push(`hang: no answer to a ${type} within ${ANSWER_MAX_MS} ms`)
    this.#child?.kill('SIGKILL')
  }
}
