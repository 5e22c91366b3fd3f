/**
 * The question whether others are attached failed after a commit, and the promises of its batch were never settled.
 */
import { join } from 'node:path'
import test from 'ava'
import { WriteGap } from '../../src/txn/write-gap.js'
import { connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const STREAK = { startMs: 0, endMs: 1000 }

test('a long streak of batches is followed by a gap if another connection is attached, and only then', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const one = connect(path)
  t.is(new WriteGap(one.wal).after(STREAK), 0)
  const two = connect(path)
  t.true(new WriteGap(one.wal).after(STREAK) > 0)
  t.is(new WriteGap(one.wal).after({ startMs: 0, endMs: 1 }), 0, 'a short one')
  two.close()
  t.is(new WriteGap(one.wal).after(STREAK), 0)
  one.fillSync([2], 1)
  one.close()
})

test('a question that fails leaves the gap and does not fail the batch before it', (t) => {
  const one = connect(join(temporaryFolder(t), 'app.db'))
  one.wal.locks.isAlone = () => {
    throw new Error('EIO')
  }
  t.notThrows(() => t.true(new WriteGap(one.wal).after(STREAK) > 0))
  one.close()
})
