/**
 * A main file whose page 1 is damaged while the log has a newer one is a sound database, for SQLite and for us: page 1 of the
 * log is what everybody reads. Once, opening it was refused, and with it all that was committed.
 */
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FILE_HEADER_OFFSETS, FILE_HEADER_SIZE, frameOffset, WAL_HEADER_SIZE } from '../../src/format/index.js'
import { open } from '../../src/index.js'
import { frameNumber } from '../../src/units.js'
import { readLogFile } from '../support/independent-wal-reader.js'
import { Random } from '../support/random.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const PAGE_SIZE = 4096
const { pageSize, readVersion, writeVersion, reservedBytes, maxFraction, textEncoding, largestRoot } =
  FILE_HEADER_OFFSETS

type Damage = (bytes: Buffer) => void

const DAMAGES: Readonly<Record<string, Damage>> = {
  'no magic': (bytes) => bytes.write('not at all', 0),
  'an impossible page size': (bytes) => bytes.writeUInt16BE(1000, pageSize),
  'other fractions': (bytes) => bytes.writeUInt8(0, maxFraction),
  'versions of a rollback journal': (bytes) => bytes.fill(1, writeVersion, readVersion + 1),
  'versions of the future': (bytes) => bytes.fill(9, writeVersion, readVersion + 1),
  'UTF-16 text': (bytes) => bytes.writeUInt32BE(2, textEncoding),
  'auto-vacuum': (bytes) => bytes.writeUInt32BE(3, largestRoot),
  'a header of zeros': (bytes) => bytes.fill(0, 0, FILE_HEADER_SIZE),
  'a page of noise': (bytes) => Buffer.from(new Random(1).bytes(PAGE_SIZE)).copy(bytes),
}

/** A database as a crash leaves it, with entries 1 and 2 in the main file, and the rest in the log. */
async function crashed(t: ExecutionContext, { hasPageOne }: { readonly hasPageOne: boolean }): Promise<string> {
  const folder = temporaryFolder(t)
  const path = join(folder, 'live.db')
  const db = await open(path, { autoCheckpoint: 0, writer: 'inline', pageSize: PAGE_SIZE })
  const entries = await db.map<number, string>('entries', { key: 'integer', value: 'text' })
  await entries.batch([1, 2].map((key) => ({ type: 'put' as const, key, value: `${key}` })))
  await db.checkpoint({ mode: 'truncate' })
  await entries.put(3, 'three')
  if (hasPageOne) await db.map('others', { key: 'integer', value: 'text' })
  await entries.put(4, 'four')
  const copy = join(folder, 'app.db')
  for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
  await db.close()
  return copy
}

function damage(path: string, change: Damage): void {
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
}

const ENTRIES = [
  [1, '1'],
  [2, '2'],
  [3, 'three'],
  [4, 'four'],
] as const

function assertSoundForSqlite(t: ExecutionContext, path: string): void {
  const found = sqliteNow(path, (db) => ({
    integrity: db.pragma('integrity_check', { simple: true }),
    entries: db.prepare('SELECT * FROM entries').raw().all(),
  }))
  t.deepEqual(found as unknown, { integrity: 'ok', entries: ENTRIES })
}

for (const [what, change] of Object.entries(DAMAGES)) {
  test(`page 1 of the log counts, where the main file has ${what}`, async (t) => {
    const path = await crashed(t, { hasPageOne: true })
    damage(path, change)
    const [ours, theirs] = [join(temporaryFolder(t), 'ours.db'), join(temporaryFolder(t), 'theirs.db')]
    for (const copy of [ours, theirs]) for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
    assertSoundForSqlite(t, theirs)

    const reader = await open(ours, { readOnly: true, writer: 'inline' })
    t.deepEqual([...(await reader.map('entries')).entries()], ENTRIES.map(([key, value]) => [key, value]) as never)
    const { ok, findings } = await reader.check()
    t.true(ok, findings.map((finding) => finding.what).join())
    await reader.close()

    const writer = await open(ours, { writer: 'inline' })
    t.deepEqual([...(await writer.map('entries')).keys()], [1, 2, 3, 4])
    await (await writer.map<number, string>('others')).put(1, 'one')
    await writer.close()
    t.false(existsSync(`${ours}-wal`), 'the last close has copied the log, page 1 with it')
    assertSoundForSqlite(t, ours)
  })
}

test('a damaged page 1 is refused where the log has none, and nothing is changed', async (t) => {
  const path = await crashed(t, { hasPageOne: false })
  const { frames } = readLogFile(`${path}-wal`)!
  t.true(frames.length > 0 && frames.every(({ page }) => page !== 1))
  damage(path, DAMAGES['no magic']!)
  const before = ['', '-wal'].map((end) => readFileSync(path + end))
  for (const readOnly of [true, false]) {
    await t.throwsAsync(open(path, { readOnly, writer: 'inline' }), { code: 'ENDMARK_NOT_A_DATABASE' })
  }
  t.deepEqual(
    ['', '-wal'].map((end) => readFileSync(path + end)),
    before,
  )
})

test('a page 1 that was not committed, or does not verify, does not count', async (t) => {
  const path = await crashed(t, { hasPageOne: true })
  damage(path, DAMAGES['no magic']!)
  const log = readFileSync(`${path}-wal`)
  const { frames } = readLogFile(`${path}-wal`)!
  const first = frames.findIndex(({ page }) => page === 1)
  // The commit that page 1 belongs to has more frames behind it.
  truncateSync(`${path}-wal`, frameOffset(frameNumber(first + 2), PAGE_SIZE))
  await t.throwsAsync(open(path, { writer: 'inline' }), { code: 'ENDMARK_NOT_A_DATABASE' })
  log[WAL_HEADER_SIZE + 100]! ^= 1
  writeFileSync(`${path}-wal`, log)
  await t.throwsAsync(open(path, { writer: 'inline' }), { code: 'ENDMARK_NOT_A_DATABASE' })
})

test('another layout of pages in the main file than in the log is refused, if it is a possible one', async (t) => {
  const refused: readonly (readonly [Damage, string])[] = [
    [(bytes) => bytes.writeUInt8(255, reservedBytes), 'ENDMARK_UNSUPPORTED'],
    [(bytes) => bytes.writeUInt16BE(1024, pageSize), 'ENDMARK_CORRUPT'],
  ]
  for (const [change, code] of refused) {
    const path = await crashed(t, { hasPageOne: true })
    damage(path, change)
    for (const readOnly of [true, false]) await t.throwsAsync(open(path, { readOnly, writer: 'inline' }), { code })
  }
})

test('a log beside an empty main file does not count', async (t) => {
  const path = await crashed(t, { hasPageOne: true })
  writeFileSync(path, '')
  await t.throwsAsync(open(path, { readOnly: true, writer: 'inline' }), { code: 'ENDMARK_NOT_A_DATABASE' })
})
