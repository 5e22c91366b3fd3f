/** What goes wrong in a thread of a pool reaches its caller, as it was, and nobody else; and nobody waits in vain. */
import { execFile } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type Database, EndmarkError, type OpenOptions, type ReaderPool } from '../../src/index.js'
import { moduleUrl } from '../support/module-url.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { until } from '../support/until.js'

const INLINE: OpenOptions = { synchronous: 'off', writer: 'inline' }
const ENDLESS = moduleUrl('export default () => { for (;;); }')
const ECHO = moduleUrl('export default (snapshot, args) => args')
const ECHO_COUNT = moduleUrl('export default (entries) => [...entries].length')
const FAILING = new URL('./failing-module.js', import.meta.url)

async function setUp(t: ExecutionContext<unknown>, threads = 1) {
  const db = await openDatabase(t, temporaryPath(t), INLINE)
  const map = await db.map<number, number>('m', { key: 'integer', value: 'integer' })
  await map.batch(Array.from({ length: 3000 }, (_, key) => ({ type: 'put', key, value: key })))
  const pool = await db.pool({ threads })
  t.teardown(() => pool.close())
  return { db, map, pool }
}

async function abortError(t: ExecutionContext<unknown>, call: Promise<unknown>, cause: unknown): Promise<void> {
  const error = await t.throwsAsync(call, { name: 'AbortError', code: 'ABORT_ERR' })
  t.is(error.cause, cause)
}

test.serial('an error has the class, message, stack, code, fields and cause that it had in the thread', async (t) => {
  const { pool } = await setUp(t)
  const error = await t.throwsAsync(pool.run(FAILING, 'range'), { instanceOf: RangeError, message: 'too far' })
  t.regex(error.stack ?? '', /throwRange.*failing-module/s)
  t.like(error, { code: 'E_FAR', distance: 7n })
  const cause = error.cause as Error
  t.true(cause instanceof TypeError)
  t.regex(cause.stack ?? '', /innerCause.*failing-module/s)
  t.is(cause.cause, 'text')
  const own = await t.throwsAsync(pool.run(FAILING, 'own'), { instanceOf: Error, name: 'OwnError', message: 'own' })
  t.is(own.cause, undefined)
  const many = await t.throwsAsync(pool.run(FAILING, 'many'), { instanceOf: AggregateError, message: 'many' })
  t.deepEqual(
    many.errors.map(({ message }) => message),
    ['one', 'two'],
  )
  const ring = await t.throwsAsync(pool.run(FAILING, 'ring'), { message: 'ring' })
  t.is((ring.cause as Error).message, 'ring')
  t.is(await pool.run(FAILING, 'value').catch((thrown) => thrown.a), 1)
  t.is(await pool.run(FAILING, 'uncloneable value').catch((thrown) => typeof thrown), 'string')
  t.is(pool.stats().restarts, 0)
})

/** It took the thread's own failure for the thread's end: ENDMARK_IO, though the thread went on. */
test.serial('what cannot be read of a thing that was thrown is an error that says so', async (t) => {
  const { pool } = await setUp(t)
  for (const how of ['getter', 'no text']) {
    const error = await t.throwsAsync(pool.run(FAILING, how), { instanceOf: Error, message: /cannot be read/ })
    t.false(error instanceof EndmarkError)
  }
  t.is(pool.stats().restarts, 0)
  t.is(pool.stats().failure, null)
})

test.serial('an EndmarkError keeps its code', async (t) => {
  const { db, map, pool } = await setUp(t)
  const error = await rejects(t, pool.run(FAILING, 'endmark'), 'ENDMARK_NOT_FOUND', /there is no store "missing"/)
  t.regex(error.stack ?? '', /failing-module/)
  await rejects(t, pool.getMany(map, ['text' as unknown as number]), 'ENDMARK_INVALID_ARGUMENT', /key/)
  const other = await db.map<number, number>('other', { key: 'integer', value: 'integer' })
  const snapshot = db.snapshot()
  await db.dropStore('other')
  await rejects(t, pool.getMany(other, [1]), 'ENDMARK_NOT_FOUND')
  t.deepEqual(await pool.getMany(other, [1], { snapshot }), [undefined])
})

test.serial(
  'a module that is missing, exports no function, or is no URL is refused, and so are wrong arguments',
  async (t) => {
    const { db, map, pool } = await setUp(t)
    await t.throwsAsync(pool.run('/missing/module.js'), { code: 'ERR_MODULE_NOT_FOUND' })
    await rejects(
      t,
      pool.run(moduleUrl('export const a = 1')),
      'ENDMARK_INVALID_ARGUMENT',
      /no function as its default/,
    )
    await rejects(t, pool.run('./relative.js'), 'ENDMARK_INVALID_ARGUMENT', /absolute path/)
    await rejects(t, pool.run(7 as unknown as string), 'ENDMARK_INVALID_ARGUMENT', /module/)
    await rejects(t, pool.run(ECHO, null, { parts: 1 } as object), 'ENDMARK_INVALID_ARGUMENT', /parts/)
    await rejects(t, pool.run(ECHO, null, { signal: 1 } as object), 'ENDMARK_INVALID_ARGUMENT', /signal/)
    await rejects(t, pool.scan(map, {}, ECHO, { parts: 0 }), 'ENDMARK_INVALID_ARGUMENT', /parts/)
    await rejects(t, pool.scan(map, { from: 1 } as object, ECHO), 'ENDMARK_INVALID_ARGUMENT', /from/)
    await rejects(t, pool.getMany(map, 1 as unknown as number[]), 'ENDMARK_INVALID_ARGUMENT', /keys/)
    await rejects(t, pool.getMany({} as typeof map, [1]), 'ENDMARK_INVALID_ARGUMENT', /map or a table/)
    for (const threads of [0, 1.5, -1, 1000, '2' as unknown as number]) {
      await rejects(t, db.pool({ threads }), 'ENDMARK_INVALID_ARGUMENT', /threads/)
    }
    await rejects(t, db.pool({ thread: 2 } as object), 'ENDMARK_INVALID_ARGUMENT', /thread/)
    const uncloneable = { fn: () => {} }
    await rejects(t, pool.run(ECHO, uncloneable), 'ENDMARK_INVALID_ARGUMENT', /copied/)
    await rejects(t, pool.run(moduleUrl('export default () => () => {}')), 'ENDMARK_INVALID_ARGUMENT', /copied/)
    t.is(await pool.run(ECHO, 'and it goes on'), 'and it goes on')
  },
)

test.serial('an abort ends a call that waits, and one that runs, whatever it is doing', async (t) => {
  const { map, pool } = await setUp(t)
  const [running, waiting, reading] = [new AbortController(), new AbortController(), new AbortController()]
  const calls = [
    abortError(t, pool.run(ENDLESS, null, { signal: running.signal }), 'enough'),
    abortError(t, pool.run(ECHO, 1, { signal: waiting.signal }), 'never began'),
    abortError(t, pool.getMany(map, [1], { signal: reading.signal }), 'not needed'),
  ]
  const after = pool.run(ECHO, 2)
  t.like(pool.stats(), { threads: 1, running: 1, waiting: 3 })
  waiting.abort('never began')
  await calls[1]
  t.like(pool.stats(), { running: 1, waiting: 2 })
  reading.abort('not needed')
  await calls[2]
  running.abort('enough')
  await calls[0]
  t.is(await after, 2)
  t.like(pool.stats(), { running: 0, waiting: 0, restarts: 1, failure: null })
  const aborted = AbortSignal.abort('before')
  await abortError(t, pool.run(ECHO, 1, { signal: aborted }), 'before')
  await abortError(t, pool.getMany(map, [1], { signal: aborted }), 'before')
  await abortError(t, pool.scan(map, {}, ECHO, { signal: aborted }), 'before')
})

test.serial('an abort of a scan ends all its parts, and lets its state go', async (t) => {
  const { db, map, pool } = await setUp(t, 2)
  const controller = new AbortController()
  const scan = pool.scan(map, {}, ENDLESS, { signal: controller.signal, parts: 5 })
  t.like(pool.stats(), { running: 2, waiting: 0 })
  await map.put(1, 0)
  controller.abort('enough')
  await abortError(t, scan, 'enough')
  t.is(db.stats().openSnapshots, 0)
  t.is(await pool.run(ECHO, 3), 3)
  t.is((await db.checkpoint({ mode: 'truncate' })).busy, 0)
})

test.serial('after the first failure no further part of a scan begins', async (t) => {
  const { db, map, pool } = await setUp(t)
  const module = moduleUrl(`let begun = 0
    export default (entries, args, { index }) => {
      if (args === 'count') return begun
      begun++
      if (index === 1) throw new Error('part 1')
    }`)
  await t.throwsAsync(pool.scan(map, {}, module, { parts: 4 }), { message: 'part 1' })
  t.deepEqual(await pool.scan(map, {}, module, { parts: 1, args: 'count' }), [2])
  t.is(db.stats().openSnapshots, 0)
})

/** Looks from turn to turn: what is thrown there is nobody's answer. */
const THROWS_WHEN_TOLD = `export default (_, isAnswered) => {
  const look = () => {
    if (Atomics.load(isAnswered, 0) === 1) throw new Error('left behind')
    setTimeout(look, 1)
  }
  look()
}`

test.serial('a thread that ends by itself fails its own call only, and is replaced', async (t) => {
  const { map, pool } = await setUp(t)
  const exits = pool.run(moduleUrl('export default () => process.exit(3)'))
  const next = pool.run(ECHO, 'next')
  await rejects(t, exits, 'ENDMARK_IO', /has ended before its answer/)
  t.is(await next, 'next')
  t.is(pool.stats().restarts, 1)
  t.regex(String(pool.stats().failure), /exited with code: 3/)
  // Between two calls, when nobody waits for it.
  const isAnswered = new Int32Array(new SharedArrayBuffer(4))
  await pool.run(moduleUrl(THROWS_WHEN_TOLD), isAnswered)
  Atomics.store(isAnswered, 0, 1)
  await until(() => pool.stats().restarts === 2)
  t.regex(String(pool.stats().failure), /left behind/)
  t.deepEqual(await pool.getMany(map, [5]), [5])
})

test.serial(
  'callers wait in the order in which they came, and no more is handed over than there are threads',
  async (t) => {
    const { db, map, pool } = await setUp(t)
    const order: number[] = []
    const read = async (key: number) => void order.push((await pool.getMany(map, [key]))[0]!)
    const calls = Array.from({ length: 200 }, (_, key) => read(key))
    t.like(pool.stats(), { running: 1, waiting: 199 })
    await Promise.all(calls)
    t.deepEqual(order, [...order.keys()])
    t.like(pool.stats(), { running: 0, waiting: 0, completed: 200 })
    const two = await db.pool({ threads: 2 })
    const scan = two.scan<number[]>(map, {}, ECHO_COUNT, { parts: 50 })
    const value = two.getMany(map, [7])
    t.like(two.stats(), { threads: 2, running: 2, waiting: 1 }, 'the parts of a scan do not crowd out others')
    t.deepEqual(await value, [7])
    t.is((await scan).length, two.stats().completed - 1)
  },
)

test.serial(
  'closing a pool rejects what is not done, and so does closing the Database, which closes its pools first',
  async (t) => {
    const { db, map, pool } = await setUp(t)
    const second = await db.pool({ threads: 1 })
    const calls = [
      rejects(t, pool.run(ENDLESS), 'ENDMARK_CLOSED'),
      rejects(t, pool.run(ECHO), 'ENDMARK_CLOSED'),
      rejects(t, pool.scan(map, {}, ECHO, { parts: 3 }), 'ENDMARK_CLOSED'),
    ]
    t.is(pool.close(), pool.close())
    await pool.close()
    await Promise.all(calls)
    await rejects(t, pool.getMany(map, [1]), 'ENDMARK_CLOSED')
    const aborted = new AbortController()
    const later = [
      t.throwsAsync(second.run(ENDLESS, null, { signal: aborted.signal }), { name: 'AbortError' }),
      rejects(t, second.run(ECHO), 'ENDMARK_CLOSED'),
    ]
    const opening = db.pool({ threads: 1 })
    aborted.abort()
    await db.close()
    await Promise.all(later)
    await rejects(t, (await opening).run(ECHO), 'ENDMARK_CLOSED')
    t.false(existsSync(`${db.path}-wal`), 'no thread had the files open any more')
    await rejects(t, second.run(ECHO), 'ENDMARK_CLOSED')
    await rejects(t, db.pool(), 'ENDMARK_CLOSED')
  },
)

test.serial('a pool whose threads cannot open the database is not opened', async (t) => {
  const { db } = await setUp(t)
  const error: unknown = await withFileMoved(db, () => db.pool({ threads: 2 }).catch((reason) => reason))
  t.true(error instanceof EndmarkError)
  t.is((error as EndmarkError).code, 'ENDMARK_NOT_FOUND')
})

async function withFileMoved<Result>(db: Database, work: () => Promise<Result>): Promise<Result> {
  renameSync(db.path, `${db.path}-away`)
  try {
    return await work()
  } finally {
    renameSync(`${db.path}-away`, db.path)
  }
}

test.serial('a pool ends with `await using`', async (t) => {
  const { db } = await setUp(t)
  const pool: ReaderPool = await db.pool({ threads: 1 })
  await pool[Symbol.asyncDispose]()
  await rejects(t, pool.run(ECHO), 'ENDMARK_CLOSED')
})

test.serial('a pool that does nothing keeps no process alive', async (t) => {
  const { db } = await setUp(t)
  const program = fileURLToPath(new URL('./idle-pool-main.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program, db.path], { timeout: 30_000 })
  t.is(stdout, '[1]')
})

test.serial('a process that was started with options of V8, from text, has its pool', async (t) => {
  const { db } = await setUp(t)
  const index = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)
  const text = `import { open } from ${index}
    const db = await open(process.argv[1], { writer: 'inline' })
    const pool = await db.pool({ threads: 1 })
    console.log(pool.stats().threads)
    await db.close()`
  const options = ['--max-old-space-size=512', '--expose-gc', '--input-type=module', '-e', text]
  const { stdout } = await promisify(execFile)(process.execPath, [...options, db.path])
  t.is(stdout, '1\n')
})
