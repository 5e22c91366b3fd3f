/**
 * What recoveries and checkpoints did to each other.
 *
 * Recovery held WRITE and waited for CKPT, while a full checkpoint held CKPT and waited for WRITE, until the first deadline
 * ended one of them with a false ENDMARK_BUSY. LOCK-1: nobody waits for CKPT while holding WRITE.
 */
import { join } from 'node:path'
import test from 'ava'
import { type Connection, connect, contentsOf } from '../support/connection.js'
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

// Found by a random schedule. A recovery forgets how far the log was copied; the next checkpoint, held up by a reader in the
// middle of the log, copied the versions up to there over newer ones, on which readers from before the recovery relied (WAL-7).
test('a checkpoint after a recovery takes no page back to an older version', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const connections = Array.from({ length: 4 }, () => connect(path))
  const [writer, checkpointer, reader, slow] = connections as [Connection, Connection, Connection, Connection]
  await writer.fill([2, 3], 1)
  const middle = writer.wal.header.endMark
  await writer.fill([2], 2)
  // Keeps the log from being started over.
  const keeping = slow.pager.acquire()
  t.is(checkpointer.checkpointSync().checkpointed, writer.wal.header.endMark, 'the main file has the second version')
  await writer.fill([3], 3)
  const held = reader.pager.acquire()
  // As a reader does that finds no better mark: it stands lower than its state.
  const slot = 4
  slow.wal.index.setReadMark(slot, middle)
  t.true(slow.wal.locks.tryRead(slot))
  // As a writer leaves it that dies between the two copies of the header.
  writer.attachment.shm.write([new Uint8Array(4).fill(0xff)], END_MARK_OFFSET)
  const { checkpointed } = checkpointer.checkpointSync()
  t.is(checkpointed, middle, 'no further than the mark')
  t.deepEqual(contentsOf(held), [2, 3])
  t.deepEqual(writer.contents(), [2, 3])
  reader.pager.release(held)
  slow.wal.locks.releaseRead(slot)
  slow.pager.release(keeping)
  t.is(checkpointer.checkpointSync('truncate').log, 0)
  t.deepEqual(writer.contents(), [2, 3])
  for (const connection of connections) connection.close()
})

// Found by a random schedule, by a watch that read the pages of a state from before the recovery: the checkpoint had taken the count back
// with which the recovery says that anything may have been copied.
test('a checkpoint after a recovery brings back no state that the main file has overwritten', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const connections = Array.from({ length: 3 }, () => connect(path))
  const [writer, checkpointer, slow] = connections as [Connection, Connection, Connection]
  await writer.fill([2, 3], 1)
  t.is(checkpointer.checkpointSync('truncate').log, 0)
  await writer.fill([2], 2)
  const middle = writer.wal.header.clone()
  await writer.fill([3], 3)
  // Keeps the log from being started over.
  const keeping = slow.pager.acquire()
  t.is(checkpointer.checkpointSync().checkpointed, writer.wal.header.endMark, 'the main file has the second version')
  t.is(writer.pager.acquirePast(middle), null)
  const slot = 4
  slow.wal.index.setReadMark(slot, middle.endMark)
  t.true(slow.wal.locks.tryRead(slot))
  writer.attachment.shm.write([new Uint8Array(4).fill(0xff)], END_MARK_OFFSET)
  t.is(checkpointer.checkpointSync().checkpointed, middle.endMark, 'no further than the mark')
  t.is(writer.pager.acquirePast(middle), null, 'its page 3 is nowhere any more')
  slow.wal.locks.releaseRead(slot)
  slow.pager.release(keeping)
  for (const connection of connections) connection.close()
})
