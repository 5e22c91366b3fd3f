/** The table of locks tells SQLite's connections from ours, and admits where it cannot. */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { nodeVfs } from '../../src/vfs/index.js'
import { searchLockTable } from '../../src/vfs/node-lock-table.js'
import { connect } from '../support/connection.js'
import { startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const ours = '1: OFDLCK ADVISORY  READ -1 fd:00:4711 128 128'
const sqlites = '2: POSIX  ADVISORY  READ 812 fd:00:4711 128 128'

test('a lock that belongs to a process counts, whoever else holds one', (t) => {
  t.true(searchLockTable(`${ours}\n${sqlites}\n`, 4711))
  t.true(searchLockTable(`${sqlites}\n`, 4711))
})

test('locks of open file descriptions and of other files do not count', (t) => {
  t.false(searchLockTable(`${ours}\n${sqlites.replace('4711', '47110')}\n`, 4711))
  t.false(searchLockTable(`${ours}\n${sqlites.replace('4711', '14711')}\n`, 4711))
})

test('a table without the lock that we hold ourselves says nothing', (t) => {
  t.is(searchLockTable('', 4711), null)
  t.is(searchLockTable(`${sqlites.replace('4711', '12')}\n`, 4711), null)
})

test('on this machine SQLite is seen when it is attached, and not when only we are', async (t) => {
  const seesAll = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]'
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path)
  t.is(await connection.wal.locks.isSqliteAttached(), seesAll ? false : null)
  const sqlite = await startReferee(t, path)
  await sqlite.call((db) => db.prepare('SELECT count(*) FROM sqlite_schema').get())
  t.is(await connection.wal.locks.isSqliteAttached(), seesAll ? true : null)
  await sqlite.kill()
  connection.close()
})

test('a file on which nobody holds a lock of ours tells nothing', async (t) => {
  const file = nodeVfs().open(join(temporaryFolder(t), 'file'), { create: true })
  t.is(await file.hasProcessLocks(), null)
  file.close()
})
