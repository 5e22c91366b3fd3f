/**
 * A reader looked for an old page. It had its read lock and had found the header unchanged; then SQLite committed again and
 * checkpointed up to the reader's mark. SQLite leaves out pages that have a newer frame than it may copy, so the
 * main file did not have the reader's version. The reader took `backfill` only now, as the start of its frame map,
 * and read the page from the main file. SNAP-5: `backfill` is read before the header is compared.
 */
import { join } from 'node:path'
import test from 'ava'
import { pageNumber } from '../../src/units.js'
import { connect } from '../support/connection.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('a snapshot reads its own version of a page although a checkpoint passed it by in between', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const change = (value: string) => `UPDATE t SET b = '${value}' WHERE a = 1`
  sqliteNow(path, (db) => {
    db.pragma('journal_mode = WAL')
    db.exec(`CREATE TABLE t (a, b);
      WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200)
      INSERT INTO t SELECT i, zeroblob(400) FROM c`)
  })
  const keeper = connect(path)
  sqliteNow(path, (db, sql) => db.pragma('wal_autocheckpoint = 0') && db.exec(sql as string), change('needle-A'))
  const reader = connect(path)
  const { index } = reader.wal
  const isCurrent = index.isCurrent.bind(index)
  let meanwhile = false
  index.isCurrent = (header) => {
    const answer = isCurrent(header)
    if (answer && !meanwhile) {
      meanwhile = true
      sqliteNow(
        path,
        (db, sql) => {
          db.pragma('wal_autocheckpoint = 0')
          db.exec(sql as string)
          db.pragma('wal_checkpoint(PASSIVE)')
        },
        change('needle-B'),
      )
    }
    return answer
  }
  const held = reader.pager.acquire()
  t.true(meanwhile)
  const texts = Array.from({ length: held.pages.pageCount }, (_, i) =>
    Buffer.from(held.pages.page(pageNumber(i + 1)).bytes).toString('latin1'),
  )
  t.deepEqual(
    texts.flatMap((text) => /needle-./.exec(text)?.[0] ?? []),
    ['needle-A'],
  )
  reader.pager.release(held)
  reader.close()
  keeper.close()
})
