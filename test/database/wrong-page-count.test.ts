/**
 * A wal-index and a log that say wrongly how long the database is. A checkpoint once believed them: it made the main file four
 * terabytes long, or cut off what was in use.
 */
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { endianness } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { type Database, open } from '../../src/index.js'
import { sealLog } from '../../tools/fuzz/log-damage.js'
import { sealIndexHeader } from '../../tools/fuzz/shm-damage.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'

const PAGE_COUNT_OFFSET = 20
const FRAME_SIZE = 24 + 4096
const HEADER_SIZE = 32

async function withLog(t: ExecutionContext<unknown>): Promise<{ path: string; db: Database }> {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path, { autoCheckpoint: 0, writer: 'inline' })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  await db.checkpoint({ mode: 'truncate' })
  for (let key = 0; key < 20; key++) await map.put(key, 'x'.repeat(1000))
  return { path, db }
}

/** Says so in the wal-index, as a writer that has gone mad would. @returns what stood there */
function publishPageCount(path: string, pageCount: number): Buffer {
  const sound = readFileSync(`${path}-shm`)
  const damaged = Buffer.from(sound)
  if (endianness() === 'BE') damaged.writeUInt32BE(pageCount, PAGE_COUNT_OFFSET)
  else damaged.writeUInt32LE(pageCount, PAGE_COUNT_OFFSET)
  sealIndexHeader(damaged)
  writeFileSync(`${path}-shm`, damaged, { flag: 'r+' })
  return sound
}

function writeCommitMarks(log: Buffer, pageCount: number): void {
  for (let at = HEADER_SIZE; at + FRAME_SIZE <= log.length; at += FRAME_SIZE) {
    if (log.readUInt32BE(at + 4) > 0) log.writeUInt32BE(pageCount, at + 4)
  }
}

for (const [what, pageCount] of [
  ['longer', 1_000_000_000],
  ['shorter', 1],
] as const) {
  test(`a wal-index that makes the database ${what} than its log does is damage, and nothing is copied`, async (t) => {
    const { path, db } = await withLog(t)
    const size = statSync(path).size
    const sound = publishPageCount(path, pageCount)
    for (const mode of ['passive', 'truncate'] as const) {
      await rejects(t, db.checkpoint({ mode }), 'ENDMARK_CORRUPT', /the wal-index is damaged/)
    }
    t.is(statSync(path).size, size)
    writeFileSync(`${path}-shm`, sound, { flag: 'r+' })
    t.like(await db.checkpoint({ mode: 'full' }), { busy: 0 })
  })
}

test('a wal-index and a log that agree on a database longer than both can hold are damage', async (t) => {
  const { path, db } = await withLog(t)
  const size = statSync(path).size
  const sound = [publishPageCount(path, 1_000_000_000), readFileSync(`${path}-wal`)] as const
  const log = Buffer.from(sound[1])
  writeCommitMarks(log, 1_000_000_000)
  writeFileSync(`${path}-wal`, log, { flag: 'r+' })
  await rejects(t, db.checkpoint({ mode: 'passive' }), 'ENDMARK_CORRUPT', /pages long, where no more than \d+ can be/)
  const map = await db.map<number, string>('m')
  await rejects(t, map.put(1, 'x'), 'ENDMARK_CORRUPT', /claims 1000000000 pages/)
  t.is(statSync(path).size, size)
  writeFileSync(`${path}-shm`, sound[0], { flag: 'r+' })
  writeFileSync(`${path}-wal`, sound[1], { flag: 'r+' })
})

test('a log that makes the database longer than main file and log together is damage, and nothing is copied', async (t) => {
  const { path } = await withLog(t)
  const other = temporaryPath(t)
  copyFileSync(path, other)
  const log = readFileSync(`${path}-wal`)
  writeCommitMarks(log, 1_000_000_000)
  sealLog(log)
  writeFileSync(`${other}-wal`, log)
  const size = statSync(other).size
  await rejects(t, open(other), 'ENDMARK_CORRUPT', /claims 1000000000 pages, where no more than \d+ can be/)
  const db = await openDatabase(t, other, { readOnly: true })
  const map = await db.map<number, string>('m')
  t.is(map.get(1)?.length, 1000)
  await db.close()
  t.is(statSync(other).size, size)
})

test('a file header that makes the database longer than the file is damage, and nothing is written', async (t) => {
  const { path, db } = await withLog(t)
  await db.close()
  const bytes = readFileSync(path)
  bytes.writeUInt32BE(1_000_000_000, 28)
  writeFileSync(path, bytes)
  await rejects(t, open(path), 'ENDMARK_CORRUPT', /claims 1000000000 pages/)
  const reading = await openDatabase(t, path, { readOnly: true })
  t.is((await reading.map<number, string>('m')).get(1)?.length, 1000)
  await reading.close()
  t.deepEqual(readFileSync(path), bytes)
})
