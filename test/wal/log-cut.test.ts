/** A long log file is cut in slices: others write in between, and what they have written stays. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { checkpoint, cutLog, runAsync, runSync } from '../../src/wal/index.js'
import { type Connection, connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const PAGE_SIZE = 65_536
const MEGABYTE = 1 << 20
const PAGES = Array.from({ length: 100 }, (_, index) => index + 2)

/** Two connections on a log that has been started over in a file of 150 MB. */
async function withLongFile(t: ExecutionContext): Promise<[Connection, Connection]> {
  const path = join(temporaryFolder(t), 'app.db')
  const [connection, other] = [connect(path, { pageSize: PAGE_SIZE }), connect(path)]
  while (connection.wal.log.file.size() < 150 * MEGABYTE) await connection.fill(PAGES, 1, 'off')
  const options = { mode: 'truncate', synchronous: 'off', timeoutMs: 0, leavesFile: true } as const
  t.like(runSync(checkpoint(connection.wal, options)), { busy: false, log: 0 })
  t.true(connection.wal.log.file.size() >= 150 * MEGABYTE, 'as long as it was')
  return [connection, other]
}

test('between two slices others commit, and the file is cut to what is in use', async (t) => {
  const [connection, other] = await withLongFile(t)
  const { file } = connection.wal.log
  const sizes = [file.size()]
  const steps = cutLog(connection.wal, () => true)
  for (let value = 2; !steps.next().done; value++) {
    sizes.push(file.size())
    await other.fill([value], value)
    const held = connection.pager.acquire()
    connection.pager.release(held)
  }
  t.is(sizes.length, 3, `in slices: ${sizes.join()}`)
  t.true(file.size() < 2 * MEGABYTE)
  const expected = PAGES.map((page) => (page < 2 + sizes.length - 1 ? page : 1))
  t.deepEqual(connection.contents(), expected)
  await other.fill([50], 77)
  t.is(connection.valueOf(50), 77)
  connection.close()
  other.close()
})

test('who cuts a log makes way for a writer that stays, and stops when it is told to', async (t) => {
  const [connection, other] = await withLongFile(t)
  const { file } = connection.wal.log
  const before = file.size()
  t.true(other.wal.tryLockWrite())
  await runAsync(cutLog(connection.wal, () => true))
  t.is(file.size(), before)
  other.wal.locks.releaseExclusive('WRITE')
  let asked = 0
  await runAsync(cutLog(connection.wal, () => ++asked === 1))
  t.is(file.size(), before - 64 * MEGABYTE)
  await other.fill([3], 9)
  t.is(connection.valueOf(3), 9)
  connection.close()
  other.close()
})
