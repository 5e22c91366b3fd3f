/** The integrity check finds every kind of damage that it is there for, and names the page. */
import test from 'ava'
import { checkTree, createTree, type Payload, putRecord, putRow } from '../../src/btree/index.js'
import {
  BINARY_ORDER,
  encodeRecord,
  get16,
  get32,
  put16,
  put32,
  RIGHT_CHILD_OFFSET,
  SearchKey,
} from '../../src/format/index.js'
import { type PageNumber, pageNumber } from '../../src/units.js'
import { MemoryPages } from '../support/memory-pages.js'
import { treeFindings } from '../support/tree-findings.js'

interface Trees {
  readonly pages: MemoryPages
  readonly table: PageNumber
  readonly index: PageNumber
}

function trees(): Trees {
  const pages = new MemoryPages({ pageSize: 512 })
  const table = createTree(pages, 'table')
  const index = createTree(pages, 'index')
  const key = new SearchKey(BINARY_ORDER)
  for (let i = 0; i < 100; i++) {
    const text = `${1000 + i}${'x'.repeat(i === 50 ? 2000 : 40)}`
    putRow(pages, table, i, encodeRecord([text]), 'insert')
    putRecord(pages, index, key.set([text]), encodeRecord([text]), 'insert')
  }
  pages.commit()
  return { pages, table, index }
}

/** The child of an interior page before its cell with this index. */
function child(pages: MemoryPages, parent: PageNumber, index: number): PageNumber {
  const { bytes } = pages.page(parent)
  return pageNumber(get32(bytes, get16(bytes, 12 + 2 * index)))
}

function firstOverflowPage({ pages, table }: Trees): PageNumber {
  for (let number = 2; number <= pages.pageCount; number++) {
    const { bytes } = pages.page(pageNumber(number))
    const isTreePage = [2, 5, 10, 13].includes(bytes[0]!)
    if (!isTreePage && number > table) return pageNumber(number)
  }
  throw new Error('there is no overflow page')
}

const cases: { name: string; expected: RegExp; damage: (trees: Trees) => void }[] = [
  {
    name: 'leaves on different levels',
    expected: /leaf on level 2 where others are on level 1/,
    damage: ({ pages, table }) => {
      const other = createTree(pages, 'table')
      for (let i = 200; i < 260; i++) putRow(pages, other, i, encodeRecord(['x'.repeat(40)]), 'insert')
      pages.damage(table, (root) => put32(root, RIGHT_CHILD_OFFSET, other))
    },
  },
  {
    name: 'keys out of order',
    expected: /does not sort after/,
    damage: ({ pages, index }) => {
      const number = child(pages, index, 0)
      pages.damage(number, (bytes) => {
        const pointers = bytes[0] === 10 ? 8 : 12
        const first = get16(bytes, pointers)
        put16(bytes, pointers, get16(bytes, pointers + 2))
        put16(bytes, pointers + 2, first)
      })
    },
  },
  {
    name: 'rowids out of order',
    expected: /rowid \d+ after \d+/,
    damage: ({ pages, table }) =>
      pages.damage(child(pages, table, 0), (bytes) => {
        const pointers = bytes[0] === 13 ? 8 : 12
        const first = get16(bytes, pointers)
        put16(bytes, pointers, get16(bytes, pointers + 2))
        put16(bytes, pointers + 2, first)
      }),
  },
  {
    name: 'a page that two parents name',
    expected: /used twice/,
    damage: ({ pages, index }) => {
      const first = child(pages, index, 0)
      pages.damage(index, (bytes) => put32(bytes, RIGHT_CHILD_OFFSET, first))
    },
  },
  {
    name: 'a chain that ends early',
    expected: /overflow chain of \d pages, not \d/,
    damage: (all) => all.pages.damage(firstOverflowPage(all), (bytes) => put32(bytes, 0, 0)),
  },
  {
    name: 'a chain that loops',
    expected: /used twice, here by a chain/,
    damage: (all) => {
      const first = firstOverflowPage(all)
      all.pages.damage(pageNumber(first + 1), (bytes) => put32(bytes, 0, first))
    },
  },
  {
    name: 'a chain whose page names itself',
    expected: /used twice, here by a chain/,
    damage: (all) => {
      const first = firstOverflowPage(all)
      all.pages.damage(first, (bytes) => put32(bytes, 0, first))
    },
  },
  {
    name: 'fragments that are not there',
    expected: /fragmented bytes, not 7/,
    damage: ({ pages, table }) => pages.damage(child(pages, table, 0), (bytes) => bytes.set([7], 7)),
  },
  {
    name: 'a page of another kind',
    expected: /page of kind \d+ in a table/,
    damage: ({ pages, table, index }) => pages.damage(table, (bytes) => put32(bytes, RIGHT_CHILD_OFFSET, index)),
  },
  {
    name: 'a page that does not exist',
    expected: /no page 9999/,
    damage: ({ pages, index }) => pages.damage(index, (bytes) => put32(bytes, RIGHT_CHILD_OFFSET, 9999)),
  },
  {
    name: 'a page that nothing uses',
    expected: /is lost/,
    damage: ({ pages }) => void pages.grow(),
  },
]

test('the check finds nothing in sound trees', (t) => {
  const { pages, table, index } = trees()
  t.deepEqual(treeFindings(pages, { tables: [table], indexes: [index] }), [])
})

for (const { name, expected, damage } of cases) {
  test(`the check finds ${name}`, (t) => {
    const all = trees()
    damage(all)
    const found = treeFindings(all.pages, { tables: [all.table], indexes: [all.index] })
    t.true(
      found.some((text) => expected.test(text)),
      found.join('\n'),
    )
  })
}

test('of a long record no more is put together than the columns that are looked at', (t) => {
  const { pages, table } = trees()
  const host = { report: () => t.fail(), usePage: () => null }
  const lengths = (columnCount?: number) => {
    const found: number[] = []
    const entry = ({ bytes, length }: Payload) => {
      if (length > 1000) found.push(bytes.length)
    }
    const options = { root: table, kind: 'table', order: null, entry } as const
    const steps = checkTree(pages, host, columnCount === undefined ? options : { ...options, columnCount })
    while (!steps.next().done);
    return found
  }
  t.deepEqual(lengths(), [2007])
  t.deepEqual(lengths(1), [2007])
  t.true(lengths(0)[0]! < 512)
})
