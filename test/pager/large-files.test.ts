/** Files larger than a map window and larger than 4 GiB, and files that became shorter under us (MAP-1). */
import { closeSync, ftruncateSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeNewDatabase, lockBytePage, setPageCount } from '../../src/format/index.js'
import { pageNumber } from '../../src/units.js'
import { type MapProviderName, nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect, contentsOf, uniformValue } from '../support/connection.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const GIB = 2 ** 30
const WINDOW = 2 ** 26

const newPath = (t: ExecutionContext) => join(temporaryFolder(t), 'app.db')

/** mmap-io is an optional dependency that is not built for every Node. */
function isBuilt(mapProvider: MapProviderName): boolean {
  const file = nodeVfs({ mapProvider }).open(process.execPath, { readOnly: true })
  try {
    return file.map(0, 4096, { writable: false }).length > 0
  } catch {
    return false
  } finally {
    file.close()
  }
}

for (const mapProvider of (['mmap-io', 'koffi'] as const).filter(isBuilt)) {
  test.serial(`log and main file grow through several windows under one reader, with maps by ${mapProvider}`, (t) => {
    const path = newPath(t)
    const pageSize = 65536
    const vfs = nodeVfs({ mapProvider })
    const writer = connect(path, { vfs, pageSize })
    const reader = connect(path, { vfs })
    const pageMax = WINDOW / pageSize + 40
    for (let first = 2; first <= pageMax; first += 106) {
      const pages = Array.from({ length: Math.min(106, pageMax - first + 1) }, (_, i) => first + i)
      writer.fillSync(pages, first % 251, 'off')
      t.is(reader.valueOf(first), first % 251)
      t.is(reader.valueOf(pages.at(-1)!), first % 251)
    }
    t.true(statSync(`${path}-wal`).size > WINDOW)
    const held = reader.pager.acquire()
    const inLog = contentsOf(held)
    writer.checkpointSync()
    t.true(statSync(path).size > WINDOW)
    t.deepEqual(contentsOf(held), inLog)
    reader.pager.release(held)
    const again = reader.pager.acquire()
    t.is(again.snapshot.slot, 0)
    t.deepEqual(contentsOf(again), inLog, 'the same, from the main file')
    reader.pager.release(again)
    reader.close()
    writer.close()
  })
}

/** A database of `pageCount` pages, all but the first a hole. */
function sparseDatabase(path: string, pageSize: number, pageCount: number): void {
  const first = encodeNewDatabase(pageSize)
  setPageCount(first, pageCount)
  const fd = openSync(path, 'w')
  writeSync(fd, first)
  ftruncateSync(fd, pageCount * pageSize)
  closeSync(fd)
}

function byteAt(path: string, offset: number): number {
  const fd = openSync(path, 'r')
  const byte = new Uint8Array(1)
  readSync(fd, byte, 0, 1, offset)
  closeSync(fd)
  return byte[0]!
}

for (const pageSize of [512, 4096, 65536]) {
  test.serial(
    `a sparse database of more than 4 GiB is read and written, with pages of ${pageSize} bytes`,
    async (t) => {
      const path = newPath(t)
      const pageCount = (5 * GIB) / pageSize
      sparseDatabase(path, pageSize, pageCount)
      const connection = connect(path)
      const at = (offset: number) => offset / pageSize
      const pages = [2, at(2 * GIB), at(2 * GIB) + 1, at(4 * GIB), at(4 * GIB) + 1, at(4 * GIB) + 2, pageCount]
      const read = (from: Connection) => pages.map((page) => from.valueOf(page))
      t.deepEqual(
        read(connection),
        pages.map(() => 0),
      )
      for (const [i, page] of pages.entries()) await connection.fill([page], i + 1)
      t.deepEqual(read(connection), [1, 2, 3, 4, 5, 6, 7])
      const other = connect(path)
      t.deepEqual(read(other), [1, 2, 3, 4, 5, 6, 7])
      const { log, checkpointed } = connection.checkpointSync('truncate')
      t.deepEqual([log, checkpointed], [0, 0])
      t.deepEqual(read(connection), [1, 2, 3, 4, 5, 6, 7])
      t.deepEqual(read(other), [1, 2, 3, 4, 5, 6, 7])
      for (const [i, page] of pages.entries()) t.is(byteAt(path, (page - 1) * pageSize + 5), i + 1)
      await other.fill([pageCount, pageCount + 1], 9)
      t.is(connection.valueOf(pageCount + 1), 9)
      connection.close()
      t.is(other.close(), null)
      t.is(statSync(path).size, 5 * GIB + pageSize)
      t.true(statSync(path).blocks * 512 < 64 << 20, 'it is still sparse')
      t.is(
        sqliteNow(path, (db) => db.pragma('page_count', { simple: true })),
        pageCount + 1,
      )
    },
  )
}

test.serial('the lock-byte page is skipped when the database grows, and never read or written', (t) => {
  const path = newPath(t)
  const pageSize = 65536
  const skipped = lockBytePage(pageSize)
  t.is<number, number>(skipped, GIB / pageSize + 1)
  sparseDatabase(path, pageSize, skipped - 1)
  const connection = connect(path)
  const added = connection.commits.runSync(
    (pages) => {
      const { number, bytes } = pages.grow()
      bytes.fill(7)
      t.throws(() => pages.page(skipped), { code: 'ENDMARK_CORRUPT', message: /lock-byte page/ })
      return number
    },
    { synchronous: 'off' },
  )
  t.is<number, number>(added, skipped + 1)
  const held = connection.pager.acquire()
  t.is(held.pages.pageCount, skipped + 1)
  t.is(uniformValue(held.pages.page(added).bytes), 7)
  t.throws(() => held.pages.page(skipped), { code: 'ENDMARK_CORRUPT', message: /lock-byte page/ })
  connection.pager.release(held)
  t.is(connection.close(), null)
  t.is(byteAt(path, GIB), 0)
  t.is(byteAt(path, GIB + pageSize), 7)
})

test('pages that do not exist are refused with their number, and no page is read after its state was released', (t) => {
  const path = newPath(t)
  const connection = connect(path)
  connection.fillSync([2, 3], 1, 'off')
  const held = connection.pager.acquire()
  for (const page of [0, 4, 5000, 2 ** 32 - 1]) {
    t.throws(() => held.pages.page(pageNumber(page)), { code: 'ENDMARK_CORRUPT', message: new RegExp(`page ${page}`) })
  }
  connection.pager.release(held)
  t.throws(() => held.pages.page(pageNumber(2)), { code: 'ENDMARK_CLOSED' })
  t.throws(() => held.snapshot.release(), { name: 'AssertionError' })
  connection.close()
})

test('a file that somebody cut off is damage that is named, not a crash', (t) => {
  const path = newPath(t)
  const connection = connect(path)
  connection.fillSync([2, 3, 4, 5, 6], 1, 'off')
  t.is(connection.close(), null)
  truncateSync(path, 3 * 4096 + 100)
  const next = connect(path)
  t.is(next.valueOf(3), 1)
  t.throws(() => next.valueOf(4), { code: 'ENDMARK_CORRUPT', message: /app\.db, page 4: .*ends before/ })
  t.throws(() => next.valueOf(6), { code: 'ENDMARK_CORRUPT', message: /page 6/ })
  next.fillSync([2], 2, 'off')
  const reader = connect(path)
  truncateSync(`${path}-wal`, 1000)
  t.throws(() => reader.valueOf(2), { code: 'ENDMARK_CORRUPT', message: /app\.db-wal.*ends before frame 1/ })
  t.throws(() => reader.checkpointSync(), { code: 'ENDMARK_CORRUPT' })
  reader.vanish()
  next.vanish()
})
