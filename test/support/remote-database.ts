/**
 * A database that another process has open. Work is sent as a function that gets the database (`call`), so
 * that a loop of a thousand commits runs there while the test goes on here. The function travels as source
 * text and sees nothing but its parameters; values travel by structured clone: bigint and blobs survive.
 *
 * The other side is `serve`, called by the file that the process runs.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

interface Request {
  readonly id: number
  readonly source: string
  readonly parameters: readonly unknown[]
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly message: string; readonly code: string | undefined }
}

type Work<Db, Parameters extends unknown[], Result> = (db: Db, ...parameters: Parameters) => Result

export class RemoteDatabase<Db> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #lastId = 0

  /** @param child forked with `serialization: 'advanced'` */
  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer) => this.#receive(answer as Answer))
    child.on('exit', (code, signal) => this.#failAll(`the process ended (${signal ?? code})`))
  }

  /** Runs `work` there; a promise is awaited there. Rejects with the message and code of what it throws. */
  async call<Result, Parameters extends unknown[]>(
    work: Work<Db, Parameters, Result>,
    ...parameters: Parameters
  ): Promise<Awaited<Result>> {
    const id = ++this.#lastId
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    const request: Request = { id, source: work.toString(), parameters }
    if (this.#child.connected) this.#child.send(request)
    else this.#failAll('the process has ended')
    const { value, error } = await answered
    if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code })
    return value as Awaited<Result>
  }

  /** Ends the process at once, as `kill -9` does, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#ended(() => this.#child.kill('SIGKILL'))
  }

  /** Lets the process end by itself, and waits until it is gone. */
  protected async end(): Promise<void> {
    await this.#ended(() => this.#child.disconnect())
  }

  async #ended(end: () => void): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    end()
    await exited
  }

  #receive(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }

  #failAll(message: string): void {
    for (const id of [...this.#waiting.keys()]) this.#receive({ id, error: { message, code: undefined } })
  }
}

/** Runs in the other process: answers the requests about `db` until the test's process lets go. */
export function serve<Db>(db: Db): void {
  process.on('disconnect', () => process.exit())
  process.on('message', async (request) => {
    process.send?.(await answer(db, request as Request))
  })
}

async function answer<Db>(db: Db, { id, source, parameters }: Request): Promise<Answer> {
  try {
    // Indirect eval: the function sees the globals of this process and nothing of this module.
    // biome-ignore lint/security/noGlobalEval: the source is a function of the test that started this process
    const work = globalThis.eval(`(${source})`) as Work<Db, unknown[], unknown>
    return { id, value: await work(db, ...parameters) }
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    return { id, error: { message, code } }
  }
}
