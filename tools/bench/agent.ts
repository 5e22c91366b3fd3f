/** An agent, as a process or a thread: connects to a database, carries out tasks on it, one after the other, and reports. */
import { parentPort } from 'node:worker_threads'
import { memoryUse } from './memory.js'
import type { AgentStart, FromAgent, ToAgent } from './messages.js'
import { loadPeer } from './peers/index.js'
import type { Connection } from './peers/peer.js'
import { taskNamed } from './tasks/index.js'

function send(message: FromAgent): Promise<void> {
  if (parentPort !== null) return Promise.resolve(parentPort.postMessage(message))
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))
}

let start: AgentStart
let connection: Connection | undefined
let stopping = new AbortController()

async function follow(message: ToAgent): Promise<void> {
  if (message.kind === 'start') {
    start = message
    if (start.connect !== false) connection = await (await loadPeer(start.peer)).open(start.path, start.settings)
    await send({ kind: 'ready' })
  } else if (message.kind === 'run') {
    stopping = new AbortController()
    const subject = { ...start, connection: connection! }
    const value = await taskNamed(message.task)(subject, message.parameters, stopping.signal)
    await send({ kind: 'result', value, memory: memoryUse() })
  } else if (message.kind === 'stop') {
    stopping.abort()
  } else {
    await connection?.close()
    end()
  }
}

function end(): void {
  if (parentPort !== null) parentPort.close()
  else process.disconnect()
}

function receive(message: ToAgent): void {
  follow(message).catch(async (error: unknown) => {
    await send({ kind: 'failed', message: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) })
    end()
  })
}

if (parentPort !== null) parentPort.on('message', receive)
else process.on('message', receive).once('disconnect', () => process.exit())
