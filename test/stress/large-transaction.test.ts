/**
 * Transactions far larger than memory should have to be (TXN-9), in a process of their own: private memory stays bounded,
 * readers beside them see the state before, and they commit, are undone, or end with their process as small ones do.
 * ENDMARK_LARGE_MB says how large.
 */
import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { OpenOptions } from '../../src/index.js'
import { type EndmarkProcess, startEndmark } from '../support/endmark-process.js'
import { temporaryPath } from '../support/open-database.js'
import { integrityCheck } from '../support/referee.js'
import { until } from '../support/until.js'
import { startWriter } from '../support/writer-process.js'
import {
  countOf,
  FIRST_ROWS,
  type Fill,
  fill,
  readBeside,
  rowOf,
  rowsFor,
  startRows,
  VALUE_BYTES,
  type Values,
} from './large-rows.js'

const SIZE_MB = Number(process.env.ENDMARK_LARGE_MB ?? 128)
const ROWS = rowsFor(SIZE_MB)
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
const FILL: Fill = { version: 2, rows: ROWS, valueBytes: VALUE_BYTES, failure: '', halfMark: '', isHeld: false }
/** Half of 128 MB takes a second or two; a busy machine has this much time, and more for more. */
const HALF_MS_MAX = 20_000 * Math.max(1, SIZE_MB / 128)

/** A process that will fill it, and a reader here. */
async function prepared(t: ExecutionContext, path: string, options: OpenOptions) {
  const filling = await startEndmark(t, path, { ...OPTIONS, ...options })
  return { filling, ...(await startRows(t, path, filling)) }
}

async function assertCommits(t: ExecutionContext, path: string, options: OpenOptions) {
  const { filling, db, map } = await prepared(t, path, options)
  const snapshot = db.snapshot()
  const filled = filling.call(fill, FILL)
  t.true((await readBeside(map, filled, FIRST_ROWS, FILL)) > 0)
  const memory = await filled
  const limit = DIRTY_LIMIT_BYTES * PAGE_FACTOR + HEAP_BYTES
  t.log(`${SIZE_MB} MB, ${Math.round(memory / 2 ** 20)} MB of memory of ${Math.round(limit / 2 ** 20)}`)
  t.true(memory < limit, `${memory} bytes of memory`)
  // Pages leave memory again and again, and take their own frames then.
  const { logFrames, pageCount } = db.stats()
  t.true(logFrames < pageCount * 1.4 + FIRST_ROWS.rows, `${logFrames} frames for ${pageCount} pages`)
  t.is(snapshot.count(map), FIRST_ROWS.rows, 'a snapshot from before')
  snapshot.close()
  t.is(countOf(map, FILL), ROWS)
  await filling.close()
  t.is(await integrityCheck(t, path), 'ok')
}

async function assertUnchanged(t: ExecutionContext, path: string, map: Values, process?: EndmarkProcess) {
  t.is(countOf(map, FIRST_ROWS), FIRST_ROWS.rows)
  await process?.close()
  await map.put(0, rowOf(0, FIRST_ROWS.version))
  t.is(countOf(map, FIRST_ROWS), FIRST_ROWS.rows)
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
  await until(() => existsSync(halfMark), 'half of it', HALF_MS_MAX)
  await filling.kill()
  await killed
  await assertUnchanged(t, path, map)
})
