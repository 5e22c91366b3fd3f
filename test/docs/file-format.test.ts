/** The tables of file-format.md and the constants of src/format say the same. */
import test from 'ava'
import {
  CELL_SIZE_MIN,
  FILE_HEADER_OFFSETS,
  FRAGMENT_BYTES_MAX,
  FREEBLOCK_OFFSETS,
  FREEBLOCK_SIZE_MIN,
  INDEX_INTERIOR,
  INDEX_LEAF,
  INTERIOR_HEADER_SIZE,
  indexMaxLocal,
  LEAF_HEADER_SIZE,
  minLocal,
  OVERFLOW_OFFSETS,
  PAGE_HEADER_OFFSETS,
  POINTER_KINDS,
  POINTER_OFFSETS,
  SERIAL_BLOB,
  serialTypeSize,
  TABLE_INTERIOR,
  TABLE_LEAF,
  TRUNK_OFFSETS,
  tableMaxLocal,
  trunkLeafCountFull,
  trunkLeafCountMax,
} from '../../src/format/index.js'
import { offsetsOf, readDocument, section } from './documents.js'

const document = readDocument('internals/file-format.md')

/** Rows of a table that hold nothing but numbers in their first `count` cells. */
function numbers(text: string, count: number): number[][] {
  const pattern = new RegExp(`^${'\\| (\\d+) '.repeat(count)}\\|`, 'gm')
  return [...text.matchAll(pattern)].map((match) => match.slice(1).map(Number))
}

for (const [heading, offsets] of [
  ['File header', FILE_HEADER_OFFSETS],
  ['B-tree page header', PAGE_HEADER_OFFSETS],
  ['Freeblock', FREEBLOCK_OFFSETS],
  ['Overflow page', OVERFLOW_OFFSETS],
  ['Trunk page', TRUNK_OFFSETS],
  ['Pointer-map page', POINTER_OFFSETS],
] as const) {
  test(`file-format.md has the offsets of the section "${heading}"`, (t) => {
    t.deepEqual(offsetsOf(section(document, heading)), { ...offsets })
  })
}

test('file-format.md names the kinds of the pointer map', (t) => {
  const rows = [...section(document, 'Pointer-map page').matchAll(/^\| (\d) \| `(\w+)` \|/gm)]
  t.deepEqual(Object.fromEntries(rows.map(([, kind, name]) => [name, Number(kind)])), { ...POINTER_KINDS })
})

test('the b-tree page header has no gaps and ends where the cell pointer array starts', (t) => {
  const rows = [...section(document, 'B-tree page header').matchAll(/^\| (\d+) \| (\d+) \| `/gm)]
  let end = 0
  for (const [, offset, size] of rows) {
    t.is(Number(offset), end)
    if (end === PAGE_HEADER_OFFSETS.rightChild) t.is(end, LEAF_HEADER_SIZE)
    end += Number(size)
  }
  t.is(end, INTERIOR_HEADER_SIZE)
})

test('file-format.md names the kinds of pages and the limits of free space', (t) => {
  const header = section(document, 'B-tree page header')
  t.true(header.includes(`${INDEX_INTERIOR} index interior, ${TABLE_INTERIOR} table interior`))
  t.true(header.includes(`${INDEX_LEAF} index leaf, ${TABLE_LEAF} table leaf`))
  t.true(header.includes(`at most ${FRAGMENT_BYTES_MAX} in all`))
  t.true(section(document, 'Freeblock').includes(`at least ${FREEBLOCK_SIZE_MIN} bytes`))
  t.true(section(document, 'Cells').includes(`takes ${CELL_SIZE_MIN} bytes at least`))
})

test('file-format.md has the local payload sizes that the formulas give', (t) => {
  const rows = numbers(section(document, 'Local payload'), 4)
  t.is(rows.length, 5)
  for (const [usable, table, index, least] of rows) {
    t.deepEqual([table, index, least], [tableMaxLocal(usable!), indexMaxLocal(usable!), minLocal(usable!)])
  }
})

test('file-format.md has the size of every serial type', (t) => {
  const rows = numbers(section(document, 'Records'), 2)
  t.deepEqual(
    rows.map(([type]) => type),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, SERIAL_BLOB, SERIAL_BLOB + 1],
  )
  for (const [type, size] of rows) t.is(serialTypeSize(type!), size!)
})

test('file-format.md says how many leaves a trunk lists', (t) => {
  for (const usable of [480, 512, 4096, 65536]) {
    t.is(trunkLeafCountMax(usable), Math.floor(usable / 4) - 2)
    t.is(trunkLeafCountMax(usable) - trunkLeafCountFull(usable), 6)
  }
  t.true(section(document, 'Trunk page').includes('U / 4 − 2 leaves; the last six places stay empty'))
})
