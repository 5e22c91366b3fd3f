/** A client process: connects, waits for the whistle, commits one row after the other, and reports. */
import { Latencies } from './latencies.js'
import type { ClientResult, ClientRun, ClientStart, FromClient, ToClient } from './messages.js'
import { loadPeer } from './peers/index.js'
import type { Connection } from './peers/peer.js'
import { ChangingValues, RandomKeys } from './rows.js'

class Client {
  readonly #connection: Connection
  readonly #outstanding: number
  readonly #keys: RandomKeys
  readonly #values: ChangingValues
  readonly #latencies = new Latencies()
  #commits = 0
  #busy = 0
  /** On the clock of `performance.now()`. */
  #countFrom = 0
  #end = 0
  #commitCountMax = 0
  #lastCommit = 0

  constructor(connection: Connection, { outstanding, rowCount, seed }: ClientStart) {
    this.#connection = connection
    this.#outstanding = outstanding
    this.#keys = new RandomKeys(rowCount, seed)
    this.#values = new ChangingValues(seed)
  }

  async run({ startTime, countFromTime, endTime, commitCountMax }: ClientRun): Promise<ClientResult> {
    this.#countFrom = countFromTime - performance.timeOrigin
    this.#end = endTime - performance.timeOrigin
    this.#commitCountMax = commitCountMax
    await new Promise((resolve) => setTimeout(resolve, startTime - performance.timeOrigin - performance.now()))
    await Promise.all(Array.from({ length: this.#outstanding }, () => this.#commitOneByOne()))
    return {
      kind: 'result',
      commits: this.#commits,
      elapsedMs: (this.#commits === commitCountMax ? this.#lastCommit : this.#end) - this.#countFrom,
      latencies: this.#latencies.toCounts(),
      busy: this.#busy,
      way: this.#connection.way(),
    }
  }

  stop(): void {
    this.#end = Math.min(this.#end, performance.now())
  }

  async #commitOneByOne(): Promise<void> {
    let begun = performance.now()
    while (begun < this.#end && this.#commits < this.#commitCountMax) {
      await this.#commitOne()
      const done = performance.now()
      if (done >= this.#countFrom) this.#count(begun, done)
      begun = done
    }
  }

  #count(begun: number, done: number): void {
    this.#latencies.record(done - begun)
    if (done >= this.#end) return
    this.#commits++
    this.#lastCommit = done
  }

  async #commitOne(): Promise<void> {
    const [key, value] = [this.#keys.next(), this.#values.next()]
    for (;;) {
      try {
        return void (await this.#connection.put(key, value))
      } catch (error) {
        if (!this.#connection.isBusy(error)) throw error
        this.#busy++
      }
    }
  }
}

function send(message: FromClient): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))
}

let connection: Connection
let client: Client

process.on('message', async (message: ToClient) => {
  if (message.kind === 'start') {
    connection = await (await loadPeer(message.peer)).open(message.path)
    client = new Client(connection, message)
    await send({ kind: 'ready' })
  } else if (message.kind === 'run') {
    await send(await client.run(message))
    await connection.close()
    process.disconnect()
  } else {
    client.stop()
  }
})
