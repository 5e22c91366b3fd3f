/** `db.check()` as its callers see it: what it reports, where, and how it behaves beside other work. */
import { readFileSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type Database, EndmarkError, open } from '../../src/index.js'
import { openDatabase, temporaryPath } from '../support/open-database.js'
import { fillLog, SOUND_PAGE_SIZE, soundBytes } from '../support/sound-database.js'

/** A file with this change, opened for reading. */
async function damaged(
  t: ExecutionContext<unknown>,
  change: (bytes: Buffer) => void,
): Promise<{ readonly db: Database; readonly path: string }> {
  const path = temporaryPath(t)
  const bytes = Buffer.from(await soundBytes())
  change(bytes)
  writeFileSync(path, bytes)
  return { db: await openDatabase(t, path, { readOnly: true }), path }
}

/** A database with a log that has not been copied, and nothing wrong with it. */
async function withLog(t: ExecutionContext<unknown>): Promise<{ readonly db: Database; readonly path: string }> {
  const path = temporaryPath(t)
  writeFileSync(path, await soundBytes())
  const db = await openDatabase(t, path, { autoCheckpoint: 0 })
  await fillLog(db)
  return { db, path }
}

test('a sound database is found sound, with and without a log', async (t) => {
  const { db } = await withLog(t)
  t.deepEqual(await db.check(), { ok: true, findings: [] })
  await db.checkpoint({ mode: 'truncate' })
  t.deepEqual(await db.check(), { ok: true, findings: [] })
})

test('a new database without any store is sound', async (t) => {
  const db = await openDatabase(t, temporaryPath(t))
  t.true((await db.check()).ok)
})

test('a finding names the file, the page and the offset in the file', async (t) => {
  const at = SOUND_PAGE_SIZE
  const { db, path } = await damaged(t, (bytes) => bytes.fill(77, at, at + 1))
  const { ok, findings } = await db.check()
  t.false(ok)
  t.deepEqual(findings[0], { file: path, page: 2, offset: at, what: '77 is not a kind of b-tree page' })
})

test('a page that the log has is reported as a place in the log', async (t) => {
  const { db, path } = await withLog(t)
  const frames = db.stats().logFrames
  const log = readFileSync(`${path}-wal`)
  const pageStart = 32 + (frames - 1) * (24 + SOUND_PAGE_SIZE) + 24
  const page = log.readUInt32BE(pageStart - 24)
  log[pageStart] = 77
  writeFileSync(`${path}-wal`, log)
  const { findings } = await db.check()
  t.true(findings.some((found) => found.file === `${path}-wal` && found.page === page && found.offset === pageStart))
  const lastFrame = findings.find(({ what }) => what.includes(`frame ${frames} does not verify`))
  t.is(lastFrame?.offset, pageStart - 24)
})

test('a wal-index that does not agree with the log is found', async (t) => {
  const { db, path } = await withLog(t)
  const shm = readFileSync(`${path}-shm`)
  const hashOffset = 16_384
  shm.fill(0, hashOffset, 32_768)
  writeFileSync(`${path}-shm`, shm, { flag: 'r+' })
  const { ok, findings } = await db.check({ limit: 3 })
  t.false(ok)
  t.is(findings.length, 3)
  t.is(findings[0]?.file, `${path}-shm`)
  t.regex(findings[0]?.what ?? '', /the hash does not lead from page \d+ to frame 1/)
})

test('a page count that the file cannot hold is a finding, and takes no memory for it', async (t) => {
  const { db } = await damaged(t, (bytes) => bytes.writeUInt32BE(0xfffffff0, 28))
  const { findings } = await db.check()
  t.regex(findings[0]?.what ?? '', /4294967280 pages, of which the files hold \d+ at most/)
})

test('a file that ends early is found to end early', async (t) => {
  const path = temporaryPath(t)
  const bytes = await soundBytes()
  writeFileSync(path, bytes.subarray(0, bytes.length - 10 * SOUND_PAGE_SIZE))
  const db = await openDatabase(t, path, { readOnly: true })
  t.false((await db.check()).ok)
})

test('a check is consistent in itself while others write', async (t) => {
  const { db, path } = await withLog(t)
  const other = await openDatabase(t, path, { autoCheckpoint: 20, synchronous: 'off' })
  const map = await other.map<string, string>('map')
  let isWriting = true
  const writing = (async () => {
    for (let i = 0; isWriting; i++) await map.put(`late ${i % 500}`, 'x'.repeat(i % 900))
  })()
  for (let i = 0; i < 20; i++) t.deepEqual((await db.check()).findings, [])
  isWriting = false
  await writing
})

test('a check gives other work its turn, and tells how far it is', async (t) => {
  const db = await openDatabase(t, temporaryPath(t), { synchronous: 'off' })
  const map = await db.map<number, string>('many', { key: 'integer', value: 'text' })
  await db.transaction((tx) => {
    for (let i = 0; i < 60_000; i++) tx.put(map, i, `value ${i}`.repeat(5))
  })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const remaining: number[] = []
  const { ok } = await db.check({ progress: ({ remainingPages }) => remaining.push(remainingPages) })
  clearInterval(timer)
  t.true(ok)
  t.true(turns >= 2, `${turns} turns`)
  t.true(remaining.length > 2)
  t.deepEqual(
    remaining,
    remaining.toSorted((a, b) => b - a),
  )
  t.is(remaining.at(-1), 0)
})

test('a check ends when it is aborted, and when the database is closed', async (t) => {
  const path = temporaryPath(t)
  const db = await open(path, { synchronous: 'off' })
  const map = await db.map<number, string>('many', { key: 'integer', value: 'text' })
  await db.transaction((tx) => {
    for (let i = 0; i < 30_000; i++) tx.put(map, i, `value ${i}`.repeat(5))
  })
  await t.throwsAsync(db.check({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  const controller = new AbortController()
  const aborted = db.check({ signal: controller.signal, progress: () => controller.abort() })
  await t.throwsAsync(aborted, { name: 'AbortError' })
  t.is(db.stats().openSnapshots, 0)
  const cut = t.throwsAsync(db.check(), { instanceOf: EndmarkError, code: 'ENDMARK_CLOSED' })
  await db.close()
  await cut
  await t.throwsAsync(db.check(), { code: 'ENDMARK_CLOSED' })
})

test('options of a check that mean nothing are refused', async (t) => {
  const db = await openDatabase(t, temporaryPath(t))
  await t.throwsAsync(db.check({ limit: 0 }), { code: 'ENDMARK_INVALID_ARGUMENT' })
  await t.throwsAsync(db.check({ progress: 1 as never }), { code: 'ENDMARK_INVALID_ARGUMENT' })
})
