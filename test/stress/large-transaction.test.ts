/**
 * Transactions far larger than memory should have to be (TXN-9), in a process of their own: private memory stays bounded,
 * readers beside them see the state before, and they commit, are undone, or end with their process as small ones do.
 * ENDMARK_LARGE_MB says how large.
 */
import { existsSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Database, OpenOptions, OrderedMap } from '../../src/index.js'
import { type EndmarkProcess, startEndmark } from '../support/endmark-process.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { until } from '../support/until.js'
import { startWriter } from '../support/writer-process.js'

const SIZE_MB = Number(process.env.ENDMARK_LARGE_MB ?? 128)
/** Four to a page. */
const VALUE_BYTES = 900
const ROWS = Math.ceil((SIZE_MB << 20) / VALUE_BYTES / 1024) * 1024
const DIRTY_LIMIT_BYTES = SIZE_MB << 16
/** What is known of each changed page takes up to as much again as the page. */
const PAGE_FACTOR = 2
/** For Node's own heap beside that, dead objects and arrays that wait for the collector included. */
const HEAP_BYTES = 104 << 20
const OPTIONS: OpenOptions = {
  dirtyLimit: DIRTY_LIMIT_BYTES,
  cacheLimit: 1 << 20,
  synchronous: 'normal',
  autoCheckpoint: 0,
}
const OLD_ROWS = 1000

type Values = OrderedMap<number, Uint8Array>

interface Fill {
  readonly version: number
  readonly rows: number
  readonly valueBytes: number
  /** Throws an error of this text at the end; empty: commits. */
  readonly failure: string
  /** A file that is created when half of it is done; empty: none. */
  readonly halfMark: string
}

const FILL: Fill = { version: 2, rows: ROWS, valueBytes: VALUE_BYTES, failure: '', halfMark: '' }

/** Puts all rows, at places all over the tree, in one transaction. @returns the most private memory that it took, in bytes */
const fill = async (db: Database, { version, rows, valueBytes, failure, halfMark }: Fill): Promise<number> => {
  const { readFileSync, writeFileSync } = process.getBuiltinModule('node:fs')
  const privateBytes = () => Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
  const map = (await db.map<number, Uint8Array>('m', { key: 'integer', value: 'blob' })) as OrderedMap<
    number,
    Uint8Array
  >
  const before = privateBytes()
  let most = 0
  const value = Buffer.alloc(valueBytes, version)
  await db.transaction((tx) => {
    for (let i = 0; i < rows; i++) {
      // A step that shares no factor with the number of rows, which is a multiple of 1024.
      const key = (i * 611_953) % rows
      value.writeUInt32LE(key, 0)
      tx.put(map, key, value)
      if (i % 512 === 0) most = Math.max(most, privateBytes())
      if (halfMark !== '' && i === rows >>> 1) writeFileSync(halfMark, '')
    }
    if (failure !== '') throw new Error(failure)
  })
  return most - before
}

/** How many rows there are; all of them must be of this version. */
function countOf(map: Values, version: number): number {
  let count = 0
  for (const [key, value] of map.entries()) {
    if (Buffer.from(value).readUInt32LE(0) !== key || value[value.length - 1] !== version) return -1
    count++
  }
  return count
}

/** A database with a few rows of version 1, a process that will fill it, and a reader here. */
async function prepared(t: ExecutionContext, path: string, options: OpenOptions) {
  const filling = await startEndmark(t, path, { ...OPTIONS, ...options })
  await filling.call(fill, { ...FILL, version: 1, rows: OLD_ROWS })
  const db = await openDatabase(t, path, { writer: 'inline' })
  return { filling, db, map: (await db.map('m')) as Values }
}

/** Reads the old state, again and again, until the work is done. @returns how many times */
async function readBeside(map: Values, work: Promise<unknown>): Promise<number> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  for (let reads = 0; ; reads++, await nextTurn()) {
    const count = map.count()
    // It commits before its promise is settled here.
    if (isDone || count === ROWS) return reads
    if (count !== OLD_ROWS || countOf(map, 1) !== OLD_ROWS) throw new Error(`${count} rows in the middle of it`)
  }
}

async function assertCommits(t: ExecutionContext, path: string, options: OpenOptions) {
  const { filling, db, map } = await prepared(t, path, options)
  const snapshot = db.snapshot()
  const filled = filling.call(fill, FILL)
  t.true((await readBeside(map, filled)) > 0)
  const memory = await filled
  const limit = DIRTY_LIMIT_BYTES * PAGE_FACTOR + HEAP_BYTES
  t.log(`${SIZE_MB} MB, ${Math.round(memory / 2 ** 20)} MB of memory of ${Math.round(limit / 2 ** 20)}`)
  t.true(memory < limit, `${memory} bytes of memory`)
  // Pages leave memory again and again, and take their own frames then.
  const { logFrames, pageCount } = db.stats()
  t.true(logFrames < pageCount * 1.4 + OLD_ROWS, `${logFrames} frames for ${pageCount} pages`)
  t.is(snapshot.count(map), OLD_ROWS, 'a snapshot from before')
  snapshot.close()
  t.is(countOf(map, 2), ROWS)
  await filling.close()
  t.is(await integrityCheck(t, path), 'ok')
}

async function assertUnchanged(t: ExecutionContext, path: string, map: Values, process?: EndmarkProcess) {
  t.is(countOf(map, 1), OLD_ROWS)
  await process?.close()
  await map.put(0, Buffer.alloc(VALUE_BYTES, 1).fill(0, 0, 4))
  t.is(countOf(map, 1), OLD_ROWS)
  t.is(await integrityCheck(t, path), 'ok')
}

test.serial('it commits, in bounded memory, beside readers', (t) =>
  assertCommits(t, temporaryPath(t), { writer: 'inline' }),
)

test.serial('it commits beside a writer process, which it keeps out meanwhile', async (t) => {
  const path = temporaryPath(t)
  await startWriter(t, path)
  await assertCommits(t, path, { writer: 'auto' })
})

test.serial('it is undone when its function throws', async (t) => {
  const path = temporaryPath(t)
  const { filling, map } = await prepared(t, path, { writer: 'inline' })
  await t.throwsAsync(filling.call(fill, { ...FILL, failure: 'on purpose' }), { message: 'on purpose' })
  await assertUnchanged(t, path, map, filling)
})

test.serial('it ends with its process', async (t) => {
  const path = temporaryPath(t)
  const { filling, map } = await prepared(t, path, { writer: 'inline' })
  const halfMark = `${path}-half`
  const killed = t.throwsAsync(filling.call(fill, { ...FILL, halfMark }), { message: /SIGKILL/ })
  await until(() => existsSync(halfMark), 'half of it')
  await filling.kill()
  await killed
  await assertUnchanged(t, path, map)
})
