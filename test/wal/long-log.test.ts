/** Checkpoints of a log so long that only the frames that are copied are looked at in it; the others are known by the wal-index. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Connection, connect } from '../support/connection.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const PAGES = Array.from({ length: 600 }, (_, index) => index + 2)
/** More than a checkpoint reads the headers of. */
const FRAME_COUNT_MIN = 66_000

const FIRST_BLOCK_FRAMES = 4062
const BLOCK_FRAMES = 4096
const BLOCK_SIZE = 32_768

/** Of a frame that is not in the first block. */
function pageNumberOffset(frame: number): number {
  const behindFirst = frame - FIRST_BLOCK_FRAMES - 1
  return (1 + Math.floor(behindFirst / BLOCK_FRAMES)) * BLOCK_SIZE + (behindFirst % BLOCK_FRAMES) * 4
}

async function withLongLog(t: ExecutionContext): Promise<Connection> {
  const connection = connect(join(temporaryFolder(t), 'app.db'), { pageSize: 512 })
  let value = 0
  while (connection.wal.header.endMark < FRAME_COUNT_MIN) await connection.fill(PAGES, ++value % 200, 'off')
  await connection.fill([5], 250, 'off')
  return connection
}

test('a very long log is copied with the newest frame of each page', async (t) => {
  const connection = await withLongLog(t)
  const before = connection.contents()
  const { log, checkpointed } = await connection.checkpoint('passive')
  t.is(checkpointed, log)
  t.is(connection.checkpointSync('truncate').log, 0)
  t.deepEqual(connection.contents(), before)
  t.is(connection.valueOf(5), 250)
  connection.close()
})

test('a wrong page number in the index of a very long log is found, and nothing is copied', async (t) => {
  const connection = await withLongLog(t)
  const before = connection.contents()
  const { endMark } = connection.wal.header
  const frame = endMark - 1
  const bytes = new Uint8Array(4)
  const offset = pageNumberOffset(frame)
  connection.attachment.shm.read(bytes, offset)
  const [page] = new Uint32Array(bytes.buffer)
  t.is(page, PAGES.at(-1), 'the last frame but one is that of the last page')
  // A page that has a newer frame: this one is not copied, and an older one of the last page in its place.
  const damaged = new Uint8Array(new Uint32Array([5]).buffer)
  connection.attachment.shm.write([damaged], offset)
  t.throws(() => connection.checkpointSync('passive'), { code: 'ENDMARK_CORRUPT', message: /frame \d+/ })
  t.is(Number(connection.wal.index.backfill), 0)
  connection.attachment.shm.write([bytes], offset)
  t.is(connection.checkpointSync('truncate').log, 0)
  t.deepEqual(connection.contents(), before)
  connection.close()
})
