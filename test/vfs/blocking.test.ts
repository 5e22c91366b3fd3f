import test from 'ava'
import { EndmarkError } from '../../src/errors.js'
import { type Blocking, type BlockingStep, NodeVfs, runAsync, runSync, waitFor } from '../../src/vfs/index.js'

/** Time passes only while somebody waits, so that a deadline is met to the millisecond. */
class VirtualTime extends NodeVfs {
  timeMs = 1000
  readonly delays: number[] = []

  override now(): number {
    return this.timeMs
  }

  override async delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
    await super.delay(0, signal)
    this.delaySync(milliseconds)
  }

  override delaySync(milliseconds: number): void {
    this.timeMs += milliseconds
    this.delays.push(milliseconds)
  }
}

function logging(log: string[], name: string): BlockingStep {
  return {
    sync: () => void log.push(`${name} sync`),
    async: async () => void log.push(`${name} async`),
  }
}

function failing(error: Error): BlockingStep {
  return {
    sync: () => {
      throw error
    },
    async: () => Promise.reject(error),
  }
}

const drivers = {
  runSync: async <T>(steps: Blocking<T>): Promise<T> => runSync(steps),
  runAsync: <T>(steps: Blocking<T>): Promise<T> => runAsync(steps),
}

for (const [name, run] of Object.entries(drivers)) {
  test(`${name} drives the steps in order and returns the generator's value`, async (t) => {
    const log: string[] = []
    const how = name === 'runSync' ? 'sync' : 'async'
    const value = await run(
      (function* () {
        yield logging(log, 'a')
        log.push('between')
        yield logging(log, 'b')
        return 42
      })(),
    )
    t.is(value, 42)
    t.deepEqual(log, [`a ${how}`, 'between', `b ${how}`])
  })

  test(`${name} throws a step's error into the generator, whose finally blocks run`, async (t) => {
    const log: string[] = []
    const error = new Error('disk on fire')
    const steps = (function* () {
      try {
        yield failing(error)
        log.push('not reached')
      } finally {
        yield logging(log, 'undone')
        log.push('released')
      }
    })()
    t.is(await t.throwsAsync(run(steps)), error)
    t.is(log.at(-1), 'released')
    t.is(log.length, 2)
  })

  test(`${name} goes on after a step's error that the generator catches`, async (t) => {
    const steps = (function* (): Blocking<string> {
      try {
        yield failing(new Error('transient'))
      } catch (error) {
        return (error as Error).message
      }
      return 'not reached'
    })()
    t.is(await run(steps), 'transient')
  })

  test(`${name} passes on what the generator itself throws`, async (t) => {
    const error = new Error('own')
    const steps = (function* (): Blocking<void> {
      yield logging([], 'a')
      throw error
    })()
    t.is(await t.throwsAsync(run(steps)), error)
  })

  test(`${name}: waitFor asks until the attempt succeeds`, async (t) => {
    const vfs = new VirtualTime()
    let attempts = 0
    await run(waitFor(() => ++attempts === 30, { vfs, timeoutMs: 5000, what: 'the WRITE lock' }))
    t.is(attempts, 30)
    t.is(vfs.delays.length, 29)
  })

  test(`${name}: waitFor gives up exactly at the deadline, after a last attempt there`, async (t) => {
    const vfs = new VirtualTime()
    let lastAttemptMs = 0
    const attempt = () => {
      lastAttemptMs = vfs.timeMs - 1000
      return false
    }
    const wait = run(waitFor(attempt, { vfs, timeoutMs: 250, what: 'the WRITE lock' }))
    const error = await t.throwsAsync(wait, { instanceOf: EndmarkError, code: 'ENDMARK_BUSY' })
    t.regex(error.message, /the WRITE lock .* 250 ms/)
    t.true(Math.abs(lastAttemptMs - 250) < 1e-6)
    t.true(vfs.delays.every((milliseconds) => milliseconds > 0 && milliseconds <= 12))
  })

  test(`${name}: waitFor with timeout 0 makes one attempt and does not wait`, async (t) => {
    const vfs = new VirtualTime()
    let attempts = 0
    const attempt = () => ++attempts > 1
    await t.throwsAsync(run(waitFor(attempt, { vfs, timeoutMs: 0, what: 'it' })), { code: 'ENDMARK_BUSY' })
    t.is(attempts, 1)
    t.deepEqual(vfs.delays, [])
  })

  test(`${name}: waitFor passes on what the attempt throws`, async (t) => {
    const error = new Error('no such file')
    const attempt = () => {
      throw error
    }
    t.is(await t.throwsAsync(run(waitFor(attempt, { vfs: new VirtualTime(), timeoutMs: 10, what: 'it' }))), error)
  })

  test(`${name}: waitFor asks as eagerly after a long wait as at its start`, async (t) => {
    const vfs = new VirtualTime()
    await t.throwsAsync(run(waitFor(() => false, { vfs, timeoutMs: 2000, what: 'it' })))
    const late = vfs.delays.slice(-20)
    t.true(late.some((milliseconds) => milliseconds < 0.2))
    t.true(late.some((milliseconds) => milliseconds > 2))
  })

  test(`${name}: waitFor on an aborted signal makes no attempt`, async (t) => {
    const reason = new Error('changed my mind')
    const options = { vfs: new VirtualTime(), timeoutMs: 10, signal: AbortSignal.abort(reason), what: 'it' }
    const error = await t.throwsAsync(run(waitFor(() => t.fail('asked') as never, options)), { name: 'AbortError' })
    t.is((error as NodeJS.ErrnoException).code, 'ABORT_ERR')
    t.is(error.cause, reason)
  })

  test(`${name}: waitFor stops when the signal aborts while it waits`, async (t) => {
    const controller = new AbortController()
    let attempts = 0
    const attempt = () => {
      if (++attempts === 7) controller.abort()
      return false
    }
    const options = {
      vfs: new VirtualTime(),
      timeoutMs: Number.POSITIVE_INFINITY,
      signal: controller.signal,
      what: 'it',
    }
    await t.throwsAsync(run(waitFor(attempt, options)), { name: 'AbortError' })
    t.is(attempts, 7)
  })
}

test('the real vfs sleeps about as long as asked, in both forms, and an abort cuts the async one short', async (t) => {
  const vfs = new NodeVfs()
  const startMs = vfs.now()
  vfs.delaySync(20)
  t.true(vfs.now() - startMs >= 19)
  const middleMs = vfs.now()
  await vfs.delay(20)
  t.true(vfs.now() - middleMs >= 18)
  await t.throwsAsync(vfs.delay(3_600_000, AbortSignal.timeout(5)), { name: 'AbortError' })
  await t.throwsAsync(vfs.delay(0, AbortSignal.abort()), { name: 'AbortError' })
})

test('random numbers fill all 32 bits', (t) => {
  const vfs = new NodeVfs()
  let seen = 0
  for (let draw = 0; draw < 200; draw++) {
    const value = vfs.random32()
    t.true(Number.isInteger(value) && value >= 0 && value < 2 ** 32)
    seen |= value
  }
  t.is(seen, -1)
})
