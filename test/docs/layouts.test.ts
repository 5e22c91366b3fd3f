/** The tables of the format documents and the constants of src/format say the same. */
import test from 'ava'
import {
  BACKFILL_ATTEMPTED_OFFSET,
  BACKFILL_OFFSET,
  BLOCK_SIZE,
  FRAME_HEADER_OFFSETS,
  FRAME_HEADER_SIZE,
  FRAMES_IN_FIRST_BLOCK,
  FRAMES_PER_BLOCK,
  HASH_SLOT_COUNT,
  HASH_TABLE_OFFSET,
  HEADER,
  HEADER_COPY_1_OFFSET,
  HEADER_COPY_2_OFFSET,
  INDEX_HEADER_SIZE,
  LOCK_BYTES_OFFSET,
  pageNumbersOffset,
  READ_MARKS_OFFSET,
  READER_SLOT_COUNT,
  READER_SLOT_OFFSETS,
  READER_SLOT_SIZE,
  WAL_HEADER_OFFSETS,
  WAL_HEADER_SIZE,
} from '../../src/format/index.js'
import { offsetsOf, readDocument, section } from './documents.js'

const log = readDocument('internals/wal-format.md')
const index = readDocument('internals/wal-index.md')

test('wal-format.md has the offsets of the header of the log', (t) => {
  t.deepEqual(offsetsOf(section(log, 'Header')), { ...WAL_HEADER_OFFSETS })
  t.is(WAL_HEADER_SIZE, 32)
})

test('wal-format.md has the offsets of the frame header', (t) => {
  t.deepEqual(offsetsOf(section(log, 'Frame header')), { ...FRAME_HEADER_OFFSETS })
  t.is(FRAME_HEADER_SIZE, 24)
})

test('wal-index.md has the offsets of the header of the wal-index', (t) => {
  t.deepEqual(offsetsOf(section(index, 'Header')), { ...HEADER })
})

test('wal-index.md has the offsets of what stands before the page numbers', (t) => {
  t.deepEqual(offsetsOf(section(index, 'First 136 bytes')), {
    headerCopy1: HEADER_COPY_1_OFFSET,
    headerCopy2: HEADER_COPY_2_OFFSET,
    backfill: BACKFILL_OFFSET,
    readMarks: READ_MARKS_OFFSET,
    lockBytes: LOCK_BYTES_OFFSET,
    backfillAttempted: BACKFILL_ATTEMPTED_OFFSET,
    unused: INDEX_HEADER_SIZE - 4,
  })
})

test('wal-index.md has the sizes of a block', (t) => {
  const blocks = section(index, 'Blocks')
  t.true(blocks.includes(`The first block indexes ${FRAMES_IN_FIRST_BLOCK} frames`))
  t.true(blocks.includes(`every other block ${FRAMES_PER_BLOCK}`))
  t.true(blocks.includes(`| ${pageNumbersOffset(0)} | ${pageNumbersOffset(1)} | 4 for each frame |`))
  t.true(blocks.includes(`| ${HASH_TABLE_OFFSET} | ${HASH_TABLE_OFFSET} | ${BLOCK_SIZE - HASH_TABLE_OFFSET} |`))
  t.true(blocks.includes(`hash table: ${HASH_SLOT_COUNT} slots`))
})

test('reader-registry.md has the offsets and the sizes of its slots', (t) => {
  const registry = readDocument('internals/reader-registry.md')
  t.deepEqual(offsetsOf(section(registry, 'Slot')), { ...READER_SLOT_OFFSETS })
  t.true(registry.includes(`${READER_SLOT_COUNT} slots of ${READER_SLOT_SIZE} bytes`))
})

for (const [document, heading] of [
  ['internals/wal-format.md', 'Header'],
  ['internals/wal-format.md', 'Frame header'],
] as const) {
  test(`${document}: in the table "${heading}" each field begins where the one before ends`, (t) => {
    const rows = [...section(readDocument(document), heading).matchAll(/^\| (\d+) \| (\d+) \| `/gm)]
    let end = 0
    for (const [, offset, size] of rows) {
      t.is(Number(offset), end)
      end = Number(offset) + Number(size)
    }
    t.is(end, heading === 'Header' ? WAL_HEADER_SIZE : FRAME_HEADER_SIZE)
  })
}
