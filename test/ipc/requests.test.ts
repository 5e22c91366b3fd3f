/** Requests and answers between links and a server: order, flow, sharing. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import {
  ANSWERS,
  CANCEL,
  CHECKPOINT,
  IN_FLIGHT_SIZE_MAX,
  MESSAGE_SIZE_MAX,
  OTHERS_ACTIVE_MS,
  UNREAD_ANSWERS_SIZE_MAX,
} from '../../ipc/protocol.js'
import type { Outcome, Step } from '../../src/txn/index.js'
import { until } from '../support/until.js'
import {
  admitted,
  connectLink,
  fakeDatabase,
  HeardLink,
  message,
  putRequest,
  requestMessage,
  serve,
} from './connections.js'
import { COMMITTED, FakeHandler } from './fake-handler.js'

const CLIENT_MAIN = fileURLToPath(new URL('./client-process-main.js', import.meta.url))

test('thousands of requests of one client are answered in their order', async (t) => {
  const { path, handler, server } = await serve(t)
  const heard = await connectLink(t, path)
  const count = 20_000
  for (let index = 0; index < count; index++) {
    heard.put(index % 100)
    if (index % 500 === 499) await new Promise((resolve) => setImmediate(resolve))
  }
  await heard.answered(count)
  t.deepEqual(
    heard.order,
    Array.from({ length: count }, (_, index) => index + 1),
  )
  t.is(handler.submittedCount, count)
  t.is(server.stats().commits, count)
})

test('many clients are served at the same time, each with its own answers', async (t) => {
  const { path, handler, server } = await serve(t)
  handler.outcomeOf = ({ number, steps }) => {
    const { rowid } = steps[0] as Extract<Step, { type: 'put' }>
    return { kind: 'committed', results: [{ existed: number % 2 === 0, rowid }] }
  }
  const links = await Promise.all(Array.from({ length: 40 }, () => connectLink(t, path)))
  t.is(server.stats().clients, 40)
  for (let round = 0; round < 20; round++) for (const heard of links) heard.put(10, { wantsResults: true })
  for (const heard of links) {
    await heard.answered(20)
    for (const [number, outcome] of heard.outcomes) {
      t.deepEqual(outcome, { kind: 'committed', results: [{ existed: number % 2 === 0, rowid: number }] })
    }
  }
})

test('requests of one turn travel as one message, and so do the answers of one batch', async (t) => {
  const { path, server } = await serve(t)
  const heard = await connectLink(t, path)
  for (let index = 0; index < 50; index++) await Promise.resolve().then(() => heard.put())
  await heard.answered(50)
  t.is(server.stats().batches, 1)
})

test('requests come as they were sent', async (t) => {
  const { path, handler } = await serve(t, { handler: new FakeHandler('held') })
  const heard = await connectLink(t, path)
  const request = putRequest(1, 3, { base: [1, 2, 3, 4, 5], wantsResults: true, synchronous: 'normal' })
  t.true(heard.link.send(request))
  await until(() => handler.heldCount === 1)
  t.deepEqual(handler.handles[0]?.held[0]?.request, request)
})

test('acknowledgements travel with the next message, and cancellations at once, after what was sent before', async (t) => {
  const { path, handler } = await serve(t, { handler: new FakeHandler('held') })
  const heard = await connectLink(t, path)
  heard.put()
  heard.link.cancel(1)
  await until(() => handler.handles[0]?.cancelled.length === 1)
  t.deepEqual(handler.handles[0]?.cancelled, [1])
  t.is(handler.heldCount, 1)
  handler.release()
  await heard.answered(1)
  heard.link.acknowledge(1)
  heard.put()
  await until(() => handler.handles[0]?.acknowledged === 1)
})

test('a client can ask for a checkpoint', async (t) => {
  let requests = 0
  const { path } = await serve(t, {
    checkpointRequested: () => {
      requests++
    },
  })
  const heard = await connectLink(t, path)
  heard.link.requestCheckpoint()
  await until(() => requests === 1)
  t.true(heard.link.isConnected)
})

test('every kind of outcome reaches the client', async (t) => {
  const outcomes: Outcome[] = [
    COMMITTED,
    { kind: 'conflict' },
    { kind: 'cancelled' },
    { kind: 'failed', code: 'ENDMARK_IO', message: 'no space left' },
    { kind: 'committed', results: [{ existed: true, rowid: 2n ** 60n }] },
  ]
  const { path, handler } = await serve(t)
  handler.outcomeOf = ({ number }) => outcomes[number - 1]!
  const heard = await connectLink(t, path)
  for (const _ of outcomes) heard.put()
  await heard.answered(outcomes.length)
  t.deepEqual([...heard.outcomes.values()], outcomes)
})

test('a client is told whether others are active, and no longer when they are not', async (t) => {
  let nowMs = 0
  const { path } = await serve(t, { now: () => nowMs })
  const one = await connectLink(t, path)
  const other = await connectLink(t, path)
  await one.answered(one.put())
  t.false(one.othersActive, 'the other is connected, but sends nothing')
  await other.answered(other.put())
  t.true(other.othersActive)
  await one.answered(one.put())
  t.true(one.othersActive)
  nowMs += OTHERS_ACTIVE_MS - 1
  await one.answered(one.put())
  t.true(one.othersActive)
  nowMs += 1
  await one.answered(one.put())
  t.false(one.othersActive)
})

test('a transaction larger than a message is not sent, one just as large is', async (t) => {
  const { path, handler } = await serve(t)
  const heard = await connectLink(t, path)
  t.false(heard.link.send(putRequest(1, MESSAGE_SIZE_MAX)))
  t.true(heard.link.send(putRequest(1, MESSAGE_SIZE_MAX - 200)))
  await heard.answered(1)
  t.is(handler.submittedCount, 1)
})

test('large requests of one turn are spread over several messages', async (t) => {
  const { path, handler } = await serve(t)
  const heard = await connectLink(t, path)
  for (let index = 0; index < 12; index++) heard.put(3 << 20)
  await heard.answered(12)
  t.is(handler.submittedCount, 12)
})

test('a server whose handler is slow stops reading, whatever is sent, and goes on when it is answered', async (t) => {
  const { path, handler } = await serve(t, { handler: new FakeHandler('held') })
  const flooding = await connectLink(t, path)
  const size = 100_000
  const count = 600
  for (let index = 0; index < count; index++) flooding.put(size)
  // One that fills what is allowed, and what comes along with it in the same message.
  const heldMax = (IN_FLIGHT_SIZE_MAX + (256 << 10)) / size + 1
  await until(() => handler.heldCount * size > IN_FLIGHT_SIZE_MAX - size)
  const other = await connectLink(t, path)
  for (let round = 0; round < 30; round++) {
    const number = other.put()
    await until(() => handler.handles[1]?.held.length === 1)
    handler.handles[1]?.release()
    await other.answered(number)
    t.true(handler.heldCount <= heldMax, `${handler.heldCount} requests are held`)
  }
  handler.mode = 'at once'
  handler.release()
  await flooding.answered(count)
  t.is(flooding.order.length, count)
})

test('small requests count with the objects they become', async (t) => {
  const { path, handler } = await serve(t, { handler: new FakeHandler('held') })
  const flooding = await connectLink(t, path)
  const count = 60_000
  for (let index = 0; index < count; index++) flooding.put(0)
  await until(() => handler.heldCount > 10_000)
  const other = await connectLink(t, path)
  for (let round = 0; round < 30; round++) {
    const number = other.put()
    await until(() => handler.handles[1]?.held.length === 1)
    handler.handles[1]?.release()
    await other.answered(number)
  }
  t.true(handler.heldCount < 30_000, `${handler.heldCount} requests are held`)
  handler.mode = 'at once'
  handler.release()
  await flooding.answered(count)
})

test('a client that does not fetch its answers is not read from any more, and gets all of them when it does', async (t) => {
  const { path, handler } = await serve(t)
  const text = 'x'.repeat(1000)
  handler.outcomeOf = () => ({ kind: 'failed', code: 'ENDMARK_IO', message: text })
  const lazy = await admitted(t, path)
  lazy.socket.pause()
  const count = 30_000
  for (let number = 1; number <= count; number++) lazy.write(requestMessage(putRequest(number, 0)))
  const handle = handler.handles[0]!
  await until(() => handle.submittedCount * text.length > UNREAD_ANSWERS_SIZE_MAX)
  const other = await connectLink(t, path)
  for (let round = 0; round < 50; round++) await other.answered(other.put())
  const submittedThen = handle.submittedCount
  for (let round = 0; round < 50; round++) await other.answered(other.put())
  t.is(handle.submittedCount, submittedThen)
  t.true(submittedThen < count / 2, `${submittedThen} were answered and not read`)
  lazy.socket.resume()
  await until(() => handle.submittedCount === count)
  await until(() => answersIn(lazy.messages) === count)
  t.pass()
})

/** How many `failed` answers are in these messages. */
function answersIn(messages: readonly (readonly unknown[])[]): number {
  return messages.reduce((sum, values) => sum + (values[0] === ANSWERS ? (values.length - 2) / 4 : 0), 0)
}

test('a client whose process has nothing more to do lets it end', async (t) => {
  const { path, handler } = await serve(t)
  const child = fork(CLIENT_MAIN, [path, 'idle'])
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit')
  await once(child, 'message')
  const [code] = await exit
  t.is(code, 0)
  await until(() => handler.handles[0]?.end === 'dropped')
})

test('a link that was given up is lost once, hears no more answers, and connects again', async (t) => {
  const { path, handler } = await serve(t, { handler: new FakeHandler('held') })
  const heard = await connectLink(t, path)
  heard.put()
  await until(() => handler.heldCount === 1)
  heard.link.abandon('it takes too long')
  t.is(heard.lostCount, 1)
  t.false(heard.link.isConnected)
  t.regex(String(heard.link.failure), /given up: it takes too long/)
  heard.link.abandon('again')
  t.is(heard.lostCount, 1)
  await until(() => handler.handles[0]?.end === 'dropped')
  handler.mode = 'at once'
  await heard.link.ready(5000)
  t.is(handler.handles[1]?.clientId, heard.link.clientId)
  await heard.answered(heard.put())
  t.deepEqual(heard.order, [2])
  t.is(heard.lostCount, 1)
})

test('a link that is given up in the middle of a message of answers passes on no further one', async (t) => {
  const { path } = await serve(t)
  const heard = await connectLink(t, path)
  heard.onAnswer = (number) => {
    if (number === 3) heard.link.abandon('enough')
  }
  for (let index = 0; index < 10; index++) heard.put()
  await until(() => heard.lostCount === 1)
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(heard.order, [1, 2, 3])
})

test('what a raw client asks for in one chunk is done in that order', async (t) => {
  const asked: string[] = []
  const handler = new FakeHandler('held')
  const { path } = await serve(t, { handler, checkpointRequested: () => asked.push('checkpoint') })
  const raw = await admitted(t, path)
  raw.write(
    Buffer.concat([
      requestMessage(putRequest(1)),
      message(CANCEL, 1),
      message(CHECKPOINT),
      requestMessage(putRequest(9)),
    ]),
  )
  await until(() => handler.heldCount === 2)
  t.deepEqual(handler.handles[0]?.cancelled, [1])
  t.deepEqual(asked, ['checkpoint'])
})

test('a link without a database fails with a typed error', (t) => {
  const path = fakeDatabase(t)
  t.throws(() => new HeardLink(t, `${path}-missing`), { code: 'ENDMARK_IO' })
})
