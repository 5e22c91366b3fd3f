/** The end of a server, and its name in the file system. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { GOODBYE } from '../../ipc/protocol.js'
import { WriterServer } from '../../ipc/server.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'
import { admitted, connectLink, fakeDatabase, HeardLink, putRequest, requestMessage, serve } from './connections.js'
import { FakeHandler } from './fake-handler.js'

const SERVER_MAIN = fileURLToPath(new URL('./server-process-main.js', import.meta.url))

test('a server that closes answers what it has received, says goodbye, and removes its socket', async (t) => {
  const { path, server, handler } = await serve(t, { handler: new FakeHandler('held') })
  const busy = await connectLink(t, path)
  const idle = await connectLink(t, path)
  for (let index = 0; index < 100; index++) busy.put()
  await until(() => handler.heldCount === 100)
  let isClosed = false
  const closing = server.close().then(() => {
    isClosed = true
  })
  t.false(existsSync(server.socketPath))
  await until(() => idle.lostCount === 1)
  t.is(busy.lostCount, 0)
  t.false(isClosed)
  handler.release()
  await closing
  await until(() => busy.lostCount === 1)
  t.is(busy.order.length, 100)
  t.regex(String(busy.link.failure), /has ended/)
  t.deepEqual(
    handler.handles.map(({ end }) => end),
    ['dropped', 'dropped'],
  )
  t.deepEqual(readdirSync(dirname(path)).sort(), ['app.db', 'app.db-shm'])
})

test('a server that closes takes no further request, from anyone', async (t) => {
  const { path, server, handler } = await serve(t, { handler: new FakeHandler('held') })
  const raw = await admitted(t, path)
  raw.write(requestMessage(putRequest(1)))
  await until(() => handler.heldCount === 1)
  const closing = server.close()
  raw.write(requestMessage(putRequest(2)))
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
  t.is(handler.heldCount, 1)
  handler.release()
  await until(() => raw.messages.some(([type]) => type === GOODBYE))
  raw.socket.end()
  await closing
  t.is(handler.submittedCount, 1)
})

test('a client that says nothing and does not close does not keep a server from closing', async (t) => {
  const { path, server } = await serve(t)
  const silent = await admitted(t, path)
  silent.socket.pause()
  await server.close()
  t.pass()
})

test('closing twice is closing once', async (t) => {
  const { server } = await serve(t)
  await Promise.all([server.close(), server.close()])
  t.pass()
})

test('a server that is killed with requests in flight is missed at once', async (t) => {
  const path = fakeDatabase(t)
  const child = fork(SERVER_MAIN, [path])
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  const heard = await connectLink(t, path)
  t.is(heard.link.writerPid, child.pid ?? null)
  for (let index = 0; index < 3000; index++) heard.put()
  const [{ submitted }] = (await once(child, 'message')) as [{ submitted: number }]
  t.is(submitted, 3000)
  const killed = performance.now()
  child.kill('SIGKILL')
  await until(() => heard.lostCount === 1)
  t.true(performance.now() - killed < 1000)
  t.deepEqual(heard.order, [])
  t.true(existsSync(socketPathOf(path).path))
  await serve(t, { path })
  await heard.link.ready(5000)
  await heard.answered(heard.put())
})

test('a client of a server that has ended finds the next one', async (t) => {
  const { path, server } = await serve(t)
  const heard = await connectLink(t, path)
  await heard.answered(heard.put())
  await server.close()
  await until(() => heard.lostCount === 1)
  await serve(t, { path })
  await heard.link.ready(5000)
  await heard.answered(heard.put())
  t.is(heard.connectedCount, 2)
})

test('a socket that was removed is made again, and connections go on meanwhile', async (t) => {
  const { path, server, log } = await serve(t, { socketCheckMs: 20 })
  const heard = await connectLink(t, path)
  rmSync(server.socketPath)
  await until(() => existsSync(server.socketPath))
  await until(() => log.length > 0)
  t.is(log[0]?.event, 'socket replaced')
  await heard.answered(heard.put())
  t.is(heard.lostCount, 0)
  t.is(statSync(server.socketPath).mode & 0o777, 0o600)
  const other = await connectLink(t, path)
  await other.answered(other.put())
})

test('a socket that was replaced by a stranger’s is taken back', async (t) => {
  const { path, server, log } = await serve(t, { socketCheckMs: 20 })
  const stranger = createServer()
  const aside = `${server.socketPath}2`
  await new Promise<void>((resolve) => stranger.listen(aside, resolve))
  t.teardown(() => stranger.close())
  renameSync(aside, server.socketPath)
  await until(() => log.length > 0)
  const heard = await connectLink(t, path)
  await heard.answered(heard.put())
  t.is(log.length, 1)
})

test('a file that stands in the place of the socket is left alone, and the log says so', async (t) => {
  const { path, server, log } = await serve(t, { socketCheckMs: 20 })
  const heard = await connectLink(t, path)
  rmSync(server.socketPath)
  writeFileSync(server.socketPath, 'somebody’s')
  await until(() => log.some(({ event }) => event === 'socket lost'))
  t.true(statSync(server.socketPath).isFile())
  await heard.answered(heard.put())
  rmSync(server.socketPath)
  await until(() => log.some(({ event }) => event === 'socket replaced'))
  await connectLink(t, path)
  t.pass()
})

test('a socket that a crash has left behind is replaced, also one that was not finished', async (t) => {
  const path = fakeDatabase(t)
  const location = socketPathOf(path).path
  for (const left of [location, `${location}.new`]) {
    const dead = createServer()
    const name = `${left}x`
    await new Promise<void>((resolve) => dead.listen(name, resolve))
    renameSync(name, left)
    dead.close()
  }
  const heard = new HeardLink(t, path)
  heard.link.wake()
  await until(() => heard.link.failure !== null)
  t.regex(String(heard.link.failure), /ECONNREFUSED/)
  await serve(t, { path })
  await heard.link.ready(5000)
  t.false(existsSync(`${location}.new`))
})

test('a server does not replace what is no socket', async (t) => {
  const path = fakeDatabase(t)
  writeFileSync(socketPathOf(path).path, 'somebody’s')
  await t.throwsAsync(WriterServer.start({ path, handler: new FakeHandler(), log: () => {} }), {
    code: 'ENDMARK_IO',
    message: /not a socket/,
  })
})

test('a server does not remove a name that is no longer its own', async (t) => {
  const { server } = await serve(t)
  rmSync(server.socketPath)
  writeFileSync(server.socketPath, 'somebody’s')
  await server.close()
  t.true(existsSync(server.socketPath))
})

test.serial('a database with a long path is served through the private folder', async (t) => {
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = temporaryFolder(t)
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  const path = fakeDatabase(t, `${'long/'.repeat(30)}app.db`)
  const { server } = await serve(t, { path })
  t.true(server.socketPath.startsWith(`${process.env.XDG_RUNTIME_DIR}/endmark/`))
  t.is(statSync(server.socketPath).mode & 0o777, 0o600)
  const heard = await connectLink(t, path)
  await heard.answered(heard.put())
  await heard.link.close()
  await server.close()
  t.false(existsSync(server.socketPath))
})
