/** The wal-index as the published text lays it out, written down a second time. */
import test from 'ava'
import {
  BACKFILL_ATTEMPTED_OFFSET,
  BACKFILL_OFFSET,
  blockCapacity,
  blockOfFrame,
  CKPT_LOCK_BYTE,
  DMS_LOCK_BYTE,
  frameBeforeBlock,
  HASH_SLOT_COUNT,
  HASH_TABLE_OFFSET,
  HEADER,
  hashSlotOf,
  nextHashSlot,
  PENDING_BYTE,
  pageNumbersOffset,
  READ_LOCK_BYTE,
  READ_MARKS_OFFSET,
  RECOVER_LOCK_BYTE,
  RESERVED_BYTE,
  SHARED_FIRST,
  SHARED_SIZE,
  WRITE_LOCK_BYTE,
} from '../../src/format/index.js'

test('fields, checkpoint info and locks stand where SQLite has them', (t) => {
  t.like(HEADER, { version: 0, change: 8, isInitialised: 12, isBigEndianChecksum: 13, pageSize: 14, endMark: 16 })
  t.like(HEADER, { pageCount: 20, frameChecksum1: 24, frameChecksum2: 28, salt1: 32, salt2: 36, checksum1: 40 })
  t.deepEqual([BACKFILL_OFFSET, READ_MARKS_OFFSET, BACKFILL_ATTEMPTED_OFFSET], [96, 100, 128])
  t.deepEqual(
    [WRITE_LOCK_BYTE, CKPT_LOCK_BYTE, RECOVER_LOCK_BYTE, READ_LOCK_BYTE, DMS_LOCK_BYTE],
    [120, 121, 122, 123, 128],
  )
  t.deepEqual([PENDING_BYTE, RESERVED_BYTE, SHARED_FIRST, SHARED_SIZE], [1073741824, 1073741825, 1073741826, 510])
})

test('every frame has one place in one block', (t) => {
  let frame = 0
  for (let block = 0; block < 5; block++) {
    t.is(frameBeforeBlock(block), frame)
    t.is(blockCapacity(block), block === 0 ? 4062 : 4096)
    t.is(pageNumbersOffset(block) + blockCapacity(block) * 4, HASH_TABLE_OFFSET, 'the array ends where the hash begins')
    for (let position = 1; position <= blockCapacity(block); position++) {
      frame++
      if (blockOfFrame(frame) !== block) t.fail(`frame ${frame} in block ${blockOfFrame(frame)}`)
    }
  }
})

test('a page hashes to 383 times its number, modulo the slots, and collisions go round', (t) => {
  for (const page of [1, 2, 21, 8192, 123_456_789, 0xfffffffe]) {
    t.is(hashSlotOf(page), Number((BigInt(page) * 383n) % BigInt(HASH_SLOT_COUNT)))
  }
  t.is(nextHashSlot(8191), 0)
  t.is(nextHashSlot(7), 8)
})
