/**
 * A client process of the ipc tests: `lock` holds a client's lock; `half` says hello and then half of a message, and stays;
 * `idle` connects, gets one answer, and has nothing more to do; `throws` lives on when its handler throws at the first of five answers.
 */
import { createConnection } from 'node:net'
import { openWriterLink } from '../../ipc/client.js'
import { ClientLock } from '../../ipc/client-lock.js'
import { encodeHello, PRELUDE } from '../../ipc/handshake.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import { fileIdentityOf } from '../../src/vfs/index.js'
import { putRequest, requestMessage } from './connections.js'

const [path = '', what = ''] = process.argv.slice(2)

if (what === 'idle') {
  const link = openWriterLink(path, {
    connected: () => {},
    answered: () => {
      process.send?.({ answered: true })
      process.disconnect()
    },
    changed: () => {},
    lost: () => {},
  })
  await link.ready(5000)
  link.send(putRequest(1))
} else if (what === 'throws') {
  const heard: number[] = []
  const link = openWriterLink(path, {
    connected: () => {},
    answered: (number) => {
      heard.push(number)
      if (number === 1) throw new Error('of a handler')
      if (number === 5) process.send?.({ heard })
    },
    changed: () => {},
    lost: () => process.send?.({ heard, failure: String(link.failure) }),
  })
  process.on('uncaughtException', () => link.send(putRequest(5)))
  await link.ready(5000)
  for (let number = 1; number <= 4; number++) link.send(putRequest(number))
} else {
  const { clientId } = ClientLock.acquire(path)
  if (what === 'half') {
    const socket = createConnection({ path: socketPathOf(path).path })
    const hello = encodeHello({ clientId, file: fileIdentityOf(path), pid: process.pid, timeoutMs: 5000 })
    const requests = requestMessage(putRequest(2, 100_000))
    socket.write(Buffer.concat([PRELUDE, hello, requestMessage(putRequest(1)), requests.subarray(0, 50_000)]))
  }
  process.send?.({ clientId })
  setInterval(() => {}, 1000)
}
