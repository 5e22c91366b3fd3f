/**
 * Bad input: whatever the files hold, the API answers with a result or a typed error, never with a crash, an endless
 * loop or a silent wrong answer, and a file that was refused is left as it was.
 */
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { BACKFILL_OFFSET, HEADER } from '../../src/format/index.js'
import { type Database, EndmarkError, type ErrorCode, type OrderedMap, open } from '../../src/index.js'
import { type Files, readFiles, tryOut, writeFiles } from '../support/damage.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { seededRandom } from '../support/random.js'
import { askSqlite, type StandingReferee, startReferee, startStandingReferee } from '../support/referee.js'
import { fillLog, SOUND_PAGE_SIZE as PAGE_SIZE, soundBytes } from '../support/sound-database.js'
import { temporaryFolder } from '../support/temporary-folder.js'

let sound: Uint8Array

test.before(async () => {
  sound = await soundBytes()
})

/** A fresh copy of the sound database, closed. */
function soundDatabase(t: ExecutionContext<unknown>): string {
  const path = temporaryPath(t, 'sound.db')
  writeFileSync(path, sound)
  return path
}

/** Asserts that opening is refused with one of the codes, in all modes, and that the file stays as it is. */
async function assertRefused(t: ExecutionContext<unknown>, path: string, codes: readonly ErrorCode[]): Promise<void> {
  const before = readFileSync(path)
  for (const options of [{}, { readOnly: true }, { create: false }]) {
    const error = await t.throwsAsync(open(path, options), { instanceOf: EndmarkError })
    t.true(codes.includes(error!.code), error!.message)
  }
  t.deepEqual(readFileSync(path), before)
  for (const suffix of ['-wal', '-shm']) t.false(existsSync(path + suffix), suffix)
}

test('what is not a database is refused and left as it is', async (t) => {
  const folder = temporaryFolder(t)
  const random = seededRandom(t)
  const contents: readonly (readonly [string, Uint8Array])[] = [
    ['a text', Buffer.from('Dear diary, '.repeat(1000))],
    ['zeros', new Uint8Array(8192)],
    ['random bytes', random.bytes(8192)],
    ['one byte', Uint8Array.of(83)],
    ['a magic and nothing else', Buffer.from('SQLite format 3\0')],
    ['almost the magic', Buffer.from(`SQLite format 4\0${'\0'.repeat(5000)}`)],
  ]
  for (const [name, content] of contents) {
    const path = join(folder, `${name}.db`)
    writeFileSync(path, content)
    await assertRefused(t, path, ['ENDMARK_NOT_A_DATABASE'])
  }
})

test('a header cut off at any byte is refused and left as it is', async (t) => {
  const path = temporaryPath(t)
  for (let length = 1; length < 100; length++) {
    writeFileSync(path, sound.subarray(0, length))
    const before = readFileSync(path)
    for (const options of [{}, { readOnly: true }])
      await rejects(t, open(path, options), 'ENDMARK_NOT_A_DATABASE', new RegExp(`${length} bytes`))
    t.deepEqual(readFileSync(path), before)
  }
})

test('a file cut off anywhere behind the header gives typed errors and stays as it is', async (t) => {
  const random = seededRandom(t)
  const folder = temporaryFolder(t)
  const lengths = new Set([100, 101, 511, 512, 513, sound.length - 1, sound.length - PAGE_SIZE])
  for (let page = 1; page < sound.length / PAGE_SIZE; page += 7) lengths.add(page * PAGE_SIZE)
  for (let i = 0; i < 20; i++) lengths.add(random.between(100, sound.length - 1))
  for (const length of lengths) {
    const path = join(folder, `${length}.db`)
    writeFileSync(path, sound.subarray(0, length))
    const { findings, codes } = await tryOut(path, { readOnly: true })
    t.deepEqual(findings, [])
    // Towards the end there are free pages only, which no read misses.
    if (length < sound.length / 2) t.true(codes.includes('ENDMARK_CORRUPT'), `${length}: ${codes.join(' ')}`)
    t.deepEqual(new Uint8Array(readFileSync(path)), sound.slice(0, length))
    t.deepEqual((await tryOut(path, { write: true })).findings, [])
  }
})

test('a flip of any header byte gives a typed error, or the content that SQLite reads', async (t) => {
  const folder = temporaryFolder(t)
  for (let offset = 0; offset < 100; offset++) {
    for (const mask of [0xff, 0x01]) {
      const path = join(folder, `${offset}-${mask}.db`)
      const bytes = sound.slice()
      bytes[offset]! ^= mask
      writeFileSync(path, bytes)
      const reading = await tryOut(path, { readOnly: true })
      t.deepEqual(reading.findings, [], `byte ${offset}`)
      t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
      if (offset < 16) t.deepEqual(reading.codes, ['ENDMARK_NOT_A_DATABASE'])
      const writing = await tryOut(path, { write: true })
      t.deepEqual(writing.findings, [], `byte ${offset}`)
      if (!writing.opened) t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
    }
  }
})

/** Offsets of the file header; they are SQLite's. */
const HEADER_FIELDS: readonly (readonly [string, number, readonly number[], ErrorCode, RegExp])[] = [
  ['page size 1000', 16, [3, 232], 'ENDMARK_CORRUPT', /1000/],
  ['page size 256', 16, [1, 0], 'ENDMARK_CORRUPT', /256/],
  ['page size 0', 16, [0, 0], 'ENDMARK_CORRUPT', /page size 0/],
  ['read version 3', 19, [3], 'ENDMARK_UNSUPPORTED', /read version 3/],
  ['read version 0', 19, [0], 'ENDMARK_CORRUPT', /read version 0/],
  ['33 reserved bytes of 512', 20, [33], 'ENDMARK_CORRUPT', /479/],
  ['a payload fraction of 63', 21, [63], 'ENDMARK_CORRUPT', /fractions/],
  ['a leaf fraction of 33', 23, [33], 'ENDMARK_CORRUPT', /fractions/],
  ['schema format 5', 44, [0, 0, 0, 5], 'ENDMARK_UNSUPPORTED', /schema format 5/],
  ['text encoding 2', 56, [0, 0, 0, 2], 'ENDMARK_UNSUPPORTED', /UTF-16/],
  ['text encoding 3', 56, [0, 0, 0, 3], 'ENDMARK_UNSUPPORTED', /UTF-16/],
  ['text encoding 4', 56, [0, 0, 0, 4], 'ENDMARK_CORRUPT', /encoding 4/],
]

for (const [name, offset, value, code, message] of HEADER_FIELDS) {
  test(`${name} in the header is refused`, async (t) => {
    const bytes = Buffer.from(sound)
    bytes.set(value, offset)
    const path = temporaryPath(t)
    writeFileSync(path, bytes)
    await assertRefused(t, path, [code])
    const error = await rejects(t, open(path), code, message)
    if (code === 'ENDMARK_CORRUPT') t.deepEqual([error.file, error.page], [path, 1])
  })
}

test('write version 3 can be read and not written', async (t) => {
  const bytes = Buffer.from(sound)
  bytes[18] = 3
  const path = temporaryPath(t)
  writeFileSync(path, bytes)
  await rejects(t, open(path), 'ENDMARK_UNSUPPORTED', /write version 3/)
  t.deepEqual(readFileSync(path), bytes)
  const db = await openDatabase(t, path, { readOnly: true })
  t.is((await db.map('map')).count(), 200)
})

test('UTF-16 is refused by name', async (t) => {
  for (const encoding of ['UTF-16le', 'UTF-16be']) {
    const path = temporaryPath(t)
    await askSqlite(
      t,
      path,
      (db, name) => {
        db.pragma(`encoding = '${name}'`)
        db.pragma('journal_mode = wal')
        db.exec("CREATE TABLE x(a TEXT); INSERT INTO x VALUES('ä')")
      },
      encoding,
    )
    await assertRefused(t, path, ['ENDMARK_UNSUPPORTED'])
    await rejects(t, open(path), 'ENDMARK_UNSUPPORTED', /UTF-16/)
  }
})

test('an auto-vacuum database is read with readOnly and refused for writing', async (t) => {
  for (const mode of ['full', 'incremental']) {
    const path = temporaryPath(t)
    await askSqlite(
      t,
      path,
      (db, name) => {
        db.pragma(`auto_vacuum = ${name}`)
        db.pragma('journal_mode = wal')
        db.exec('CREATE TABLE x(id INTEGER PRIMARY KEY, a TEXT)')
        const insert = db.prepare('INSERT INTO x VALUES(?, ?)')
        for (let id = 1; id <= 500; id++) insert.run(id, `row ${id} `.repeat(20))
        db.exec('DELETE FROM x WHERE id % 3 = 0')
      },
      mode,
    )
    const before = readFileSync(path)
    await rejects(t, open(path), 'ENDMARK_UNSUPPORTED', /auto-vacuum/)
    t.deepEqual(readFileSync(path), before)
    const db = await openDatabase(t, path, { readOnly: true })
    const table = await db.table<{ id: number; a: string }, number>('x')
    t.is(table.count(), 334)
    t.is(table.get(500)?.a, 'row 500 '.repeat(20))
    await db.close()
    t.deepEqual(readFileSync(path), before)
  }
})

test('auto-vacuum that SQLite turns on later stops writes, not reads', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const map = await db.map<string, string>('m', { key: 'text', value: 'text' })
  await map.put('a', 'b')
  const sqlite = await startReferee(t, path)
  await sqlite.exec('PRAGMA auto_vacuum = full; VACUUM')
  if ((await sqlite.value('PRAGMA auto_vacuum')) === 1) {
    await rejects(t, map.put('c', 'd'), 'ENDMARK_UNSUPPORTED', /auto-vacuum/)
    t.is(map.get('a'), 'b')
  } else {
    await map.put('c', 'd')
  }
  t.is(await sqlite.integrityCheck(), 'ok')
  await sqlite.close()
})

test('a hot journal is refused, an empty or zeroed one is not', async (t) => {
  const path = temporaryPath(t)
  await askSqlite(t, path, (db) => db.exec('CREATE TABLE x(id INTEGER PRIMARY KEY, a TEXT)'))
  const before = readFileSync(path)
  writeFileSync(
    `${path}-journal`,
    Uint8Array.of(0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, ...new Uint8Array(600)),
  )
  await rejects(t, open(path), 'ENDMARK_UNSUPPORTED', /-journal/)
  t.deepEqual(readFileSync(path), before)
  for (const content of [new Uint8Array(600), new Uint8Array(0)]) {
    writeFileSync(`${path}-journal`, content)
    const db = await open(path)
    t.is((await db.table('x')).count(), 0)
    await db.close()
  }
})

test('damage inside pages is reported with file, page and offset', async (t) => {
  const roots = await askSqlite(t, soundDatabase(t), (db) =>
    Object.fromEntries(
      (db.prepare('SELECT name, rootpage FROM sqlite_schema').all() as { name: string; rootpage: number }[]).map(
        (row) => [row.name, row.rootpage],
      ),
    ),
  )
  const start = (roots.rows! - 1) * PAGE_SIZE
  const path = temporaryPath(t)
  const damages: readonly (readonly [string, (bytes: Uint8Array, view: DataView) => void])[] = [
    ['right child past the end', (_, view) => view.setUint32(start + 8, 1_000_000)],
    ['right child 0', (_, view) => view.setUint32(start + 8, 0)],
    ['right child is the root itself: a cycle', (_, view) => view.setUint32(start + 8, roots.rows!)],
    ['right child is page 1', (_, view) => view.setUint32(start + 8, 1)],
    ['right child is a page of another tree', (_, view) => view.setUint32(start + 8, roots.map!)],
    ['a cell past the page', (_, view) => view.setUint16(start + 12, PAGE_SIZE - 1)],
    ['a cell inside the header', (_, view) => view.setUint16(start + 12, 3)],
    ['an unknown page kind', (bytes) => bytes.fill(77, start, start + 1)],
    ['too many cells', (_, view) => view.setUint16(start + 3, 60_000)],
  ]
  for (const [what, damage] of damages) {
    const bytes = sound.slice()
    damage(bytes, new DataView(bytes.buffer))
    writeFileSync(path, bytes)
    const db = await open(path, { readOnly: true })
    const rows = await db.table('rows')
    const error = t.throws(() => [...rows.range()], { instanceOf: EndmarkError }, what)
    t.is(error?.code, 'ENDMARK_CORRUPT', what)
    t.is(error?.file, path)
    t.not(error?.page, undefined, what)
    t.is((await db.map('map')).count(), 200, 'the other trees are read on')
    await db.close()
    t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
    t.deepEqual((await tryOut(path, { write: true })).findings, [], what)
  }
})

test('a damaged freelist stops the write that meets it and nothing else', async (t) => {
  const trunk = new DataView(sound.buffer).getUint32(32)
  t.true(trunk > 1)
  const start = (trunk - 1) * PAGE_SIZE
  const path = temporaryPath(t)
  const damages: readonly (readonly [string, (view: DataView) => void])[] = [
    ['the first trunk past the end', (view) => view.setUint32(32, 1_000_000)],
    ['the first trunk is page 1', (view) => view.setUint32(32, 1)],
    ['a trunk that follows itself', (view) => view.setUint32(start, trunk)],
    ['the next trunk past the end', (view) => view.setUint32(start, 999_999)],
    ['too many leaves', (view) => view.setUint32(start + 4, 10_000)],
    ['a leaf past the end', (view) => setLeaves(view, start, 88_888_888)],
    ['a leaf 0', (view) => setLeaves(view, start, 0)],
    ['a leaf that is page 1', (view) => setLeaves(view, start, 1)],
    ['no page at all where some are counted', (view) => view.setUint32(32, 0)],
    ['a huge count', (view) => view.setUint32(36, 0xffffffff)],
  ]
  for (const [what, damage] of damages) {
    const bytes = sound.slice()
    damage(new DataView(bytes.buffer))
    writeFileSync(path, bytes)
    const db = await open(path)
    const map = await db.map<string, string>('map')
    const before = [...map.entries()]
    let refused = 0
    for (let i = 0; i < 12; i++) {
      try {
        await map.put(`more ${i}`, 'x'.repeat(9000))
      } catch (error) {
        t.true(error instanceof EndmarkError && error.code === 'ENDMARK_CORRUPT', `${what}: ${String(error)}`)
        refused++
      }
    }
    if (refused === 12) t.deepEqual([...map.entries()], before, what)
    t.is(map.count(), 200 + 12 - refused)
    await t.notThrowsAsync(db.close(), what)
  }
})

function setLeaves(view: DataView, trunkStart: number, page: number): void {
  for (let leaf = 0; leaf < 20; leaf++) view.setUint32(trunkStart + 8 + 4 * leaf, page)
}

/** A database whose commits are still in the log, as a crash would leave it. */
async function databaseWithLog(t: ExecutionContext<unknown>): Promise<{ path: string; files: Files }> {
  const path = soundDatabase(t)
  const db = await openDatabase(t, path, { autoCheckpoint: 0 })
  await fillLog(db)
  return { path, files: readFiles(path) }
}

test('what is recovered of a damaged log is what SQLite recovers of the same files', async (t) => {
  t.timeout(120_000)
  const random = seededRandom(t)
  const { files } = await databaseWithLog(t)
  const folder = temporaryFolder(t)
  const frameSize = PAGE_SIZE + 24
  const offsets = new Set<number>()
  for (let offset = 0; offset < 32; offset++) offsets.add(offset)
  for (let offset = 32; offset < 56; offset++) offsets.add(offset + frameSize * random.below(20))
  for (let i = 0; i < 40; i++) offsets.add(random.below(files.log!.length))
  const cases: { name: string; log: Uint8Array }[] = []
  for (const offset of offsets) {
    const log = files.log!.slice()
    log[offset]! ^= 1 << random.below(8)
    cases.push({ name: `bit-${offset}`, log })
  }
  for (let i = 0; i < 20; i++) {
    const length = random.below(files.log!.length)
    cases.push({ name: `cut-${length}`, log: files.log!.slice(0, length) })
  }
  for (const { name, log } of cases) {
    writeFiles(join(folder, `${name}-sqlite.db`), { main: files.main, log, shm: null })
    writeFiles(join(folder, `${name}.db`), { main: files.main, log, shm: null })
  }
  // All in one process: each database is opened by SQLite alone.
  const referee = startStandingReferee(t)
  const expected = await referee.call(
    (openAt, paths) =>
      paths.map((path) => {
        const db = openAt(path)
        try {
          return (db.prepare('SELECT key, value FROM map').raw().all() as [string, string][]).sort((a, b) =>
            a[0] < b[0] ? -1 : 1,
          )
        } catch (error) {
          return String(error)
        } finally {
          db.close()
        }
      }),
    cases.map(({ name }) => join(folder, `${name}-sqlite.db`)),
  )
  for (const [index, { name }] of cases.entries()) {
    let found: unknown
    try {
      const db = await open(join(folder, `${name}.db`))
      const map = await db.map<string, string>('map')
      found = [...map.entries()].sort((a, b) => (a[0] < b[0] ? -1 : 1))
      await db.close()
    } catch (error) {
      found = error
    }
    if (typeof expected[index] === 'string')
      t.true(found instanceof EndmarkError, `${name}: SQLite says ${expected[index]}`)
    else t.deepEqual(found, expected[index], name)
  }
})

test('a log of another page size is refused if it holds a commit', async (t) => {
  const { files } = await databaseWithLog(t)
  const path = temporaryPath(t)
  const other = await open(path, { pageSize: 1024 })
  await (await other.map('x', { key: 'text', value: 'text' })).put('a', 'b')
  const { main } = readFiles(path)
  await other.close()
  const mixed = temporaryPath(t)
  writeFiles(mixed, { main: new Uint8Array(main), log: files.log, shm: null })
  const before = readFiles(mixed)
  await rejects(t, open(mixed), 'ENDMARK_CORRUPT', /512.*1024|1024.*512/)
  await rejects(t, open(mixed, { readOnly: true }), 'ENDMARK_CORRUPT')
  t.deepEqual(readFiles(mixed).main, before.main)
  t.deepEqual(readFiles(mixed).log, before.log)
})

test('a damaged wal-index that nobody has open is rebuilt from the log', async (t) => {
  const random = seededRandom(t)
  const { files } = await databaseWithLog(t)
  const folder = temporaryFolder(t)
  const shm = files.shm!
  const damaged: Uint8Array[] = [
    new Uint8Array(0),
    new Uint8Array(3),
    random.bytes(32_768),
    new Uint8Array(32_768).fill(255),
    shm.slice(0, 20_000),
  ]
  for (let offset = 0; offset < 136; offset += 3) {
    const bytes = shm.slice()
    bytes[offset]! ^= 0xff
    damaged.push(bytes)
  }
  for (const [index, bytes] of damaged.entries()) {
    const path = join(folder, `${index}.db`)
    writeFiles(path, { ...files, shm: bytes })
    const db = await open(path, { synchronous: 'off' })
    const map = await db.map<string, string>('map')
    t.is(map.count(), 220)
    t.is(map.get('key 29'), 'changed 29 '.repeat(10))
    await map.put('new', 'value')
    await db.close()
    t.false(existsSync(`${path}-wal`))
  }
})

/** Uses the database in every way, and goes on after typed errors. @returns their codes */
async function useDamaged(path: string, db: Database, map: OrderedMap<string, string>): Promise<string[]> {
  const codes: string[] = []
  const attempt = async (work: () => unknown) => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof EndmarkError)) throw new Error(`${path}: ${(error as Error).stack}`)
      codes.push(error.code)
    }
  }
  await attempt(() => map.get('key 3'))
  await attempt(async () => {
    const second = await open(path, { timeout: 100 })
    await attempt(() => second.stores())
    await attempt(() => second.close())
  })
  await attempt(() => map.put('after', 'x'))
  await attempt(() => [...map.entries()])
  await attempt(() => db.checkpoint())
  await attempt(() => db.checkpoint({ mode: 'truncate' }))
  await attempt(() => db.close())
  return codes
}

function writeInto(path: string, bytes: Uint8Array, offset: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

test('a wal-index damaged under open connections anywhere but in its backfill gives typed errors or is rebuilt, and costs no commit', async (t) => {
  t.timeout(120_000)
  const random = seededRandom(t)
  const folder = temporaryFolder(t)
  const { path: source } = await databaseWithLog(t)
  const offsets = Array.from({ length: 136 }, (_, offset) => offset).filter(
    (offset) => (offset % 2 === 0 && offset < BACKFILL_OFFSET) || offset >= BACKFILL_OFFSET + 4,
  )
  for (let i = 0; i < 20; i++) offsets.push(136 + random.below(32_768 - 136))
  for (const offset of offsets) {
    const path = copyWithLog(source, join(folder, `${offset}.db`))
    const db = await open(path, { timeout: 100, synchronous: 'off', autoCheckpoint: 0 })
    const map = await db.map<string, string>('map')
    await map.put('acknowledged', String(offset))
    writeInto(`${path}-shm`, Uint8Array.of(random.between(1, 255)), offset)
    const codes = await useDamaged(path, db, map)
    // The log and the main file were never damaged.
    const again = await open(path)
    const found = await again.map<string, string>('map')
    t.is(found.get('acknowledged'), String(offset), `offset ${offset} ${codes.join(' ')}`)
    t.is(found.get('late 19'), 'late', `offset ${offset}`)
    await again.close()
  }
})

/** What a connection that comes now reads of the map, or the code of its error. */
async function entriesByEndmark(path: string): Promise<unknown> {
  const db = await open(path, { timeout: 100, readOnly: true })
  try {
    return [...(await db.map<string, string>('map')).entries()]
  } catch (error) {
    if (error instanceof EndmarkError) return error.code.replace('ENDMARK_', '')
    throw error
  } finally {
    await db.close()
  }
}

/** The same by SQLite. */
function entriesBySqlite(referee: StandingReferee, path: string): Promise<unknown> {
  return referee.call((openAt, at) => {
    const db = openAt(at)
    try {
      return db.prepare('SELECT key, value FROM map ORDER BY key').raw().all()
    } catch (error) {
      return (error as { code: string }).code.replace('SQLITE_', '')
    } finally {
      db.close()
    }
  }, path)
}

/** A copy of a database with its log, which nobody has open yet. */
function copyWithLog(source: string, path: string): string {
  copyFileSync(source, path)
  copyFileSync(`${source}-wal`, `${path}-wal`)
  return path
}

function endMarkOf(path: string): number {
  return new DataView(new Uint8Array(readFileSync(`${path}-shm`)).buffer).getUint32(
    HEADER.endMark,
    endianness() === 'LE',
  )
}

test('a damaged backfill that the log is long enough for is believed, as SQLite believes it, until the log is recovered or started over', async (t) => {
  const folder = temporaryFolder(t)
  const { path: source } = await databaseWithLog(t)
  const referee = startStandingReferee(t)
  const endMark = endMarkOf(source)
  t.true(endMark > 8)
  for (const wrong of [1, endMark >> 1, endMark - 1, endMark]) {
    const path = copyWithLog(source, join(folder, `${wrong}.db`))
    const db = await open(path, { timeout: 100, synchronous: 'off', autoCheckpoint: 0 })
    t.is(endMarkOf(path), endMark)
    const whole = await entriesBySqlite(referee, path)
    writeInto(`${path}-shm`, new Uint8Array(Uint32Array.of(wrong).buffer), BACKFILL_OFFSET)
    const found = await entriesBySqlite(referee, path)
    t.deepEqual(await entriesByEndmark(path), found, `${wrong} frames`)
    const recovered = copyWithLog(path, join(folder, `${wrong}-recovered.db`))
    t.deepEqual(await entriesByEndmark(recovered), whole, 'the log still has it all')
    await useDamaged(path, db, await db.map<string, string>('map'))
    if (wrong < endMark) continue
    // All of the log passed for copied: the main file alone was read, and the next commit started the log over.
    t.notDeepEqual(found, whole)
    t.deepEqual(await entriesByEndmark(path), [['after', 'x'], ...(found as unknown[])])
  }
})

test('a damaged backfill past the end of the log is not believed, and costs no commit', async (t) => {
  const folder = temporaryFolder(t)
  const { path: source } = await databaseWithLog(t)
  const endMark = endMarkOf(source)
  for (const wrong of [endMark + 1, endMark + 2, 1 << 16, 0x7fffffff, 0xffffffff]) {
    const path = copyWithLog(source, join(folder, `${wrong}.db`))
    const db = await open(path, { timeout: 100, synchronous: 'off', autoCheckpoint: 0 })
    const map = await db.map<string, string>('map')
    const whole = [...map.entries()]
    writeInto(`${path}-shm`, new Uint8Array(Uint32Array.of(wrong).buffer), BACKFILL_OFFSET)
    t.deepEqual(await entriesByEndmark(path), whole, `${wrong} frames`)
    t.deepEqual(await useDamaged(path, db, map), [])
    t.deepEqual(await entriesByEndmark(path), [['after', 'x'], ...whole], `${wrong} frames`)
  }
})
