/** Cells and b-tree pages as bytes: sizes, round trips, and what `checkPage` refuses. */
import test from 'ava'
import fc from 'fast-check'
import { corrupt, EndmarkError } from '../../src/errors.js'
import {
  CELL_COUNT_OFFSET,
  Cell,
  type CellContent,
  CONTENT_START_OFFSET,
  cellSize,
  checkPage,
  contentSize,
  type DecodedPage,
  FIRST_FREEBLOCK_OFFSET,
  FRAGMENT_BYTES_OFFSET,
  get16,
  INDEX_INTERIOR,
  INDEX_LEAF,
  indexMaxLocal,
  KIND_OFFSET,
  LEAF_HEADER_SIZE,
  localLength,
  lockBytePage,
  minLocal,
  overflowPageCount,
  put16,
  putCellContent,
  readCell,
  TABLE_INTERIOR,
  TABLE_LEAF,
  tableDivider,
  tableMaxLocal,
} from '../../src/format/index.js'
import { type PageNumber, pageNumber } from '../../src/units.js'

const SEED = Number(process.env.ENDMARK_TEST_SEED ?? 20250107)
const damage = {
  corrupt: (page: PageNumber, offset: number, what: string) => corrupt({ file: 'f', page, offset, what }),
}

function emptyPage(kind: number, usableSize = 512): Uint8Array {
  const bytes = new Uint8Array(usableSize)
  bytes[KIND_OFFSET] = kind
  put16(bytes, CONTENT_START_OFFSET, usableSize)
  return bytes
}

function check(bytes: Uint8Array, usableSize = bytes.length, number = pageNumber(2)): DecodedPage {
  return checkPage({ number, bytes, decoded: null }, usableSize, damage)
}

/** A table leaf with these cells, the first at the end of the page. */
function leafWith(cells: readonly Uint8Array[]): Uint8Array {
  const bytes = emptyPage(TABLE_LEAF)
  let at = bytes.length
  for (const [index, cell] of cells.entries()) {
    at -= Math.max(4, cell.length)
    bytes.set(cell, at)
    put16(bytes, LEAF_HEADER_SIZE + 2 * index, at)
  }
  put16(bytes, CELL_COUNT_OFFSET, cells.length)
  put16(bytes, CONTENT_START_OFFSET, at)
  return bytes
}

const rowids = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.maxSafeInteger(),
  fc.bigInt(2n ** 53n, 2n ** 63n - 1n),
  fc.bigInt(-(2n ** 63n), -(2n ** 53n)),
)

test('a cell that is written is read back, on every kind of page and with every length of payload', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR),
      rowids,
      fc.oneof(fc.nat(200), fc.integer({ min: 400, max: 20_000 })),
      fc.nat(100),
      (kind, rowid, length, before) => {
        const decoded = check(emptyPage(kind))
        const record = Uint8Array.from({ length }, (_, i) => i * 7)
        const local = localLength(decoded, length)
        const content: CellContent = {
          child: pageNumber(kind === INDEX_INTERIOR ? 0xfedcba98 : 0),
          rowid,
          record,
          local,
          overflowPage: pageNumber(local < length ? 0x89abcdef : 0),
        }
        const bytes = new Uint8Array(1000)
        const size = contentSize(content, kind)
        putCellContent(bytes, before, content, kind)
        const cell = readCell(bytes, before, decoded, new Cell())
        t.is(cellSize(bytes, before, decoded), size)
        t.is(cell.size, size)
        t.is(cell.payloadLength, length)
        t.is(cell.localLength, local)
        t.is(cell.overflowPage, content.overflowPage)
        if (kind === TABLE_LEAF) t.is(cell.rowid, rowid)
        if (kind === INDEX_INTERIOR) t.is(cell.child, content.child)
        const { payloadStart } = cell
        t.deepEqual(bytes.slice(payloadStart, payloadStart + local), record.slice(0, local))
      },
    ),
    { seed: SEED, numRuns: 300 },
  )
})

test('a divider cell of a table holds its child and rowid', (t) => {
  const decoded = check(emptyPage(TABLE_INTERIOR))
  for (const rowid of [0, 127, 128, 2 ** 40, -1, 2n ** 62n]) {
    const cell = readCell(tableDivider(pageNumber(77), rowid), 0, decoded, new Cell())
    t.is(Number(cell.child), 77)
    t.is(cell.rowid, rowid)
    t.is(cell.size, tableDivider(pageNumber(77), rowid).length)
  }
})

test('what stays local of a payload fits the limits, and the rest fills whole overflow pages where it can', (t) => {
  for (const usable of [480, 512, 1000, 4096, 65536]) {
    for (const kind of [TABLE_LEAF, INDEX_LEAF]) {
      const decoded = check(emptyPage(kind, usable))
      const max = kind === TABLE_LEAF ? tableMaxLocal(usable) : indexMaxLocal(usable)
      for (let length = 0; length < 3 * usable; length += 7) {
        const local = localLength(decoded, length)
        if (length <= max) t.is(local, length)
        else if (local < minLocal(usable) || local > max) t.fail(`${local} of ${length} bytes`)
        else if (local > minLocal(usable) && (length - local) % (usable - 4) !== 0) t.fail(`${length} leaves a gap`)
      }
    }
  }
  t.is(overflowPageCount(508, 512), 1)
  t.is(overflowPageCount(509, 512), 2)
})

test('the lock-byte page is the one that holds offset 0x40000000', (t) => {
  t.is(Number(lockBytePage(65536)), 16_385)
  t.is(Number(lockBytePage(4096)), 262_145)
  t.is(Number(lockBytePage(512)), 2_097_153)
})

test('checkPage takes sound pages and counts their free bytes', (t) => {
  t.is(check(emptyPage(TABLE_LEAF)).freeBytes, 504)
  t.is(check(emptyPage(INDEX_INTERIOR)).freeBytes, 500)
  t.is(check(leafWith([Uint8Array.of(2, 1, 7, 7), Uint8Array.of(1, 2, 7)])).freeBytes, 504 - 2 * 6)
  const large = new Uint8Array(65536)
  large[KIND_OFFSET] = INDEX_LEAF
  t.is(check(large).contentStart, 65536)
})

test('on page 1 the page header comes after the file header', (t) => {
  const bytes = new Uint8Array(512)
  bytes[100] = TABLE_LEAF
  put16(bytes, 105, 512)
  const decoded = check(bytes, 512, pageNumber(1))
  t.is(decoded.pointersOffset, 108)
  t.is(decoded.freeBytes, 404)
})

test('checkPage says what is wrong with a page, and where', (t) => {
  const cell = Uint8Array.of(2, 1, 7, 7)
  const cases: [string, number, (bytes: Uint8Array) => void][] = [
    ['is not a kind', 0, (bytes) => bytes.set([0], KIND_OFFSET)],
    ['is not a kind', 0, (bytes) => bytes.set([12], KIND_OFFSET)],
    ['cell content from', 5, (bytes) => put16(bytes, CELL_COUNT_OFFSET, 400)],
    ['cell content from', 5, (bytes) => put16(bytes, CONTENT_START_OFFSET, 513)],
    ['cell content from', 5, (bytes) => put16(bytes, CONTENT_START_OFFSET, 0)],
    ['cell content from', 5, (bytes) => put16(bytes, CONTENT_START_OFFSET, 9)],
    ['freeblock at 20', 1, (bytes) => put16(bytes, FIRST_FREEBLOCK_OFFSET, 20)],
    ['freeblock at 510', 1, (bytes) => put16(bytes, FIRST_FREEBLOCK_OFFSET, 510)],
    ['61 fragmented', 7, (bytes) => bytes.set([61], FRAGMENT_BYTES_OFFSET)],
    ['cell pointer 509', 10, (bytes) => put16(bytes, 10, 509)],
    ['cell pointer 100', 8, (bytes) => put16(bytes, 8, 100)],
    ['runs past the page', 508, (bytes) => bytes.set([3], 508)],
    ['runs past the page', 504, (bytes) => bytes.set([0xff, 0xff, 0xff, 0xff], 504)],
    ['overlap', 8, (bytes) => put16(bytes, 8, get16(bytes, 10)) ?? bytes.set([5], 504)],
  ]
  for (const [what, offset, change] of cases) {
    const bytes = leafWith([cell, cell])
    change(bytes)
    const error = t.throws(() => check(bytes), { instanceOf: EndmarkError }, what)
    t.is(error?.code, 'ENDMARK_CORRUPT')
    t.true(error?.message.includes(what), `${error?.message} instead of ${what}`)
    t.is(error?.offset, offset, what)
    t.is(error?.page, 2)
  }
})

test('a reserved part at the end of pages is never taken for content', (t) => {
  const bytes = leafWith([Uint8Array.of(2, 1, 7, 7)])
  t.throws(() => check(bytes, 508), { instanceOf: EndmarkError })
})
