/** Bytes that no client of ours sends: they cost their connection one line of the log, and nobody else anything. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { pack } from 'msgpackr'
import { encodeHello, encodeWelcome, PRELUDE } from '../../ipc/handshake.js'
import {
  ANSWERS,
  BYE,
  CANCEL,
  GOODBYE,
  HANDSHAKE_SIZE_MAX,
  HELLO,
  MESSAGE_SIZE_MAX,
  REQUESTS,
  WELCOME,
} from '../../ipc/protocol.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import { invalidArgument } from '../../src/errors.js'
import { seededRandom } from '../support/random.js'
import { until } from '../support/until.js'
import {
  admitted,
  connectLink,
  fakeDatabase,
  HeardLink,
  helloOf,
  message,
  putRequest,
  RawClient,
  requestMessage,
  type Served,
  serve,
} from './connections.js'
import { FakeHandler } from './fake-handler.js'

const CLIENT_MAIN = fileURLToPath(new URL('./client-process-main.js', import.meta.url))

function announcing(length: number, ...bytes: readonly number[]): Uint8Array {
  const message = Buffer.alloc(4 + bytes.length)
  message.writeUInt32LE(length)
  message.set(bytes, 4)
  return message
}

function framed(value: unknown): Uint8Array {
  const body = pack(value)
  return announcing(body.length, ...body)
}

/** Checks that the connection was closed with one line of the log, and that another client noticed nothing. */
async function closedAlone(t: ExecutionContext<unknown>, served: Served, raw: RawClient, bystander: HeardLink) {
  await raw.closed()
  t.is(served.log.length, 1, JSON.stringify(served.log))
  t.is(served.log[0]?.event, 'connection closed')
  t.true(String(served.log[0]?.reason).length > 0)
  await bystander.answered(bystander.put())
  t.is(bystander.lostCount, 0)
  served.log.length = 0
}

const PRELUDES: Record<string, Uint8Array> = {
  'another protocol': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  'one wrong byte': Buffer.from('endmark-ipd\0'),
  zeros: Buffer.alloc(100),
}

const HELLOS: Record<string, Uint8Array> = {
  'too long a hello': announcing(HANDSHAKE_SIZE_MAX + 1),
  'four gigabytes': announcing(0xffffffff),
  'no bytes': announcing(0),
  'a map': framed({ type: HELLO }),
  'requests before the hello': requestMessage(putRequest(1)),
  'a hello without fields': message(HELLO),
  'a hello with one field too many': message(HELLO, 2 ** 40, 1n, 1n, 1, 5000, 1),
  'a client id too small': encodeHello({ clientId: 120, file: { device: 1n, inode: 1n }, pid: 1, timeoutMs: 5000 }),
  'a client id too large': encodeHello({ clientId: 2 ** 48, file: { device: 1n, inode: 1n }, pid: 1, timeoutMs: 5000 }),
  'a client id that is text': message(HELLO, 'client', 1n, 1n, 1, 5000),
  'an inode that is no bigint': message(HELLO, 2 ** 40, 1, 1, 1, 5000),
  'a message of the server’s': message(WELCOME, 1),
}

const MESSAGES: Record<string, Uint8Array> = {
  'too long a message': announcing(MESSAGE_SIZE_MAX + 1, 1, 2, 3),
  'an unknown type': message(99),
  'a type that is text': message('requests'),
  'a second hello': message(HELLO, 2 ** 40, 1n, 1n, 1),
  'a message of the server’s': message(ANSWERS, false, 0, 1, 1),
  'a map': framed({ type: REQUESTS }),
  'a list in a list': framed([REQUESTS, 0, [1]]),
  'a store that was not named': message(REQUESTS, 0, 1, 2, 1, 0, 0, 1, 1, new Uint8Array(1)),
  'a step of no kind': message(REQUESTS, 0, 1, 2, 1, 77),
  'steps that are not there': message(REQUESTS, 0, 1, 2, 2 ** 50),
  'a record that is text': message(REQUESTS, 0, 1, 2, 1, 0, 'users', 1, 1, 'record'),
  'a negative number': message(REQUESTS, 0, -1, 2, 0),
  'request 0': message(REQUESTS, 0, 0, 2, 0),
  'a number twice': requestMessage(putRequest(5), putRequest(5)),
  'numbers that fall': requestMessage(putRequest(5), putRequest(4)),
  'more requests than may be in flight': message(
    REQUESTS,
    0,
    ...Array.from({ length: 3 * 16_385 }, (_, at) => (at % 3 === 0 ? at / 3 + 1 : 0)),
  ),
  'a cancellation of nothing': message(CANCEL),
  'a goodbye with more to say': message(BYE, 1),
}

for (const [what, bytes] of Object.entries(PRELUDES)) {
  test(`a connection that begins with ${what} is closed`, async (t) => {
    const served = await serve(t)
    const bystander = await connectLink(t, served.path)
    const raw = new RawClient(t, served.path)
    raw.write(bytes)
    await closedAlone(t, served, raw, bystander)
  })
}

for (const [what, bytes] of Object.entries(HELLOS)) {
  test(`a connection that says ${what} instead of a hello is closed`, async (t) => {
    const served = await serve(t)
    const bystander = await connectLink(t, served.path)
    const raw = new RawClient(t, served.path)
    raw.write(PRELUDE, bytes)
    await closedAlone(t, served, raw, bystander)
  })
}

for (const [what, bytes] of Object.entries(MESSAGES)) {
  test(`a client that sends ${what} is shut out`, async (t) => {
    const served = await serve(t)
    const bystander = await connectLink(t, served.path)
    const raw = await admitted(t, served.path)
    raw.write(bytes)
    await closedAlone(t, served, raw, bystander)
    t.is(served.handler.handles[1]?.end, 'dropped')
  })
}

test('a request that the handler calls malformed shuts its sender out', async (t) => {
  const served = await serve(t)
  const bystander = await connectLink(t, served.path)
  const raw = await admitted(t, served.path)
  const handle = served.handler.handles[1]!
  handle.submit = () => {
    throw invalidArgument('a range that was never begun')
  }
  raw.write(requestMessage(putRequest(1)))
  await closedAlone(t, served, raw, bystander)
  t.is(handle.end, 'dropped')
})

test('a goodbye before the last answer counts as a lost connection', async (t) => {
  const served = await serve(t, { handler: new FakeHandler('held') })
  const raw = await admitted(t, served.path)
  raw.write(requestMessage(putRequest(1)), message(BYE))
  await raw.closed()
  t.is(served.handler.handles[0]?.end, 'dropped')
})

test('random bytes at every stage close their connection or wait for more, and disturb nobody', async (t) => {
  const random = seededRandom(t)
  const { path } = await serve(t)
  const bystander = await connectLink(t, path)
  const { hello } = helloOf(t, path)
  const valid = Buffer.concat([hello, requestMessage(putRequest(1), putRequest(2)), message(CANCEL, 1)])
  for (let round = 0; round < 150; round++) {
    const raw = new RawClient(t, path)
    const bytes = Buffer.from(valid)
    // From somewhere on, or in a few places, it is noise.
    const from = random.below(bytes.length)
    if (round % 3 === 0) bytes.set(random.bytes(bytes.length - from), from)
    else
      for (let change = random.between(1, 4); change > 0; change--)
        bytes[random.below(bytes.length)] = random.below(256)
    raw.write(round % 3 === 2 ? bytes.subarray(0, from) : bytes)
    await bystander.answered(bystander.put())
    raw.socket.end()
    await raw.closed()
  }
  t.is(bystander.lostCount, 0)
})

test('a message that is cut off by the end of the connection is not applied', async (t) => {
  const { path, handler, log } = await serve(t)
  const raw = await admitted(t, path)
  const bytes = requestMessage(putRequest(1, 1000))
  raw.socket.end(bytes.subarray(0, -1))
  await raw.closed()
  t.is(handler.submittedCount, 0)
  t.is(handler.handles[0]?.end, 'dropped')
  t.deepEqual(log, [])
})

test('a client killed in the middle of a message is dropped, and found dead by the next sweep', async (t) => {
  const { path, handler } = await serve(t)
  const sweepsAtStart = handler.sweeps.length
  t.is(sweepsAtStart, 1, 'a server sweeps when it starts')
  const child = fork(CLIENT_MAIN, [path, 'half'])
  t.teardown(() => child.kill('SIGKILL'))
  const [{ clientId }] = (await once(child, 'message')) as [{ clientId: number }]
  await until(() => handler.submittedCount === 1)
  child.kill('SIGKILL')
  await until(() => handler.handles[0]?.end === 'dropped')
  t.is(handler.submittedCount, 1)
  await until(() => handler.sweeps.length > sweepsAtStart)
  t.false(handler.sweeps.at(-1)!(clientId))
})

test('a client that said goodbye causes no sweep, one that is connected or just lives is not swept', async (t) => {
  const { path, handler } = await serve(t)
  const leaving = await connectLink(t, path)
  await leaving.link.close()
  const lost = await connectLink(t, path)
  const connected = await connectLink(t, path)
  lost.link.abandon('for the test')
  await until(() => handler.sweeps.length === 2)
  const isAlive = handler.sweeps[1]!
  t.true(isAlive(lost.link.clientId), 'it has no connection, but it lives')
  t.true(isAlive(connected.link.clientId))
  t.false(isAlive(leaving.link.clientId))
})

/** A link to a server that lets a client in, and answers its first requests with what the test wants. */
async function linkToHostile(t: ExecutionContext<unknown>, ...words: readonly Uint8Array[]): Promise<HeardLink> {
  const path = fakeDatabase(t)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.once('data', () => {
      socket.write(Buffer.concat([PRELUDE, encodeWelcome({ pid: 1 })]))
      socket.once('data', () => {
        for (const word of words) socket.write(word)
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(socketPathOf(path).path, resolve))
  t.teardown(() => server.close())
  const heard = new HeardLink(t, path)
  await heard.link.ready(5000)
  return heard
}

const ANSWERS_OF_A_STRANGER: Record<string, Uint8Array> = {
  'too long a message': announcing(MESSAGE_SIZE_MAX + 1),
  'a message of no kind': message(1000),
  'a second welcome': message(WELCOME, 1),
  'an answer to a request that was not sent': message(ANSWERS, false, 0, 1, 50),
  'a run without end': message(ANSWERS, false, 0, 1, 2 ** 52),
  'a map': framed({ type: ANSWERS }),
  'an error code that does not exist': message(ANSWERS, false, 4, 1, 99, 'text'),
}

for (const [what, bytes] of Object.entries(ANSWERS_OF_A_STRANGER)) {
  test(`a client that is answered with ${what} gives the connection up`, async (t) => {
    const heard = await linkToHostile(t, bytes)
    heard.put()
    await until(() => heard.lostCount === 1)
    t.deepEqual(heard.order, [])
    t.true(heard.link.failure instanceof Error)
  })
}

test('what listens in the place of a writer process and is none is an error, not a hang', async (t) => {
  const path = fakeDatabase(t)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(socketPathOf(path).path, resolve))
  t.teardown(() => server.close())
  const heard = new HeardLink(t, path)
  heard.link.wake()
  await until(() => heard.link.failure !== null)
  await t.throwsAsync(heard.link.ready(0), { code: 'ENDMARK_BUSY', message: /not those of an Endmark peer/ })
  t.is(heard.lostCount, 0)
})

test('a goodbye of the server leaves what it has not answered in doubt', async (t) => {
  const heard = await linkToHostile(t, message(ANSWERS, false, 0, 1, 1), message(GOODBYE))
  heard.put()
  heard.put()
  await until(() => heard.lostCount === 1)
  t.deepEqual(heard.order, [1])
  t.false(heard.link.isConnected)
})

test('a client whose handler throws hears what came behind in the same chunk, and what comes after it', async (t) => {
  const path = fakeDatabase(t)
  const answer = (number: number) => message(ANSWERS, false, 0, number, 1)
  const chunks = [
    [PRELUDE, encodeWelcome({ pid: 1 })],
    [answer(1), answer(2), answer(3)],
    [answer(4), answer(5)],
  ]
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', () => socket.write(Buffer.concat(chunks.shift() ?? [])))
  })
  await new Promise<void>((resolve) => server.listen(socketPathOf(path).path, resolve))
  t.teardown(() => server.close())
  const child = fork(CLIENT_MAIN, [path, 'throws'])
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = await once(child, 'message')
  t.deepEqual(said, { heard: [1, 2, 3, 4, 5] })
})

test('a connection that says nothing is closed after a while', async (t) => {
  const { path, log, handler } = await serve(t)
  const silent = new RawClient(t, path)
  const halfway = new RawClient(t, path)
  halfway.write(PRELUDE)
  const admittedOne = await connectLink(t, path)
  await silent.closed()
  await halfway.closed()
  t.deepEqual(
    log.map(({ reason }) => reason),
    ['said no hello in time', 'said no hello in time'],
  )
  await admittedOne.answered(admittedOne.put())
  t.is(handler.handles.length, 1)
})
