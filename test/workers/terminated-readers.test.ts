/**
 * Threads that are ended in the midst of reading, or of opening, at any moment, harm nobody: their locks, read marks and
 * descriptors go, writers and checkpoints go on, and the database is whole. ENDMARK_TEST_FULL=1 ends a thousand threads,
 * else it is a thousand connections in fewer threads.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import type { Database, OpenOptions, OrderedMap } from '../../src/index.js'
import { ThreadGates } from '../../src/vfs/index.js'
import { moduleUrl } from '../support/module-url.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { type Random, seededRandom } from '../support/random.js'
import { integrityCheck } from '../support/referee.js'
import { until } from '../support/until.js'
import type { EndlessReaderData } from './endless-reader-main.js'
import type { MappingArgs } from './mapping-module.js'

const IS_FULL = process.env.ENDMARK_TEST_FULL === '1'
const THREADS = IS_FULL ? 1000 : 32
const CONNECTIONS = IS_FULL ? 1 : 32
const READER = new URL('./endless-reader-main.js', import.meta.url)
const EXITING = fileURLToPath(new URL('./exiting-pool-main.js', import.meta.url))
const INLINE: OpenOptions = { synchronous: 'off', writer: 'inline', autoCheckpoint: 40 }
const ROWS = 500

async function filled(t: ExecutionContext<unknown>) {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, INLINE)
  const map = await db.map<number, Uint8Array>('m', { key: 'integer', value: 'blob' })
  let version = 0
  const rewrite = async () => {
    version++
    const value = new Uint8Array(100).fill(version)
    await map.batch(Array.from({ length: ROWS }, (_, key) => ({ type: 'put', key, value })))
  }
  await rewrite()
  return { path, db, map, rewrite }
}

interface Held {
  readonly locks: number
  /** Those of them on READ(0) to READ(4). */
  readonly readLocks: number
  readonly files: readonly string[]
}

/** What the kernel knows of this database and this process: locks, open files. */
function heldBySystem(path: string): Held {
  const names = [path, `${path}-wal`, `${path}-shm`]
  const inodes = names.map((file) => `:${statSync(file).ino} `)
  const table = readFileSync('/proc/locks', 'utf8').split('\n')
  const locks = table.filter((line) => inodes.some((inode) => line.includes(inode)))
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return names.includes(file) ? [file] : []
    } catch {
      // The descriptor by which the folder was read.
      return []
    }
  })
  return {
    locks: locks.length,
    readLocks: locks.filter((line) => /12[3-7]$/.test(line) && line.includes(inodes[2]!)).length,
    files: files.sort(),
  }
}

/** The same once nobody reads: a thread lets go of what it has read at the end of its turn, which may come after its answer. */
async function heldAtRest(path: string): Promise<Held> {
  let held = heldBySystem(path)
  await until(() => {
    held = heldBySystem(path)
    return held.readLocks === 0
  }, 'the end of the turns with a read')
  return held
}

async function assertUnharmed(
  t: ExecutionContext<unknown>,
  { path, db, map }: { path: string; db: Database; map: OrderedMap<number, Uint8Array> },
): Promise<void> {
  t.is((await db.checkpoint({ mode: 'truncate' })).busy, 0, 'no reader is left')
  t.deepEqual(db.stats().readers, [])
  t.is(map.count(), ROWS)
  t.deepEqual((await db.check()).findings, [])
  await db.close()
  t.is(await integrityCheck(t, path), 'ok')
}

/** Ended as a pool ends its threads: not in the midst of loading an add-on, or of mapping by koffi. */
async function endOneThread(path: string, random: Random): Promise<void> {
  const data: EndlessReaderData = { path, connections: CONNECTIONS }
  const gates = new ThreadGates()
  const thread = new Worker(READER, { workerData: { ...data, ...gates.toWorkerData() } })
  gates.add(thread.threadId)
  const failed = once(thread, 'error').then(([error]) => Promise.reject(error))
  failed.catch(() => {})
  try {
    // One of eight is ended while it starts or opens.
    if (random.below(8) === 0) await Promise.race([failed, delay(random.below(60))])
    else await Promise.race([failed, once(thread, 'message').then(() => delay(random.below(5)))])
  } finally {
    gates.close()
    await thread.terminate()
  }
}

test.serial('a thousand readers that are ended in the midst of it', async (t) => {
  const random = seededRandom(t)
  const database = await filled(t)
  const { path, db, rewrite } = database
  const before = await heldAtRest(path)
  let started = 0
  const endThreads = async () => {
    while (started < THREADS) {
      started++
      await endOneThread(path, random)
      await rewrite()
      if (started % 8 === 0) await db.checkpoint()
    }
  }
  await Promise.all([endThreads(), endThreads()])
  t.deepEqual(await heldAtRest(path), before)
  await assertUnharmed(t, database)
})

test.serial('a pool whose threads are ended in the midst of a scan by one abort after the other', async (t) => {
  const database = await filled(t)
  const { path, db, map, rewrite } = database
  const pool = await db.pool({ threads: 2 })
  await pool.getMany(map, [1])
  const before = await heldAtRest(path)
  const endless = moduleUrl(`export default (entries, running, { store }) => {
    Atomics.add(running, 0, 1)
    for (;;) for (const [key, value] of store.entries()) if (value.length !== 100) throw key
  }`)
  for (let round = 0; round < 12; round++) {
    const running = new Int32Array(new SharedArrayBuffer(4))
    const controller = new AbortController()
    const scan = pool.scan(map, {}, endless, { args: running, parts: 2, signal: controller.signal })
    const ended = t.throwsAsync(scan, { name: 'AbortError' })
    await until(() => Atomics.load(running, 0) >= 2, 'both threads to read')
    await rewrite()
    controller.abort()
    await ended
  }
  t.is(pool.stats().restarts, 24)
  t.true((await pool.getMany(map, [1]))[0] !== undefined)
  const other = await pool.scan<number[]>(map, {}, moduleUrl('export default (entries) => [...entries].length'))
  t.is(
    other.reduce((a, b) => a + b),
    ROWS,
  )
  // Both threads are back, those before them have gone.
  const after = await heldAtRest(path)
  t.is(after.locks, before.locks)
  // Each of the three connections has one of the index, two of the main file and three of the log once it has mapped them.
  t.true(after.files.length <= 3 * (1 + 2 + 3), after.files.join('\n'))
  await pool.close()
  await assertUnharmed(t, database)
})

test.serial('a thread that is ended while others see its snapshot listed', async (t) => {
  const database = await filled(t)
  const { path, db, rewrite } = database
  const library = new URL('../../src/index.js', import.meta.url).href
  const source = `import(${JSON.stringify(library)}).then(async ({ open }) => {
    const db = await open(${JSON.stringify(path)}, { readOnly: true })
    globalThis.kept = db.snapshot({ label: 'kept by a thread' })
    setInterval(() => {}, 1000)
  })`
  const thread = new Worker(source, { eval: true })
  const labels = () => db.stats().readers.map(({ label }) => label)
  await until(() => labels().length > 0, 'its snapshot to be listed')
  t.deepEqual(labels(), ['kept by a thread'])
  await rewrite()
  await thread.terminate()
  t.deepEqual(labels(), [])
  await assertUnharmed(t, database)
})

test.serial('threads that are ended in the midst of mapping', async (t) => {
  const random = seededRandom(t)
  const database = await filled(t)
  const { path, db } = database
  const pool = await db.pool({ threads: 1 })
  const module = new URL('./mapping-module.js', import.meta.url)
  for (let round = 0; round < 12; round++) {
    const args: MappingArgs = { path, made: new Int32Array(new SharedArrayBuffer(4)) }
    const controller = new AbortController()
    const ended = t.throwsAsync(pool.run(module, args, { signal: controller.signal }), { name: 'AbortError' })
    const count = random.below(200)
    await until(() => Atomics.load(args.made, 0) >= count, 'some maps')
    // Without the gates this aborts the whole process, soon.
    controller.abort()
    await ended
  }
  await pool.close()
  await assertUnharmed(t, database)
})

for (const [how, end] of Object.entries<(child: ChildProcess) => void>({
  'process.exit': (child) => child.stdin!.end('exit'),
  SIGKILL: (child) => child.kill('SIGKILL'),
})) {
  test.serial(`a process that ends by ${how} while its pool reads`, async (t) => {
    const database = await filled(t)
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [EXITING, database.path], { stdio: ['pipe', 'pipe', 'inherit'] })
      t.teardown(() => child.kill('SIGKILL'))
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
      const exited = once(child, 'exit')
      end(child)
      t.deepEqual(await exited, how === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null])
      await database.rewrite()
    }
    await assertUnharmed(t, database)
  })
}
