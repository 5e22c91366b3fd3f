/**
 * Recovery held WRITE and waited for CKPT, while a full checkpoint held CKPT and waited for WRITE, until the first deadline
 * ended one of them with a false ENDMARK_BUSY. LOCK-1: nobody waits for CKPT while holding WRITE.
 */
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const END_MARK_OFFSET = 16

test('a full checkpoint and a commit that both find a broken wal-index do not wait for each other', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const [checkpointer, writer] = [connect(path), connect(path)]
  await writer.fill([2], 1)
  t.true(writer.wal.locks.tryExclusive('WRITE'))
  // As a writer leaves it that dies between the two copies of the header.
  writer.attachment.shm.write([new Uint8Array(4).fill(0xff)], END_MARK_OFFSET)
  const checkpoint = checkpointer.checkpoint('full', 60_000)
  const commit = writer.fill([2], 2)
  writer.wal.locks.releaseExclusive('WRITE')
  const { busy } = await checkpoint
  await commit
  t.false(busy)
  t.is(checkpointer.valueOf(2), 2)
  writer.close()
  checkpointer.close()
})
