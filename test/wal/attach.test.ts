/** Joining and leaving a database: what is created, adopted, refused, left as it was, and cleaned up. */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeNewDatabase, SHARED_FIRST } from '../../src/format/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Attachment, attach, runAsync } from '../../src/wal/index.js'
import { Connection, connect } from '../support/connection.js'
import { failOn, HookedVfs } from '../support/hooked-vfs.js'
import { readIndexFile } from '../support/independent-wal-reader.js'
import { Random } from '../support/random.js'
import { integrityCheck, startReferee } from '../support/referee.js'
import { smallMaps } from '../support/small-maps.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = smallMaps(nodeVfs())
/** Tests that wait are serial: beside one that blocks the thread, their timeouts would mean nothing. */
const OPTIONS = { vfs, create: true, readOnly: false, pageSize: 4096, timeoutMs: 2000 }

const newPath = (t: ExecutionContext) => join(temporaryFolder(t), 'app.db')
const filesBeside = (path: string) => readdirSync(dirname(path)).sort()

test('a new database is whole in SQLite, at every page size', async (t) => {
  for (let pageSize = 512; pageSize <= 65536; pageSize *= 2) {
    const path = newPath(t)
    const connection = connect(path, { vfs, pageSize })
    t.deepEqual(filesBeside(path), ['app.db', 'app.db-shm', 'app.db-wal'])
    t.is(connection.close(), null)
    t.deepEqual(filesBeside(path), ['app.db'])
    if (pageSize !== 512 && pageSize !== 65536) continue
    t.is(await integrityCheck(t, path), 'ok')
    t.is(
      sqliteNow(path, (db) => db.pragma('page_size', { simple: true })),
      pageSize,
    )
  }
})

test('a missing file is not created unless asked for, and nothing is left of the attempt', (t) => {
  const path = newPath(t)
  t.throws(() => connect(path, { vfs, create: false }), { code: 'ENDMARK_NOT_FOUND' })
  t.throws(() => connect(path, { vfs, readOnly: true, create: true }), { code: 'ENDMARK_NOT_FOUND' })
  t.deepEqual(filesBeside(path), [])
})

test('a file cut off anywhere inside its header is refused and left as it is', (t) => {
  const path = newPath(t)
  const whole = encodeNewDatabase(512)
  for (let length = 0; length < 100; length++) {
    const bytes = whole.slice(0, length)
    writeFileSync(path, bytes)
    t.throws(() => connect(path, { vfs, create: length > 0 }), { code: 'ENDMARK_NOT_A_DATABASE' }, `${length} bytes`)
    t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
    t.deepEqual(filesBeside(path), ['app.db'], `${length} bytes`)
  }
  writeFileSync(path, whole.slice(0, 100))
  t.throws(() => connect(path, { vfs }).contents(), { code: 'ENDMARK_CORRUPT' }, 'a header without its page')
})

test('files that are no databases, or not of a kind that is understood, are refused by name and left as they are', (t) => {
  const path = newPath(t)
  const changed = (offset: number, ...values: number[]) => {
    const bytes = encodeNewDatabase(4096)
    bytes.set(values, offset)
    return bytes
  }
  const cases: [Uint8Array, string, RegExp][] = [
    [new Random(1).bytes(5000), 'ENDMARK_NOT_A_DATABASE', /not a SQLite database/],
    [changed(16, 3, 0), 'ENDMARK_CORRUPT', /page size 768/],
    [changed(19, 3), 'ENDMARK_UNSUPPORTED', /read version 3/],
    [changed(18, 9), 'ENDMARK_UNSUPPORTED', /write version 9/],
    [changed(21, 65), 'ENDMARK_CORRUPT', /fractions/],
    [changed(56, 0, 0, 0, 2), 'ENDMARK_UNSUPPORTED', /UTF-16/],
    [changed(52, 0, 0, 0, 1), 'ENDMARK_UNSUPPORTED', /auto-vacuum/],
    [changed(44, 0, 0, 0, 5), 'ENDMARK_UNSUPPORTED', /schema format 5/],
  ]
  for (const [bytes, code, message] of cases) {
    writeFileSync(path, bytes)
    t.throws(() => connect(path, { vfs }), { code, message })
    t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
    t.deepEqual(filesBeside(path), ['app.db'])
  }
})

test.serial('an empty file becomes a database, also when several open it at once', async (t) => {
  for (let round = 0; round < 5; round++) {
    const path = newPath(t)
    writeFileSync(path, '')
    const all = await Promise.all(Array.from({ length: 6 }, () => runAsync(attach(path, OPTIONS))))
    const connections = all.map((attachment) => new Connection(attachment))
    await Promise.all(connections.map((connection, i) => connection.fill([i + 2], i + 1, 'off')))
    for (const connection of connections) t.deepEqual(connection.contents(), [1, 2, 3, 4, 5, 6])
    for (const connection of connections) connection.close()
    t.deepEqual(filesBeside(path), ['app.db'])
  }
})

for (const kind of ['an empty file', 'a rollback-journal database']) {
  test.serial(`two who both have the shared lock of ${kind} do not wait for each other to let go`, async (t) => {
    const path = newPath(t)
    if (kind === 'an empty file') writeFileSync(path, '')
    else sqliteNow(path, (db) => db.exec('CREATE TABLE t(x)'))
    const hooked = new HookedVfs(vfs)
    const patience = { ...OPTIONS, timeoutMs: 500 }
    let second: Promise<Attachment> | null = null
    hooked.hook = ({ when, operation, offset, mode }) => {
      const hasShared = when === 'after' && operation === 'tryLock' && offset === SHARED_FIRST && mode === 'shared'
      if (hasShared) second ??= runAsync(attach(path, patience))
    }
    const first = new Connection(await runAsync(attach(path, { ...patience, vfs: hooked })))
    const other = new Connection(await second!)
    await other.fill([3], 1, 'off')
    t.is(first.valueOf(3), 1)
    first.close()
    other.close()
  })
}

test.serial('a rollback-journal database is switched to WAL, also when several open it at once', async (t) => {
  // Each held the shared lock and waited to be alone, which no one could be before the others gave up.
  const path = newPath(t)
  sqliteNow(path, (db) => db.exec('CREATE TABLE t(x); INSERT INTO t VALUES (1)'))
  t.is(readFileSync(path)[18], 1)
  const all = await Promise.all(Array.from({ length: 4 }, () => runAsync(attach(path, OPTIONS))))
  t.is(readFileSync(path)[18], 2)
  t.deepEqual(
    sqliteNow(path, (db) => [db.pragma('journal_mode', { simple: true }), db.prepare('SELECT x FROM t').pluck().get()]),
    ['wal', 1],
  )
  for (const attachment of all) new Connection(attachment).close()
  t.is(await integrityCheck(t, path), 'ok')
})

test.serial('a rollback-journal database is refused while SQLite writes to it, and switched afterwards', async (t) => {
  const path = newPath(t)
  const sqlite = await startReferee(t, path)
  await sqlite.exec('CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  t.throws(() => connect(path, { vfs, timeoutMs: 40 }), { code: 'ENDMARK_BUSY' })
  const waiting = runAsync(attach(path, OPTIONS))
  await sqlite.exec('COMMIT')
  const connection = new Connection(await waiting)
  t.is(await sqlite.value('SELECT x FROM t'), 1, 'SQLite goes on, now with the log')
  await sqlite.run('INSERT INTO t VALUES (2)')
  connection.close()
  await sqlite.close()
})

for (const isWal of [false, true]) {
  test(`a hot journal beside a database in ${isWal ? 'WAL' : 'rollback-journal'} mode is refused, and nothing is touched`, async (t) => {
    const path = newPath(t)
    sqliteNow(path, (db) => db.exec('CREATE TABLE t(x); INSERT INTO t VALUES (1)'))
    const sqlite = await startReferee(t, path)
    await sqlite.exec('PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN EXCLUSIVE')
    await sqlite.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO t SELECT randomblob(2000) FROM n`)
    await sqlite.kill()
    t.true(existsSync(`${path}-journal`))
    const bytes = readFileSync(path)
    if (isWal) bytes.set([2, 2], 18)
    writeFileSync(path, bytes)
    const journal = readFileSync(`${path}-journal`)
    t.throws(() => connect(path, { vfs }), { code: 'ENDMARK_UNSUPPORTED', message: /rolling back .*app\.db-journal/ })
    t.throws(() => connect(path, { vfs, readOnly: true }), { code: 'ENDMARK_UNSUPPORTED' })
    t.deepEqual(readFileSync(path), bytes)
    t.deepEqual(readFileSync(`${path}-journal`), journal)
    t.deepEqual(filesBeside(path), ['app.db', 'app.db-journal'])
    t.is(await integrityCheck(t, path), 'ok', 'SQLite rolls it back')
    const connection = connect(path, { vfs })
    t.is(connection.close(), null)
    t.is(
      sqliteNow(path, (db) => db.prepare('SELECT count(*) FROM t').pluck().get()),
      1,
    )
  })
}

for (const mode of ['persist', 'truncate']) {
  test(`the cold journal that SQLite leaves in its journal mode ${mode} is no obstacle`, (t) => {
    const path = newPath(t)
    sqliteNow(
      path,
      (db, word) => {
        db.pragma(`journal_mode = ${word}`)
        db.exec('CREATE TABLE t(x); INSERT INTO t VALUES (1)')
      },
      mode,
    )
    t.true(existsSync(`${path}-journal`))
    connect(path, { vfs }).close()
    t.is(
      sqliteNow(path, (db) => db.prepare('SELECT x FROM t').pluck().get()),
      1,
    )
  })
}

test('the first opener resets what a crash left in the -shm, however it looks', (t) => {
  const path = newPath(t)
  const random = new Random(3)
  const first = connect(path, { vfs })
  first.fillSync([2, 3], 1, 'off')
  first.vanish()
  for (const length of [0, 1, 3, 100, 136, 32768, 65536 + 17]) {
    const garbage = random.bytes(length)
    if (length > 12) garbage[12] = 1
    writeFileSync(`${path}-shm`, garbage)
    const connection = connect(path, { vfs })
    t.deepEqual(connection.contents(), [1, 1])
    t.true(readIndexFile(`${path}-shm`).isSound)
    connection.vanish()
  }
})

test('a later opener does not reset the -shm', (t) => {
  const path = newPath(t)
  const first = connect(path, { vfs })
  first.fillSync([2], 1, 'off')
  const held = first.pager.acquire()
  const mark = first.wal.index.readMark(held.snapshot.slot)
  const second = connect(path, { vfs })
  t.is(first.wal.index.readMark(held.snapshot.slot), mark)
  second.fillSync([2], 2, 'off')
  t.is(held.pages.page(2 as never).bytes[0], 1)
  first.pager.release(held)
  first.close()
  second.close()
})

test('the last one out removes -wal and -shm, and no one before it', (t) => {
  const path = newPath(t)
  const connections = [connect(path, { vfs }), connect(path, { vfs }), connect(path, { vfs })]
  connections[0]!.fillSync([2], 1, 'off')
  t.is(connections[0]!.close(), null)
  t.is(connections[1]!.close(), null)
  t.deepEqual(filesBeside(path), ['app.db', 'app.db-shm', 'app.db-wal'])
  t.is(connections[2]!.close(), null)
  t.deepEqual(filesBeside(path), ['app.db'])
  t.is(readFileSync(path)[4096], 1)
})

test.serial('a newcomer waits while the last one cleans up, and finds the database whole', async (t) => {
  const path = newPath(t)
  const hooked = new HookedVfs(vfs)
  const last = connect(path, { vfs: hooked })
  last.fillSync([2], 1, 'off')
  let newcomer: Promise<Connection> | null = null
  hooked.hook = ({ when, operation, path: removed }) => {
    if (when !== 'after' || operation !== 'remove' || !removed.endsWith('-wal')) return
    t.throws(() => connect(path, { vfs, timeoutMs: 0 }), { code: 'ENDMARK_BUSY' })
    newcomer = runAsync(attach(path, OPTIONS)).then((attachment) => new Connection(attachment))
  }
  t.is(last.close(), null)
  const connection = await newcomer!
  t.deepEqual(connection.contents(), [1])
  connection.fillSync([2], 2, 'off')
  t.is(connection.close(), null)
})

test('a read-only connection reads, recovers, follows others, and never writes to the main file', (t) => {
  const path = newPath(t)
  const writer = connect(path, { vfs })
  writer.fillSync([2], 1, 'off')
  writer.vanish()
  const main = readFileSync(path)
  const reader = connect(path, { vfs, readOnly: true })
  t.deepEqual(reader.contents(), [1])
  const again = connect(path, { vfs })
  again.fillSync([2], 2, 'off')
  t.deepEqual(reader.contents(), [2])
  again.vanish()
  t.is(reader.close(), null)
  t.deepEqual(readFileSync(path), main)
  t.true(existsSync(`${path}-wal`), 'what it may not copy stays')
  const last = connect(path, { vfs })
  t.deepEqual(last.contents(), [2])
  t.is(last.close(), null)
  t.deepEqual(filesBeside(path), ['app.db'])
})

test('a writer refuses a database in which SQLite has turned on auto-vacuum since it was opened', (t) => {
  const path = newPath(t)
  const connection = connect(path)
  sqliteNow(path, (db) => {
    db.exec('CREATE TABLE t(x); INSERT INTO t VALUES (1)')
    db.pragma('auto_vacuum = full')
    db.exec('VACUUM')
  })
  const isOn = sqliteNow(path, (db) => db.pragma('auto_vacuum', { simple: true })) === 1
  t.true(isOn)
  t.is(readFileSync(path).readUInt32BE(52), 0, 'the main file does not tell yet')
  t.throws(() => connection.fillSync([2], 1), { code: 'ENDMARK_UNSUPPORTED', message: /auto-vacuum/ })
  t.is(connection.close(), null)
  t.throws(() => connect(path), { code: 'ENDMARK_UNSUPPORTED', message: /auto-vacuum/ })
})

test('SQLite as the other side finds the log, leaves it to us, and cleans up after us', async (t) => {
  const path = newPath(t)
  const connection = connect(path)
  const sqlite = await startReferee(t, path)
  await sqlite.exec('CREATE TABLE t(x); INSERT INTO t VALUES (1)')
  t.is(connection.close(), null)
  t.deepEqual(filesBeside(path), ['app.db', 'app.db-shm', 'app.db-wal'], 'SQLite still has it open')
  await sqlite.exec('INSERT INTO t VALUES (2)')
  const again = connect(path)
  await sqlite.close()
  t.deepEqual(filesBeside(path), ['app.db', 'app.db-shm', 'app.db-wal'], 'we still have it open')
  t.is(again.close(), null)
  t.deepEqual(filesBeside(path), ['app.db'])
  const last = connect(path)
  const other = await startReferee(t, path)
  t.is(await other.value('SELECT count(*) FROM t'), 2)
  last.close()
  await other.close()
  t.deepEqual(filesBeside(path), ['app.db'])
  t.is(await integrityCheck(t, path), 'ok')
})

test('a log that does not belong to the database ends at its first bad frame and leaves the main file alone', (t) => {
  const path = newPath(t)
  const connection = connect(path, { vfs })
  connection.fillSync([2], 1, 'off')
  t.is(connection.close(), null)
  const main = readFileSync(path)
  writeFileSync(`${path}-wal`, new Random(5).bytes(10_000))
  appendFileSync(`${path}-wal`, 'more')
  const next = connect(path, { vfs })
  t.deepEqual(next.contents(), [1])
  t.is(next.close(), null)
  t.deepEqual(readFileSync(path), main)
})

test('a file that cannot be closed keeps nobody out: all the others are closed', (t) => {
  for (const end of ['-shm', '-wal', '']) {
    const path = newPath(t)
    const hooked = new HookedVfs(vfs)
    const connection = connect(path, { vfs: hooked })
    connection.fillSync([2], 1)
    // The kernel has closed it by then.
    hooked.hook = failOn(({ operation, path: file }) => operation === 'close' && file === path + end, { when: 'after' })
    t.like(connection.close(), { code: 'ENDMARK_IO', file: path + end })
    const next = connect(path, { vfs, timeoutMs: 40 })
    t.is(next.valueOf(2), 1)
    t.is(next.close(), null)
    t.deepEqual(filesBeside(path), ['app.db'])
  }
})
