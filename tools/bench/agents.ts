/** Agents as the benchmark sees them: started, ready, given tasks, and none left behind. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { MemoryUse } from './memory.js'
import type { AgentStart, FromAgent, ToAgent } from './messages.js'
import type { TaskName, TaskParameters, TaskResult } from './tasks/index.js'

const AGENT_FILE = join(import.meta.dirname, 'agent.js')

export type AgentKind = 'process' | 'thread'

export class Agent {
  readonly #name: string
  readonly #host: ChildProcess | Worker
  readonly #failure: Promise<never>
  #memory: MemoryUse = { privateMb: 0, mappedMb: 0 }

  constructor(start: AgentStart, kind: AgentKind) {
    this.#name = start.peer
    // 'advanced' carries typed arrays as they are; gc() is for the workload that looks at memory.
    this.#host =
      kind === 'thread'
        ? new Worker(AGENT_FILE)
        : fork(AGENT_FILE, { serialization: 'advanced', execArgv: ['--expose-gc'] })
    this.#failure = this.#watchEnd()
    this.#failure.catch(() => {})
    this.#send({ kind: 'start', ...start })
  }

  async ready(): Promise<void> {
    await this.#receive('ready')
  }

  /** @throws (rejects) Error with the agent's stack if the task fails */
  async run<Name extends TaskName>(task: Name, parameters: TaskParameters<Name>): Promise<TaskResult<Name>> {
    const result = this.#receive('result')
    this.#send({ kind: 'run', task, parameters })
    const { value, memory } = await result
    this.#memory = memory
    return value as TaskResult<Name>
  }

  /** At the end of the last task. */
  get memory(): MemoryUse {
    return this.#memory
  }

  /** Ends a task early; its result comes as ever. */
  stop(): void {
    this.#send({ kind: 'stop' })
  }

  /** Closes the connection; resolves when the agent is gone. */
  async close(): Promise<void> {
    let failure: string | undefined
    this.#host.on('message', (received: FromAgent) => {
      if (received.kind === 'failed') failure = received.message
    })
    this.#send({ kind: 'close' })
    await this.#failure.catch(() => {})
    if (failure !== undefined) throw new Error(`an agent of ${this.#name}: ${failure}`)
  }

  kill(): void {
    if (this.#host instanceof Worker) void this.#host.terminate()
    else this.#host.kill('SIGKILL')
  }

  #watchEnd(): Promise<never> {
    const host = this.#host
    return new Promise((_, reject) => {
      host.on('error', reject)
      const ended = (code: unknown) => reject(new Error(`an agent of ${this.#name} has ended (${code})`))
      if (host instanceof Worker) host.on('exit', ended)
      else host.on('close', (code, signal) => ended(signal ?? code))
    })
  }

  #send(message: ToAgent): void {
    if (this.#host instanceof Worker) this.#host.postMessage(message)
    else this.#host.send(message)
  }

  #receive<Kind extends FromAgent['kind']>(kind: Kind): Promise<Extract<FromAgent, { kind: Kind }>> {
    const message = new Promise<Extract<FromAgent, { kind: Kind }>>((resolve, reject) => {
      this.#host.once('message', (received: FromAgent) => {
        if (received.kind === kind) resolve(received as Extract<FromAgent, { kind: Kind }>)
        else if (received.kind === 'failed') reject(new Error(`an agent of ${this.#name}: ${received.message}`))
        else reject(new Error(`an agent says "${received.kind}" instead of "${kind}"`))
      })
    })
    return Promise.race([message, this.#failure])
  }
}

/** Starts agents, lets `use` work with them once all are ready, and leaves none behind. */
export async function withAgents<T>(
  starts: readonly AgentStart[],
  use: (agents: readonly Agent[]) => Promise<T>,
  kind: AgentKind = 'process',
): Promise<T> {
  const agents = starts.map((start) => new Agent(start, kind))
  try {
    await Promise.all(agents.map((agent) => agent.ready()))
    const result = await use(agents)
    await Promise.all(agents.map((agent) => agent.close()))
    return result
  } finally {
    for (const agent of agents) agent.kill()
  }
}

export async function withAgent<T>(start: AgentStart, use: (agent: Agent) => Promise<T>): Promise<T> {
  return withAgents([start], ([agent]) => use(agent!))
}
