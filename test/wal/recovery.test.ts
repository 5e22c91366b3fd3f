/**
 * Rebuilding the wal-index from the log: it ends at the first frame that does not verify, and the last commit before
 * that is the state (WAL-4). The expected state comes from a reader that shares no code with the engine.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { frameNumber, pageNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { connect, contentsOf } from '../support/connection.js'
import { failOn, HookedVfs, type VfsEvent } from '../support/hooked-vfs.js'
import { checksum, parseLog, readIndexFile, readLogFile } from '../support/independent-wal-reader.js'
import { Random } from '../support/random.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const vfs = smallMaps(nodeVfs())
const PAGE_SIZE = 512
const FRAME_SIZE = 24 + PAGE_SIZE

interface Damaged {
  readonly path: string
  readonly main: Buffer
  /** A log of three commits with 3, 1 and 2 frames. */
  readonly log: Buffer
}

function withLog(t: ExecutionContext, commit = threeCommits): Damaged {
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path, { vfs, pageSize: PAGE_SIZE })
  commit(connection)
  connection.vanish()
  return { path, main: readFileSync(path), log: withoutRoom(readFileSync(`${path}-wal`)) }
}

/** Up to the end of the last frame: behind it the file has room for the next ones, all zeros. */
function withoutRoom(log: Buffer): Buffer {
  const used = log.findLastIndex((byte) => byte !== 0) + 1
  return log.subarray(0, 32 + Math.ceil((used - 32) / FRAME_SIZE) * FRAME_SIZE)
}

function threeCommits(connection: ReturnType<typeof connect>): void {
  connection.fillSync([2, 3], 1, 'off')
  connection.fillSync([2], 2, 'off')
  connection.fillSync([3, 2], 3, 'off')
}

function byFiles(main: Buffer, logBytes: Buffer): number[] {
  const log = parseLog(logBytes)
  const pageCount = log === null || log.pageCount === 0 ? main.length / PAGE_SIZE : log.pageCount
  const contents = Array.from({ length: pageCount - 1 }, (_, i) => main[(i + 1) * PAGE_SIZE]!)
  for (const { page, image } of log?.frames ?? []) if (page > 1) contents[page - 2] = image[0]!
  return contents
}

/** What a newcomer finds with this log; the files are as before afterwards. */
function recovered({ path }: Damaged, log: Buffer): number[] {
  writeFileSync(`${path}-wal`, log)
  const connection = connect(path, { vfs })
  const contents = connection.contents()
  connection.vanish()
  return contents
}

test('a changed byte anywhere in the headers ends the log there', (t) => {
  const damaged = withLog(t)
  const { main, log } = damaged
  t.deepEqual(byFiles(main, log), [3, 3])
  const offsets = Array.from({ length: 32 }, (_, i) => i)
  for (let start = 32; start < log.length; start += FRAME_SIZE) for (let i = 0; i < 24; i++) offsets.push(start + i)
  const states = new Set<string>()
  for (const offset of offsets) {
    const changed = Buffer.from(log)
    changed[offset]! ^= 1 << (offset % 8)
    const contents = recovered(damaged, changed)
    states.add(contents.join())
    t.deepEqual(contents, byFiles(main, changed), `byte ${offset}`)
  }
  t.deepEqual([...states].sort(), ['', '1,1', '2,1'])
})

test('a changed byte in any page image ends the log there', (t) => {
  const damaged = withLog(t)
  const { main, log } = damaged
  const random = new Random(1)
  for (let start = 32; start < log.length; start += FRAME_SIZE) {
    for (const offset of [0, 511, random.below(512), random.below(512)]) {
      const changed = Buffer.from(log)
      changed[start + 24 + offset]! ^= 0x10
      t.deepEqual(recovered(damaged, changed), byFiles(main, changed))
    }
  }
})

test('a log cut off anywhere in its last frame loses the last commit and nothing else', (t) => {
  const damaged = withLog(t)
  const { log } = damaged
  for (let length = log.length - FRAME_SIZE; length < log.length; length += length % 100 < 26 ? 1 : 13) {
    t.deepEqual(recovered(damaged, log.subarray(0, length)), [2, 1], `${length} bytes`)
  }
  for (let length = 0; length <= 32; length += 4) t.deepEqual(recovered(damaged, log.subarray(0, length)), [])
  t.deepEqual(recovered(damaged, log), [3, 3])
})

test('frames behind the last commit do not exist, and the next commit takes their place', (t) => {
  const damaged = withLog(t)
  const { log, path } = damaged
  const withoutMark = Buffer.from(log)
  withoutMark.writeUInt32BE(0, 32 + 5 * FRAME_SIZE + 4)
  reseal(withoutMark, false)
  t.is(parseLog(withoutMark)!.uncommittedCount, 2)
  t.deepEqual(recovered(damaged, withoutMark), [2, 1])
  const connection = connect(path, { vfs })
  connection.fillSync([2], 8, 'off')
  t.deepEqual(connection.contents(), [8, 1])
  t.is(readLogFile(`${path}-wal`)!.frames.length, 5)
  connection.vanish()
  t.deepEqual(recovered(damaged, readFileSync(`${path}-wal`)), [8, 1])
})

/** Writes the checksums of header and frames anew, in either byte order, by the independent arithmetic. */
function reseal(log: Buffer, isBigEndian: boolean): void {
  log.writeUInt32BE(isBigEndian ? 0x377f0683 : 0x377f0682, 0)
  let sums = checksum(log.subarray(0, 24), isBigEndian, [0n, 0n])
  const put = (at: number) => {
    log.writeUInt32BE(Number(sums[0]), at)
    log.writeUInt32BE(Number(sums[1]), at + 4)
  }
  put(24)
  for (let at = 32; at + FRAME_SIZE <= log.length; at += FRAME_SIZE) {
    sums = checksum(log.subarray(at, at + 8), isBigEndian, sums)
    sums = checksum(log.subarray(at + 24, at + FRAME_SIZE), isBigEndian, sums)
    put(at + 16)
  }
}

for (const isBigEndian of [false, true]) {
  test(`a log with ${isBigEndian ? 'big' : 'little'}-endian checksums is read and continued`, (t) => {
    const damaged = withLog(t)
    const log = Buffer.from(damaged.log)
    reseal(log, isBigEndian)
    t.deepEqual(recovered(damaged, log), [3, 3])
    const connection = connect(damaged.path, { vfs })
    connection.fillSync([3], 4, 'off')
    t.is(readLogFile(`${damaged.path}-wal`)!.isBigEndian, isBigEndian)
    connection.vanish()
    t.deepEqual(recovered(damaged, readFileSync(`${damaged.path}-wal`)), [3, 4])
    const last = connect(damaged.path, { vfs })
    last.checkpointSync()
    last.fillSync([2], 5, 'off')
    t.is(readLogFile(`${damaged.path}-wal`)!.frames.length, 1)
    t.is(last.close(), null)
    t.false(existsSync(`${damaged.path}-wal`))
  })
}

test('frames that an older generation left behind a restarted log stay dead', (t) => {
  const damaged = withLog(t, (connection) => {
    threeCommits(connection)
    connection.checkpointSync()
    connection.fillSync([2], 7, 'off')
  })
  t.is(damaged.log.length, 32 + 6 * FRAME_SIZE, 'the file keeps its length')
  t.is(parseLog(damaged.log)!.frames.length, 1)
  t.deepEqual(recovered(damaged, damaged.log), [7, 3])
  const changed = Buffer.from(damaged.log)
  changed[32]! ^= 1
  t.deepEqual(recovered(damaged, changed), [3, 3], 'without the new frame the main file has everything')
})

test('a log whose header was not written any more is an empty log', (t) => {
  const damaged = withLog(t)
  const log = Buffer.from(damaged.log)
  log.fill(0xff, 0, 32)
  t.deepEqual(recovered(damaged, log), [])
  const connection = connect(damaged.path, { vfs })
  connection.fillSync([2], 1, 'off')
  t.is(readLogFile(`${damaged.path}-wal`)!.frames.length, 2)
  connection.vanish()
  t.deepEqual(recovered(damaged, readFileSync(`${damaged.path}-wal`)), [1])
})

test('a -shm that looks right but outlived its log is not believed', (t) => {
  // The first opener resets it: nobody can know what happened to the log while no one was there.
  const damaged = withLog(t)
  const { log } = damaged
  const index = readFileSync(`${damaged.path}-shm`)
  t.deepEqual(recovered(damaged, log.subarray(0, log.length - 1)), [2, 1])
  writeFileSync(`${damaged.path}-shm`, index)
  t.deepEqual(recovered(damaged, log.subarray(0, log.length - 1)), [2, 1])
  writeFileSync(`${damaged.path}-shm`, index)
  t.deepEqual(recovered(damaged, Buffer.alloc(0)), [])
})

test('a log without a commit is continued under new salts', (t) => {
  const damaged = withLog(t)
  const log = Buffer.from(damaged.log)
  log[32 + 16]! ^= 1
  t.deepEqual(recovered(damaged, log), [])
  const connection = connect(damaged.path, { vfs })
  connection.fillSync([2], 5, 'off')
  const now = readLogFile(`${damaged.path}-wal`)!
  const before = parseLog(log)!
  t.not(`${now.salt1}/${now.salt2}`, `${before.salt1}/${before.salt2}`)
  t.deepEqual(connection.contents(), [5])
  connection.vanish()
})

test('what writers that died left in the wal-index does not pile up', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path, { vfs, pageSize: PAGE_SIZE })
  connection.fillSync([2, 3], 1, 'off')
  for (let round = 1; round <= 5; round++) {
    const dying = connect(path, { vfs })
    t.true(dying.wal.tryLockWrite())
    const { endMark } = dying.wal.header
    for (let i = 1; i <= 3000; i++) dying.wal.index.addFrame(frameNumber(endMark + i), pageNumber(1000 + i))
    dying.vanish()
    connection.fillSync([2], round, 'off')
    t.deepEqual(connection.contents(), [round, 1])
    const index = readIndexFile(`${path}-shm`)
    t.is(index.frameOf(2, index.endMark), index.endMark)
    t.is(index.frameOf(1001, index.endMark + 4000), 0, 'nothing is left of it')
  }
  connection.close()
})

test('a log with pages of another size is refused, and nothing is written', (t) => {
  const small = withLog(t)
  const folder = temporaryFolder(t)
  const path = join(folder, 'app.db')
  connect(path, { pageSize: 1024 }).close()
  copyFileSync(`${small.path}-wal`, `${path}-wal`)
  const main = readFileSync(path)
  t.throws(() => connect(path, { vfs }), {
    code: 'ENDMARK_CORRUPT',
    message: /pages of 512 bytes, the main file of 1024/,
  })
  t.deepEqual(readFileSync(path), main)
  t.deepEqual(readFileSync(`${path}-wal`), readFileSync(`${small.path}-wal`))
  t.false(existsSync(`${path}-shm`))
})

test('a recovery keeps the read marks that readers hold', (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const reader = connect(path, { vfs })
  reader.fillSync([2, 3], 1, 'off')
  const held = reader.pager.acquire()
  const writer = connect(path, { vfs })
  writer.fillSync([2], 2, 'off')
  const shm = writer.attachment.shm
  const header = new Uint8Array(96)
  shm.write([header], 0)
  t.deepEqual(writer.contents(), [2, 1])
  t.is(writer.checkpointSync().checkpointed, 3, 'the reader needs all after its end mark')
  t.deepEqual(contentsOf(held), [1, 1])
  t.is(writer.contents()[0], 2)
  reader.vanish()
  writer.close()
})

test('what is found is synced before anybody may commit behind it (WAL-8)', (t) => {
  const { path, main, log } = withLog(t)
  const isLogSync = ({ operation, path: synced }: VfsEvent) => operation === 'datasync' && synced.endsWith('-wal')
  const hooked = new HookedVfs(vfs)
  let syncs = 0
  hooked.hook = (event) => {
    if (event.when === 'after' && isLogSync(event)) syncs++
  }
  const second = connect(path, { vfs: hooked })
  t.is(syncs, 1)
  t.deepEqual(second.contents(), byFiles(main, log))
  second.vanish()
  const third = new HookedVfs(vfs)
  third.hook = failOn(isLogSync)
  const error = t.throws(() => connect(path, { vfs: third }), { message: /could not be made durable/ })
  t.is((error as { code?: string }).code, 'ENDMARK_IO')
  const last = connect(path, { vfs })
  t.deepEqual(last.contents(), byFiles(main, log))
  last.vanish()
})
