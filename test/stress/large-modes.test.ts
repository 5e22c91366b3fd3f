/**
 * Transactions far larger than `dirtyLimit` in every mode (TXN-9): by the process itself, and beside a writer process, which
 * makes way for them, with each kind of sync. One that throws and one that is killed leave nothing, the next one commits, and a
 * writer process that is killed meanwhile takes nothing with it. Others read beside all that. How much memory it takes is a
 * matter of large-transaction.test.ts.
 */
import { existsSync, rmSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { Database as Sqlite } from 'better-sqlite3'
import type { Database, OpenOptions } from '../../src/index.js'
import { useWriter } from '../support/commit-modes.js'
import { type EndmarkProcess, startEndmark } from '../support/endmark-process.js'
import { temporaryPath } from '../support/open-database.js'
import { askSqlite, integrityCheck } from '../support/referee.js'
import { until } from '../support/until.js'
import { killWriter, startWriter } from '../support/writer-process.js'
import {
  countOf,
  FIRST_ROWS,
  type Fill,
  fill,
  type Rows,
  readBeside,
  rowsFor,
  startRows,
  VALUE_BYTES,
  type Values,
} from './large-rows.js'

const ROWS = rowsFor(30)
const SECOND_ROWS: Rows = { version: 2, rows: ROWS }
const THIRD_ROWS: Rows = { version: 3, rows: ROWS }
const OPTIONS: OpenOptions = { dirtyLimit: 1 << 20, cacheLimit: 1 << 20, autoCheckpoint: 0 }
const TEST_MS_MAX = 180_000
/** Half of one takes less than a second where nobody else is at work. */
const HALF_MS_MAX = 60_000

interface Scene {
  readonly path: string
  readonly options: OpenOptions
  readonly db: Database
  readonly map: Values
}

for (const synchronous of ['full', 'off'] as const) {
  test.serial(`by the process itself, ${synchronous}: thrown, killed, committed`, async (t) => {
    t.timeout(TEST_MS_MAX)
    const { scene, filling } = await prepared(t, temporaryPath(t), { ...OPTIONS, writer: 'inline', synchronous })
    await assertThrown(t, scene, filling)
    await assertKilled(t, scene, filling)
    await assertCommitted(t, scene, await startFilling(t, scene), FIRST_ROWS, SECOND_ROWS)
    await assertSqliteAgrees(t, scene, SECOND_ROWS)
  })
}

for (const synchronous of ['off', 'full', 'extra'] as const) {
  test.serial(`beside a writer process, ${synchronous}: thrown, killed, committed, the writer killed`, async (t) => {
    t.timeout(TEST_MS_MAX)
    const path = temporaryPath(t)
    const writer = await startWriter(t, path)
    const { scene, filling } = await prepared(t, path, { ...OPTIONS, writer: 'auto', synchronous })
    await assertThrown(t, scene, filling)
    await assertKilled(t, scene, filling)
    const another = await startFilling(t, scene)
    await assertCommitted(t, scene, another, FIRST_ROWS, SECOND_ROWS)
    await another.call(useWriter)
    await assertCommitted(t, scene, another, SECOND_ROWS, THIRD_ROWS, () => killWriter(writer))
    await assertSqliteAgrees(t, scene, THIRD_ROWS)
  })
}

async function prepared(t: ExecutionContext, path: string, options: OpenOptions) {
  const filling = await startEndmark(t, path, options)
  const scene: Scene = { path, options, ...(await startRows(t, path, filling)) }
  if (options.writer === 'auto') await filling.call(useWriter)
  return { scene, filling }
}

/** Another process that fills it; with a writer process, one that commits through that. */
async function startFilling(t: ExecutionContext, { path, options }: Scene): Promise<EndmarkProcess> {
  const filling = await startEndmark(t, path, options)
  if (options.writer === 'auto') await filling.call(useWriter)
  return filling
}

function fillOf(rows: Rows, more: Partial<Fill> = {}): Fill {
  return { ...rows, valueBytes: VALUE_BYTES, failure: '', halfMark: '', isHeld: false, ...more }
}

async function assertThrown(t: ExecutionContext, { db, map }: Scene, filling: EndmarkProcess): Promise<void> {
  const thrown = t.throwsAsync(filling.call(fill, fillOf(SECOND_ROWS, { failure: 'on purpose' })), {
    message: 'on purpose',
  })
  t.true((await readBeside(map, thrown, FIRST_ROWS, FIRST_ROWS)) > 0)
  await thrown
  await assertIs(t, db, map, FIRST_ROWS)
}

async function assertKilled(t: ExecutionContext, scene: Scene, filling: EndmarkProcess): Promise<void> {
  const { path, db, map } = scene
  const halfMark = `${path}-half`
  const work = filling.call(fill, fillOf(SECOND_ROWS, { halfMark, isHeld: true }))
  const killed = t.throwsAsync(work, { message: /SIGKILL/ })
  const reads = readBeside(map, killed, FIRST_ROWS, FIRST_ROWS)
  await until(() => existsSync(halfMark), 'half of it', HALF_MS_MAX)
  await filling.kill()
  await killed
  t.true((await reads) > 0)
  await assertIs(t, db, map, FIRST_ROWS)
}

/** @param atHalf what happens when half of it is done */
async function assertCommitted(
  t: ExecutionContext,
  { path, db, map }: Scene,
  filling: EndmarkProcess,
  before: Rows,
  after: Rows,
  atHalf: () => Promise<void> = async () => {},
): Promise<void> {
  const halfMark = `${path}-half-of-${after.version}`
  const snapshot = db.snapshot()
  const filled = filling.call(fill, fillOf(after, { halfMark, isHeld: true }))
  const reads = readBeside(map, filled, before, after)
  await until(() => existsSync(halfMark), 'half of it', HALF_MS_MAX)
  await atHalf()
  rmSync(halfMark)
  await filled
  t.true((await reads) > 0)
  t.is(snapshot.count(map), before.rows, 'a snapshot from before')
  snapshot.close()
  await assertIs(t, db, map, after)
}

async function assertIs(t: ExecutionContext, db: Database, map: Values, rows: Rows): Promise<void> {
  t.is(countOf(map, rows), rows.rows)
  t.deepEqual(await db.check(), { ok: true, findings: [] })
}

async function assertSqliteAgrees(t: ExecutionContext, { path }: Scene, { version, rows }: Rows): Promise<void> {
  t.is(await integrityCheck(t, path), 'ok')
  t.deepEqual(await askSqlite(t, path, countRows, `${version}`.padStart(2, '0').repeat(VALUE_BYTES - 4)), [rows, rows])
}

/** In the SQLite process: how many rows, and how many of them end in these bytes. */
const countRows = (db: Sqlite, hex: string): unknown[] =>
  db.prepare('SELECT count(*), sum(substr(value, 5) = unhex(?)) FROM m').raw().get(hex) as unknown[]
