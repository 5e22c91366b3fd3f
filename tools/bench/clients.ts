/** Client processes as the benchmark sees them: started, ready, set off at the same instant, and their results. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { ClientResult, ClientRun, ClientStart, FromClient, ToClient } from './messages.js'

const CLIENT_FILE = join(import.meta.dirname, 'client.js')

export class ClientProcess {
  readonly #child: ChildProcess
  readonly #failure: Promise<never>

  constructor(start: ClientStart) {
    // 'advanced' carries typed arrays as they are.
    this.#child = fork(CLIENT_FILE, { serialization: 'advanced' })
    this.#failure = new Promise((_, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', (code, signal) => {
        reject(new Error(`a client of ${start.peer} has ended (${signal ?? `exit code ${code}`})`))
      })
    })
    this.#failure.catch(() => {})
    this.#send({ kind: 'start', ...start })
  }

  async ready(): Promise<void> {
    await this.#receive('ready')
  }

  run(run: ClientRun): Promise<ClientResult> {
    const result = this.#receive('result')
    this.#send({ kind: 'run', ...run })
    return result
  }

  /** Ends a run early; its result comes as ever. */
  stop(): void {
    this.#send({ kind: 'stop' })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Resolves when the process is gone. */
  async ended(): Promise<void> {
    await this.#failure.catch(() => {})
  }

  #send(message: ToClient): void {
    this.#child.send(message)
  }

  #receive<Kind extends FromClient['kind']>(kind: Kind): Promise<Extract<FromClient, { kind: Kind }>> {
    const message = new Promise<Extract<FromClient, { kind: Kind }>>((resolve, reject) => {
      this.#child.once('message', (received: FromClient) => {
        if (received.kind === kind) resolve(received as Extract<FromClient, { kind: Kind }>)
        else reject(new Error(`a client says "${received.kind}" instead of "${kind}"`))
      })
    })
    return Promise.race([message, this.#failure])
  }
}

/** Starts clients, lets `use` work with them once all are ready, and leaves none behind. */
export async function withClients<T>(
  starts: readonly ClientStart[],
  use: (clients: readonly ClientProcess[]) => Promise<T>,
): Promise<T> {
  const clients = starts.map((start) => new ClientProcess(start))
  try {
    await Promise.all(clients.map((client) => client.ready()))
    const result = await use(clients)
    await Promise.all(clients.map((client) => client.ended()))
    return result
  } finally {
    for (const client of clients) client.kill()
  }
}
