/**
 * The traps (a), (b) and (c) of the lock rules, with the kernel and SQLite as they are. Trap (d), the order
 * in which the wal-index header is read and written, belongs to the wal-index; what it rests on is tested in
 * node-map.test.ts.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AssertionError } from '../../src/assert.js'
import { CKPT_LOCK_BYTE, DMS_LOCK_BYTE, SHARED_FIRST, SHARED_SIZE, WRITE_LOCK_BYTE } from '../../src/format/index.js'
import { nodeVfs, runAsync, SlotLocks, type VfsFile, waitFor } from '../../src/vfs/index.js'
import { startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = nodeVfs()

/** Two open file descriptions of one file, like two processes that have it open. */
function openTwice(t: ExecutionContext): [VfsFile, VfsFile] {
  const path = join(temporaryFolder(t), 'locks')
  const files: [VfsFile, VfsFile] = [vfs.open(path, { create: true }), vfs.open(path, {})]
  t.teardown(() => files.map((file) => file.close()))
  return files
}

test('locks of two descriptions conflict, byte by byte, and end with the description', (t) => {
  const [one, two] = openTwice(t)
  t.true(one.tryLock(120, 2, 'exclusive'))
  t.false(two.tryLock(121, 1, 'shared'))
  t.true(two.tryLock(122, 1, 'exclusive'))
  one.unlock(121, 1)
  t.true(two.tryLock(121, 1, 'shared'))
  t.false(one.tryLock(121, 1, 'exclusive'))
  t.true(one.tryLock(121, 1, 'shared'))
  one.close()
  t.true(two.tryLock(120, 4, 'exclusive'))
})

test('closing a file ends its locks although a map keeps the description alive', (t) => {
  const [one, two] = openTwice(t)
  one.write([new Uint8Array(4096)], 0)
  const map = one.map(0, 65536, { writable: false })
  t.true(one.tryLock(120, 1, 'exclusive'))
  one.close()
  t.true(two.tryLock(120, 1, 'exclusive'))
  t.is(map[0], 0)
})

test('trap (a): through one description a second lock replaces the first, and one unlock ends both', (t) => {
  const [one, two] = openTwice(t)
  t.true(one.tryLock(123, 1, 'shared'))
  t.true(one.tryLock(123, 1, 'exclusive'))
  t.false(two.tryLock(123, 1, 'shared'))
  t.true(one.tryLock(123, 1, 'shared'))
  t.true(two.tryLock(123, 1, 'shared'))
  one.unlock(123, 1)
  t.true(two.tryLock(123, 1, 'exclusive'))
})

test('trap (a): SlotLocks keeps a shared lock until its last holder lets go', (t) => {
  const [one, two] = openTwice(t)
  const locks = new SlotLocks(one)
  t.true(locks.tryShared(123))
  t.true(locks.tryShared(123))
  locks.releaseShared(123)
  t.true(locks.holds(123, 'shared'))
  t.false(two.tryLock(123, 1, 'exclusive'))
  locks.releaseShared(123)
  t.false(locks.holds(123, 'shared'))
  t.true(two.tryLock(123, 1, 'exclusive'))
})

test('trap (a): SlotLocks refuses an exclusive lock over own holders, as if they were another process', (t) => {
  const [one, two] = openTwice(t)
  const locks = new SlotLocks(one)
  t.true(locks.tryShared(125))
  t.false(locks.tryExclusive(125))
  t.false(locks.tryExclusive(124, 4))
  t.true(two.tryLock(125, 1, 'shared'))
  two.unlock(125, 1)
  locks.releaseShared(125)
  t.true(locks.tryExclusive(124, 4))
  t.false(locks.tryExclusive(125))
  t.false(locks.tryShared(126))
  t.true(locks.holds(127, 'exclusive'))
  t.false(locks.holds(128, 'exclusive'))
  t.false(two.tryLock(127, 1, 'shared'))
  locks.releaseExclusive(124)
  t.true(two.tryLock(124, 4, 'exclusive'))
})

test('SlotLocks turns an exclusive lock into a shared one, which others may share and one release ends', (t) => {
  const [one, two] = openTwice(t)
  const locks = new SlotLocks(one)
  t.throws(() => locks.makeShared(124), { instanceOf: AssertionError })
  t.true(locks.tryExclusive(124))
  locks.makeShared(124)
  t.true(locks.holds(124, 'shared'))
  t.true(locks.tryShared(124))
  t.true(two.tryLock(124, 1, 'shared'))
  two.unlock(124, 1)
  locks.releaseShared(124)
  t.false(two.tryLock(124, 1, 'exclusive'))
  locks.releaseShared(124)
  t.true(two.tryLock(124, 1, 'exclusive'))
})

test('SlotLocks holds nothing after a refusal by another description', (t) => {
  const [one, two] = openTwice(t)
  const locks = new SlotLocks(one)
  t.true(two.tryLock(120, 1, 'exclusive'))
  t.false(locks.tryShared(120))
  t.false(locks.tryExclusive(120))
  t.false(locks.holds(120, 'shared') || locks.holds(120, 'exclusive'))
})

test('SlotLocks asserts that a released lock is held and that shared ranges do not overlap in part', (t) => {
  const [one] = openTwice(t)
  const locks = new SlotLocks(one)
  t.throws(() => locks.releaseShared(123), { instanceOf: AssertionError })
  t.true(locks.tryShared(123, 2))
  t.throws(() => locks.releaseExclusive(123), { instanceOf: AssertionError })
  t.throws(() => locks.tryShared(124), { instanceOf: AssertionError })
})

test('trap (b): closing any descriptor of a database drops the locks of SQLite in that process', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const sqlite = await startReferee(t, path, { timeoutMs: 0 })
  await sqlite.exec('CREATE TABLE t(a); BEGIN EXCLUSIVE')
  const file = vfs.open(path, {})
  t.teardown(() => file.close())
  t.false(file.tryLock(SHARED_FIRST, SHARED_SIZE, 'shared'))
  const believesToHoldThem = await sqlite.call((db) => {
    const { closeSync, openSync } = process.getBuiltinModule('node:fs')
    closeSync(openSync(db.name, 'r'))
    return db.inTransaction
  })
  t.true(believesToHoldThem)
  t.true(file.tryLock(SHARED_FIRST, SHARED_SIZE, 'exclusive'))
})

test('trap (c): waiters leave the pool free for fdatasync, however many wait', async (t) => {
  const [one, two] = openTwice(t)
  t.true(one.tryLock(120, 1, 'exclusive'))
  const waiters = Array.from({ length: 8 }, () =>
    runAsync(waitFor(() => two.tryLock(120, 1, 'shared'), { vfs, timeoutMs: Number.POSITIVE_INFINITY, what: 'it' })),
  )
  // With four threads of the pool parked in a waiting lock call, this would never resolve.
  await one.datasync()
  one.unlock(120, 1)
  await t.notThrowsAsync(Promise.all(waiters))
})

test('an exclusive lock on the shared range makes SQLite report BUSY, and the reverse', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const sqlite = await startReferee(t, path, { timeoutMs: 0 })
  await sqlite.exec('CREATE TABLE t(a)')
  const file = vfs.open(path, {})
  t.teardown(() => file.close())

  t.true(file.tryLock(SHARED_FIRST, SHARED_SIZE, 'exclusive'))
  await t.throwsAsync(sqlite.all('SELECT * FROM t'), { code: 'SQLITE_BUSY' })
  file.unlock(SHARED_FIRST, SHARED_SIZE)
  t.deepEqual(await sqlite.all('SELECT * FROM t'), [])

  await sqlite.exec('BEGIN EXCLUSIVE')
  t.false(file.tryLock(SHARED_FIRST, SHARED_SIZE, 'shared'))
  await sqlite.exec('COMMIT')
  t.true(file.tryLock(SHARED_FIRST, SHARED_SIZE, 'shared'))
})

test('in WAL mode the lock bytes of the -shm file conflict with those of SQLite, and vanish when it is killed', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const sqlite = await startReferee(t, path, { timeoutMs: 0 })
  await sqlite.exec('PRAGMA journal_mode = WAL; CREATE TABLE t(a)')
  const file = vfs.open(`${path}-shm`, {})
  t.teardown(() => file.close())
  t.false(file.tryLock(DMS_LOCK_BYTE, 1, 'exclusive'))

  t.true(file.tryLock(WRITE_LOCK_BYTE, 1, 'exclusive'))
  await t.throwsAsync(sqlite.exec('INSERT INTO t VALUES (1)'), { code: 'SQLITE_BUSY' })
  t.deepEqual(await sqlite.all('SELECT * FROM t'), [])
  file.unlock(WRITE_LOCK_BYTE, 1)

  t.true(file.tryLock(CKPT_LOCK_BYTE, 1, 'exclusive'))
  t.is((await sqlite.checkpoint('passive')).busy, 1)
  file.unlock(CKPT_LOCK_BYTE, 1)

  await sqlite.exec('BEGIN IMMEDIATE')
  t.false(file.tryLock(WRITE_LOCK_BYTE, 1, 'exclusive'))
  await sqlite.kill()
  t.true(file.tryLock(WRITE_LOCK_BYTE, 1, 'exclusive'))
  t.true(file.tryLock(DMS_LOCK_BYTE, 1, 'exclusive'))
})
