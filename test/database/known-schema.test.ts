/**
 * The schema that a write is encoded by: the newest one, whoever changed it, and found without taking a read mark as long as
 * page 1 was not changed, since read marks of those who only write would keep a busy log from being started over.
 */
import { spawnSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/database.js'
import { frameNumber, pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { connect } from '../support/connection.js'
import { HookedVfs } from '../support/hooked-vfs.js'
import { openDatabase, rejects, temporaryPath } from '../support/open-database.js'
import { openOver } from '../support/open-hooked.js'

const MAP = { key: 'integer', value: 'integer' } as const
const READ_LOCKS = { first: 123, last: 127 }

async function openHooked(
  t: ExecutionContext,
  path: string,
): Promise<{ readonly db: Database; readonly vfs: HookedVfs }> {
  const vfs = new HookedVfs(nodeVfs())
  const db = await openOver(vfs, path)
  t.teardown(() => db.close())
  return { db, vfs }
}

/** Read locks that the call itself tries to take, before its batch begins. */
function readLocksOf(
  vfs: HookedVfs,
  call: () => Promise<unknown>,
): { readonly count: number; readonly done: Promise<unknown> } {
  let count = 0
  vfs.hook = ({ when, operation, path, offset = 0 }) => {
    if (when !== 'before' || operation !== 'tryLock' || !path.endsWith('-shm')) return
    if (offset >= READ_LOCKS.first && offset <= READ_LOCKS.last) count++
  }
  const done = call()
  vfs.hook = () => {}
  return { count, done }
}

test('after commits of others a write takes no read mark, unless they changed page 1', async (t) => {
  const path = temporaryPath(t)
  const other = await openDatabase(t, path)
  const others = await other.map('m', MAP)
  await others.put(1, 0)
  const { db, vfs } = await openHooked(t, path)
  const map = await db.map<number, number>('m')
  await map.put(1, 1)

  await others.put(1, 2)
  const plain = readLocksOf(vfs, () => map.put(1, 3))
  t.is(plain.count, 0)
  await plain.done

  await other.map('another', MAP)
  const changed = readLocksOf(vfs, () => map.put(1, 4))
  t.true(changed.count > 0)
  await changed.done

  await others.put(1, 5)
  await other.checkpoint({ mode: 'restart' })
  await others.put(1, 6)
  const restarted = readLocksOf(vfs, () => map.put(1, 7))
  t.true(restarted.count > 0, 'the log was started over: what happened in between cannot be told')
  await restarted.done
  t.is(others.get(1), 7)
})

test('a write goes by the schema that another process has just committed', async (t) => {
  const path = temporaryPath(t)
  const db = await openDatabase(t, path)
  const table = await db.table<{ id: number; a: string; b?: string }>('t', {
    columns: { id: 'integer', a: 'text' },
    primaryKey: 'id',
  })
  await table.put({ id: 1, a: 'one' })
  const alter = `new (require('better-sqlite3'))(process.argv[1]).exec('ALTER TABLE t ADD COLUMN b TEXT')`
  const { status, stderr } = spawnSync(process.execPath, ['-e', alter, path], { encoding: 'utf8' })
  t.is(status, 0, stderr)
  await table.put({ id: 2, a: 'two', b: 'new' })
  t.deepEqual(table.get(2), { id: 2, a: 'two', b: 'new' })
  const other = await openDatabase(t, path)
  await other.dropStore('t')
  await rejects(t, () => table.put({ id: 3, a: 'three' }), 'ENDMARK_NOT_FOUND')
})

test('the wal-index tells whether a page is among the frames after one, across its blocks', (t) => {
  const connection = connect(temporaryPath(t), { pageSize: 512 })
  const { index, header } = connection.wal
  const pages = Array.from({ length: 600 }, (_, i) => i + 3)
  connection.fillSync([2], 1, 'off')
  for (let i = 0; i < 8; i++) connection.fillSync(pages, i + 1, 'off')
  t.true(header.endMark > 4062, 'more than the first block holds')
  const isUntouched = (page: number, after: number) => index.isUntouched(pageNumber(page), frameNumber(after), header)
  let last = 0
  for (let frame = 1; frame <= header.endMark; frame++) if (index.pageOfFrame(frameNumber(frame)) === 2) last = frame
  t.true(last > 0)
  t.false(isUntouched(2, last - 1))
  t.true(isUntouched(2, last))
  t.false(isUntouched(3, 4061))
  t.false(isUntouched(3, 0))
  t.true(isUntouched(700, 0))
  t.true(isUntouched(3, header.endMark))
  const lastPage = index.pageOfFrame(header.endMark)
  t.false(isUntouched(lastPage, header.endMark - 1))
  connection.close()
})
