/** Word of commits for clients that watch: who gets it, when, and what it costs the server if nobody fetches it. */
import test from 'ava'
import { CHANGED, WATCH } from '../../ipc/protocol.js'
import { until } from '../support/until.js'
import { admitted, connectLink, HeardLink, message, serve } from './connections.js'

test('a client that watches hears of commits of others, and no longer once it stops', async (t) => {
  const { path } = await serve(t)
  const watching = await connectLink(t, path)
  const writing = await connectLink(t, path)
  const deaf = await connectLink(t, path)
  watching.link.watch(true)
  await until(() => {
    writing.put()
    return watching.changedCount > 2
  })
  watching.link.watch(false)
  // What was under way arrives before the answer to a request of its own.
  await watching.answered(watching.put())
  const heard = watching.changedCount
  for (let i = 0; i < 20; i++) await writing.answered(writing.put())
  await watching.answered(watching.put())
  t.is(watching.changedCount, heard)
  t.is(deaf.changedCount, 0)
  t.is(watching.lostCount + writing.lostCount, 0)
})

test('word of commits comes with its own answers, and not for what was not committed', async (t) => {
  const { path, handler } = await serve(t)
  const heard = await connectLink(t, path)
  heard.link.watch(true)
  handler.outcomeOf = () => ({ kind: 'conflict' })
  for (let i = 0; i < 10; i++) await heard.answered(heard.put())
  t.is(heard.changedCount, 0)
  handler.outcomeOf = () => ({ kind: 'committed', results: null })
  await heard.answered(heard.put())
  await until(() => heard.changedCount === 1)
})

test('a link that watches connects by itself, and watches again after the server has come back', async (t) => {
  const first = await serve(t)
  const heard = new HeardLink(t, first.path)
  const isConnected = () => {
    heard.link.watch(true)
    return heard.link.isConnected
  }
  await until(isConnected)
  await first.server.close()
  await until(() => !heard.link.isConnected)
  await serve(t, { path: first.path })
  await until(isConnected)
  const writing = await connectLink(t, first.path)
  await until(() => {
    writing.put()
    return heard.changedCount > 0
  })
  t.is(heard.lostCount, 1)
})

test('a client that watches and reads nothing makes the server keep nothing', async (t) => {
  const { path } = await serve(t)
  const raw = await admitted(t, path)
  raw.write(message(WATCH, true))
  const writing = await connectLink(t, path)
  await until(() => {
    writing.put()
    return raw.messages.some(([type]) => type === CHANGED)
  })
  raw.socket.pause()
  const heard = raw.messages.length
  // Each in a batch of its own: some 3000 times word fits into the buffers of the system and of the socket.
  const batches = 10_000
  const last = writing.order.length + batches
  writing.onAnswer = (number) => {
    if (number < last) writing.put(0)
  }
  await writing.answered(writing.put(0) + batches - 1)
  raw.socket.resume()
  await until(() => raw.messages.length > heard)
  await writing.answered(writing.put(0))
  t.true(raw.messages.length < batches / 2, `told ${raw.messages.length} times`)
  t.false(raw.isClosed)
})

test('a watch message that makes no sense closes the connection', async (t) => {
  const { path } = await serve(t)
  const raw = await admitted(t, path)
  raw.write(message(WATCH, 7))
  await raw.closed()
  t.true(raw.isClosed)
})
