/** The codecs of the log against arithmetic and layouts written down a second time, and against what SQLite writes. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { BlockSums } from '../../src/format/block-sums.js'
import {
  decodeWalHeader,
  encodeWalHeader,
  type FrameFields,
  frameCountOf,
  frameOffset,
  sealFrame,
  verifyFrame,
  WalChecksum,
  type WalHeader,
} from '../../src/format/index.js'
import { frameNumber } from '../../src/units.js'
import { checksum, parseLog, readIndexFile } from '../support/independent-wal-reader.js'
import { startReferee } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const u32 = fc.integer({ min: 0, max: 0xffffffff })

test('checksums are those of the published formula, in both byte orders and at any alignment', (t) => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(9),
      u32,
      u32,
      fc.uint8Array({ minLength: 0, maxLength: 9000, size: 'max' }),
      fc.nat(1200),
      (isBigEndian, shift, s0, s1, bytes, cut) => {
        const length = bytes.length & ~7
        const space = Buffer.alloc(shift + length)
        space.set(bytes.subarray(0, length), shift)
        const sums = new WalChecksum(isBigEndian)
        sums.set(s0, s1)
        const first = Math.min(cut * 8, length)
        sums.add(space, shift, first)
        sums.add(space, shift + first, length - first)
        const expected = checksum(space.subarray(shift), isBigEndian, [BigInt(s0), BigInt(s1)])
        t.deepEqual([BigInt(sums.s0), BigInt(sums.s1)], [...expected])
      },
    ),
  )
  t.throws(() => new WalChecksum(false).add(new Uint8Array(12), 0, 12), { name: 'AssertionError' })
})

test('the sums are the same where there is no WebAssembly', (t) => {
  t.truthy(BlockSums.create(), 'here there is')
  const bytes = Uint8Array.from({ length: 12_000 }, (_, index) => (index * index * 7) >>> 3)
  const { href } = new URL('../../src/format/wal-checksum.js', import.meta.url)
  const script = `
    const { WalChecksum } = await import(${JSON.stringify(href)})
    const sums = new WalChecksum(false)
    sums.add(Uint8Array.from({ length: 12_000 }, (_, index) => (index * index * 7) >>> 3), 0, 12_000)
    console.log(typeof WebAssembly, sums.s0, sums.s1)`
  const options = ['--jitless', '--input-type=module', '--eval', script]
  const [s0, s1] = checksum(Buffer.from(bytes), false, [0n, 0n])
  t.is(execFileSync(process.execPath, options, { encoding: 'utf8' }), `undefined ${s0} ${s1}\n`)
})

test('a log header reads back as it was written, and not at all with any bit changed', (t) => {
  fc.assert(
    fc.property(fc.boolean(), fc.integer({ min: 9, max: 16 }), u32, u32, u32, fc.nat(32 * 8 - 1), (...values) => {
      const [isBigEndian, shift, checkpointSequence, salt1, salt2, bit] = values
      const bytes = Buffer.alloc(32)
      const written = encodeWalHeader(bytes, { isBigEndian, pageSize: 2 ** shift, checkpointSequence, salt1, salt2 })
      t.deepEqual(decodeWalHeader(bytes), written)
      t.like(parseLog(bytes), { isBigEndian, pageSize: 2 ** shift, checkpointSequence, salt1, salt2 })
      bytes[bit >>> 3]! ^= 1 << (bit & 7)
      t.true('invalid' in decodeWalHeader(bytes))
    }),
  )
})

test('a log header of another version or an impossible page size is no header', (t) => {
  for (const change of [
    (bytes: Buffer) => bytes.writeUInt32BE(3007001, 4),
    (bytes: Buffer) => bytes.writeUInt32BE(1000, 8),
    (bytes: Buffer) => bytes.writeUInt32BE(256, 8),
    (bytes: Buffer) => bytes.writeUInt32BE(131072, 8),
  ]) {
    const bytes = Buffer.alloc(32)
    encodeWalHeader(bytes, { isBigEndian: false, pageSize: 4096, checkpointSequence: 0, salt1: 1, salt2: 2 })
    change(bytes)
    const [s0, s1] = checksum(bytes.subarray(0, 24), false, [0n, 0n])
    bytes.writeUInt32BE(Number(s0), 24)
    bytes.writeUInt32BE(Number(s1), 28)
    t.true('invalid' in decodeWalHeader(bytes))
  }
})

test('frames verify in order with their salts, and with nothing else', (t) => {
  const header = { isBigEndian: true, pageSize: 512, checkpointSequence: 3, salt1: 11, salt2: 0xfffffff0 }
  const bytes = Buffer.alloc(32 + 2 * 536)
  const written = encodeWalHeader(bytes, header)
  const sums = new WalChecksum(true)
  sums.set(written.checksum1, written.checksum2)
  bytes.fill(5, 32 + 24, 32 + 536)
  bytes.fill(6, 32 + 536 + 24)
  sealFrame(bytes, 32, 512, { pageNumber: 7, commitMark: 0, ...header }, sums)
  sealFrame(bytes, 32 + 536, 512, { pageNumber: 0xfffffffe, commitMark: 9, ...header }, sums)
  const log = parseLog(bytes)!
  t.deepEqual(
    log.frames.map(({ page, commitMark }) => [page, commitMark]),
    [
      [7, 0],
      [0xfffffffe, 9],
    ],
  )
  const verify = (start: number, from: WalChecksum, salts = header) => {
    const fields: FrameFields = { pageNumber: 0, commitMark: 0, salt1: 0, salt2: 0 }
    return verifyFrame(bytes, start, 512, salts, from, fields) ? fields : null
  }
  const fresh = () => {
    const from = new WalChecksum(true)
    from.set(written.checksum1, written.checksum2)
    return from
  }
  const from = fresh()
  t.deepEqual(verify(32, from), { pageNumber: 7, commitMark: 0, salt1: 11, salt2: 0xfffffff0 })
  t.deepEqual(verify(568, from), { pageNumber: 0xfffffffe, commitMark: 9, salt1: 11, salt2: 0xfffffff0 })
  t.is(verify(568, fresh()), null, 'not without the one before')
  t.is(verify(32, fresh(), { ...header, salt1: 12 }), null)
  t.is(verify(32, fresh(), { ...header, salt2: 0 }), null)
})

test('a frame of page 0 never verifies', (t) => {
  const header = { isBigEndian: false, pageSize: 512, checkpointSequence: 0, salt1: 1, salt2: 2 }
  const bytes = Buffer.alloc(32 + 536)
  const { checksum1, checksum2 } = encodeWalHeader(bytes, header)
  const sums = () => {
    const from = new WalChecksum(false)
    from.set(checksum1, checksum2)
    return from
  }
  sealFrame(bytes, 32, 512, { pageNumber: 0, commitMark: 1, ...header }, sums())
  const fields: FrameFields = { pageNumber: 0, commitMark: 0, salt1: 0, salt2: 0 }
  t.false(verifyFrame(bytes, 32, 512, header, sums(), fields))
})

test('frames lie one behind the other, and only whole ones count', (t) => {
  t.is(frameOffset(frameNumber(1), 4096), 32)
  t.is(frameOffset(frameNumber(3), 512), 32 + 2 * 536)
  t.is(frameOffset(frameNumber(2 ** 22), 65536), 32 + (2 ** 22 - 1) * 65560, 'past 4 GiB')
  t.throws(() => frameOffset(frameNumber(0), 512), { name: 'AssertionError' })
  for (const [size, count] of [
    [0, 0],
    [32, 0],
    [32 + 535, 0],
    [32 + 536, 1],
    [32 + 1072, 2],
  ] as const) {
    t.is(frameCountOf(size, 512), count)
  }
})

test('what SQLite writes verifies, in the log and in the wal-index', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const sqlite = await startReferee(t, path)
  await sqlite.exec('PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)')
  const bytes = readFileSync(`${path}-wal`)
  const header = decodeWalHeader(bytes) as WalHeader
  const log = parseLog(bytes)!
  t.like(header, { pageSize: log.pageSize, salt1: log.salt1, salt2: log.salt2, isBigEndian: log.isBigEndian })
  const index = readIndexFile(`${path}-shm`)
  t.true(index.isSound)
  t.is(index.endMark, log.frames.length)
  t.deepEqual(index.salts, [log.salt1, log.salt2])
  for (const { page } of log.frames) {
    t.is(index.frameOf(page, index.endMark), log.frames.findLastIndex((frame) => frame.page === page) + 1)
  }
  await sqlite.close()
})
