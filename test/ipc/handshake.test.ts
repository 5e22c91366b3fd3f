import { renameSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import test from 'ava'
import { ClientLock } from '../../ipc/client-lock.js'
import { encodeHello, PRELUDE } from '../../ipc/handshake.js'
import { encodePrelude, PROTOCOL_VERSION, REFUSAL, WELCOME } from '../../ipc/protocol.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import { EndmarkError } from '../../src/errors.js'
import { fileIdentityOf } from '../../src/vfs/index.js'
import { until } from '../support/until.js'
import { admitted, connectLink, fakeDatabase, HeardLink, helloOf, RawClient, serve } from './connections.js'
import { COMMITTED } from './fake-handler.js'

test('a client connects, is answered, and leaves', async (t) => {
  const { path, handler, server } = await serve(t)
  const heard = await connectLink(t, path)
  const { link } = heard
  t.is(heard.connectedCount, 1)
  t.is(link.writerPid, process.pid)
  t.is(link.failure, null)
  t.deepEqual(await heard.answered(heard.put()), COMMITTED)
  t.is(handler.handles[0]?.clientId, link.clientId)
  t.like(server.stats(), { clients: 1, commits: 1, batches: 1, idleMs: 0 })
  await link.close()
  t.is(handler.handles[0]?.end, 'left')
  t.is(heard.lostCount, 0)
  t.false(link.isConnected)
  t.is(link.writerPid, null)
  t.is(server.stats().clients, 0)
})

test('the socket is this user’s alone', async (t) => {
  const { server } = await serve(t)
  t.is(statSync(server.socketPath).mode & 0o777, 0o600)
})

test('without a writer process a link stays unconnected, says why, and tries seldom', (t) => {
  const heard = new HeardLink(t, fakeDatabase(t))
  heard.link.wake()
  t.false(heard.link.isConnected)
  t.is((heard.link.failure as EndmarkError).code, 'ENDMARK_NOT_FOUND')
  for (let round = 0; round < 100; round++) heard.link.wake()
  t.is(heard.lostCount, 0)
})

test('a client of another version is told ours and shut out, and the log says which two', async (t) => {
  const { path, log, handler } = await serve(t)
  const raw = new RawClient(t, path)
  raw.write(encodePrelude(PROTOCOL_VERSION + 1), Buffer.from('whatever that version says next'))
  await raw.closed()
  t.is(raw.version, PROTOCOL_VERSION)
  t.is(handler.handles.length, 0)
  t.deepEqual(log, [
    {
      event: 'connection refused',
      reason: `its protocol version is ${PROTOCOL_VERSION + 1}, ours ${PROTOCOL_VERSION}`,
    },
  ])
})

test('a writer process of another version is an error that names both versions', async (t) => {
  const path = fakeDatabase(t)
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.end(encodePrelude(PROTOCOL_VERSION + 1))
  })
  await new Promise<void>((resolve) => server.listen(socketPathOf(path).path, resolve))
  t.teardown(() => server.close())
  const heard = new HeardLink(t, path)
  const error = await t.throwsAsync(heard.link.ready(5000), { code: 'ENDMARK_UNSUPPORTED' })
  t.regex(error.message, new RegExp(`version is ${PROTOCOL_VERSION + 1}, that of this process ${PROTOCOL_VERSION}`))
  t.is(heard.link.failure, error)
  t.is(heard.lostCount, 0)
  for (let round = 0; round < 100; round++) heard.link.wake()
  t.is(connections, 1, 'one that has refused us is left in peace')
})

test('a client that has another file open is refused, and both sides say so', async (t) => {
  const { path, log, handler } = await serve(t)
  renameSync(path, `${path}.old`)
  writeFileSync(path, '')
  const heard = new HeardLink(t, path)
  await t.throwsAsync(heard.link.ready(5000), { code: 'ENDMARK_INVALID_ARGUMENT', message: /serves another file/ })
  t.is(handler.handles.length, 0)
  t.is(log.length, 1)
  t.regex(String(log[0]?.reason), /serves another file/)
})

test('a file that is replaced after it was opened is not taken for the one that is served', async (t) => {
  const path = fakeDatabase(t)
  const heard = new HeardLink(t, path)
  renameSync(path, `${path}.old`)
  writeFileSync(path, '')
  await serve(t, { path })
  await t.throwsAsync(heard.link.ready(5000), { code: 'ENDMARK_INVALID_ARGUMENT', message: /serves another file/ })
})

test('a client that does not hold the lock of its id is refused', async (t) => {
  const { path, handler } = await serve(t)
  const raw = new RawClient(t, path)
  const lock = ClientLock.acquire(path)
  lock.release()
  raw.write(PRELUDE, encodeHello({ clientId: lock.clientId, file: fileIdentityOf(path), pid: 1, timeoutMs: 5000 }))
  await raw.closed()
  t.is(raw.messages[0]?.[0], REFUSAL)
  t.is(handler.handles.length, 0)
})

test('identities of files of any size survive the way', async (t) => {
  const { path } = await serve(t)
  const lock = ClientLock.acquire(path)
  t.teardown(() => lock.release())
  const raw = new RawClient(t, path)
  const file = { device: 2n ** 64n - 1n, inode: 2n ** 63n }
  raw.write(PRELUDE, encodeHello({ clientId: lock.clientId, file, pid: 1, timeoutMs: 5000 }))
  await raw.closed()
  t.is(raw.messages[0]?.[0], REFUSAL, 'refused as another file, not as bytes that make no sense')
})

test('a hello that arrives byte by byte is understood', async (t) => {
  const { path } = await serve(t)
  const raw = new RawClient(t, path)
  for (const byte of helloOf(t, path).hello) {
    raw.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => raw.messages.length > 0)
  t.is(raw.messages[0]?.[0], WELCOME)
})

test('a client that comes back before its old connection was missed takes its place', async (t) => {
  const { path, handler, server } = await serve(t)
  const { hello } = helloOf(t, path)
  const first = new RawClient(t, path)
  first.write(hello)
  await until(() => first.messages.length > 0)
  const second = new RawClient(t, path)
  second.write(hello)
  await until(() => second.messages.length > 0)
  await first.closed()
  t.deepEqual(
    handler.handles.map(({ end }) => end),
    ['dropped', null],
  )
  t.is(server.stats().clients, 1)
})

test('the writer process is started when there is none, and not more often than once in a while', async (t) => {
  const path = fakeDatabase(t)
  let starts = 0
  const heard = new HeardLink(t, path, {
    start: () => {
      starts++
      if (starts === 2) void serve(t, { path })
    },
  })
  await heard.link.ready(10_000)
  t.is(starts, 2)
  t.true(heard.link.isConnected)
})

test('a writer process that does not come up is an error after the deadline, with the reason', async (t) => {
  const heard = new HeardLink(t, fakeDatabase(t), {
    start: () => {
      throw new EndmarkError('ENDMARK_IO', 'cannot be started')
    },
  })
  const error = await t.throwsAsync(heard.link.ready(100), { code: 'ENDMARK_BUSY' })
  t.regex(error.message, /within 100 ms/)
})

test('a link that is closed while somebody waits for it says so', async (t) => {
  const heard = new HeardLink(t, fakeDatabase(t))
  const ready = heard.link.ready(5000)
  await heard.link.close()
  await t.throwsAsync(ready, { code: 'ENDMARK_CLOSED' })
  t.false(heard.link.send({ number: 1, synchronous: 'full', steps: [], base: null, wantsResults: false }))
})

test('what a raw client that is let in hears first is the prelude and the welcome', async (t) => {
  const { path } = await serve(t)
  const raw = await admitted(t, path)
  t.is(raw.version, PROTOCOL_VERSION)
  t.deepEqual(raw.messages, [[WELCOME, process.pid]])
})
