/**
 * A log that was left beside a missing or empty main file belongs to a database that is gone. Once, its frames turned up in
 * the database created there next.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { NO_FRAME } from '../../src/units.js'
import { connect } from '../support/connection.js'
import { sqliteNow } from '../support/sqlite-now.js'
import { temporaryFolder } from '../support/temporary-folder.js'

for (const [what, leave] of [
  ['missing', (path: string) => rmSync(path)],
  ['empty', (path: string) => writeFileSync(path, '')],
] as const) {
  test(`a log beside a ${what} main file is not taken over by the new database`, (t) => {
    const path = join(temporaryFolder(t), 'app.db')
    const gone = connect(path)
    gone.fillSync([2, 3, 4], 7)
    gone.vanish()
    leave(path)
    const created = connect(path)
    t.is(created.wal.header.endMark, NO_FRAME)
    const held = created.pager.acquire()
    t.is(held.pages.pageCount, 1)
    created.pager.release(held)
    created.close()
    t.deepEqual(
      sqliteNow(path, (db) => db.pragma('integrity_check')),
      [{ integrity_check: 'ok' }],
    )
  })
}
