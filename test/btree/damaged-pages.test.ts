/**
 * Trees with damaged pages. Whatever the bytes of a page say, every operation must end, and end with a result or
 * with ENDMARK_CORRUPT: never with another error, never in a loop.
 */
import test from 'ava'
import {
  ChunkPool,
  clearTree,
  countEntries,
  createTree,
  deleteRecord,
  deleteRow,
  dropTree,
  findRecord,
  findRow,
  IndexCursor,
  lastRowid,
  Payload,
  putRecord,
  putRow,
  putRun,
  RecordRun,
  TableCursor,
} from '../../src/btree/index.js'
import { EndmarkError } from '../../src/errors.js'
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
import { Random } from '../support/random.js'
import { freelistFindings, treeFindings } from '../support/tree-findings.js'

const SEED = Number(process.env.ENDMARK_TEST_SEED ?? 20250102)

interface Sound {
  readonly pages: MemoryPages
  readonly table: PageNumber
  readonly index: PageNumber
  readonly rowids: number[]
  readonly keys: string[]
}

/** Two trees of three levels with overflow chains and a freelist. */
function soundTrees(pageSize: number, count: number): Sound {
  const pages = new MemoryPages({ pageSize })
  const random = new Random(SEED)
  const table = createTree(pages, 'table')
  const index = createTree(pages, 'index')
  const rowids: number[] = []
  const keys: string[] = []
  for (let i = 0; i < count; i++) {
    const value = 'v'.repeat(random.below(10) === 0 ? random.below(pageSize * 3) : random.below(pageSize / 8))
    const rowid = random.below(1e6)
    const text = `${random.below(1e6)}${'k'.repeat(random.below(12) === 0 ? random.below(pageSize) : random.below(20))}`
    putRow(pages, table, rowid, encodeRecord([value]), 'upsert')
    putRecord(pages, index, new SearchKey(BINARY_ORDER).set([text]), encodeRecord([text, value]), 'upsert')
    rowids.push(rowid)
    keys.push(text)
  }
  for (let i = 0; i < count; i += 9) deleteRow(pages, table, rowids[i]!)
  pages.commit()
  return { pages, table, index, rowids, keys }
}

/** The operations, each of which must end with a result or ENDMARK_CORRUPT. */
function reads({ pages, table, index, rowids, keys }: Sound, random: Random): (() => void)[] {
  const payload = new Payload()
  const key = new SearchKey(BINARY_ORDER)
  return [
    () => {
      for (let i = 0; i < 8; i++) findRow(pages, table, random.pick(rowids), payload)
    },
    () => {
      for (let i = 0; i < 8; i++) findRecord(pages, index, key.set([random.pick(keys)]), payload)
    },
    () => lastRowid(pages, table),
    () => countEntries(pages, table, 'table'),
    () => countEntries(pages, index, 'index'),
    () => {
      const cursor = new TableCursor(pages, table)
      for (let found = cursor.first(); found; found = cursor.next()) cursor.payload(payload)
    },
    () => {
      const cursor = new TableCursor(pages, table)
      for (let found = cursor.last(); found; found = cursor.previous());
    },
    () => {
      const cursor = new IndexCursor(pages, index)
      for (let found = cursor.first(); found; found = cursor.next()) cursor.payload(payload)
    },
    () => {
      const cursor = new IndexCursor(pages, index)
      for (let found = cursor.seek(key.set([random.pick(keys)]), 'le'); found; found = cursor.previous());
    },
  ]
}

function writes({ pages, table, index, rowids, keys }: Sound, random: Random): (() => void)[] {
  const key = new SearchKey(BINARY_ORDER)
  const value = () => 'w'.repeat(random.below(pages.pageSize / 4))
  return [
    () => {
      for (let i = 0; i < 12; i++) putRow(pages, table, random.below(1e6), encodeRecord([value()]), 'upsert')
    },
    () => {
      for (let i = 0; i < 12; i++) deleteRow(pages, table, random.pick(rowids))
    },
    () => {
      for (let i = 0; i < 12; i++) {
        const text = String(random.below(1e6))
        putRecord(pages, index, key.set([text]), encodeRecord([text, value()]), 'upsert')
      }
    },
    () => {
      for (let i = 0; i < 12; i++) deleteRecord(pages, index, key.set([random.pick(keys)]))
    },
    () => {
      const run = new RecordRun(new ChunkPool())
      const place = random.below(3) === 0 ? 'behind all others ' : ''
      for (let i = random.below(300); i >= 0; i--) {
        const record = encodeRecord([`${place}${random.below(1e6)}`, value()])
        run.begin(record.length)
        run.bytes.set(record, run.recordStart)
        run.end()
      }
      run.sort()
      for (let put = 0; put < run.count; ) put = putRun(pages, index, key, run, put)
    },
    () => clearTree(pages, table, 'table'),
    () => dropTree(pages, index, 'index'),
  ]
}

/** Runs each operation and returns the errors that are not reports of damage. */
function wrongErrors(operations: readonly (() => void)[]): unknown[] {
  const wrong: unknown[] = []
  for (const operation of operations) {
    try {
      operation()
    } catch (error) {
      if (!(error instanceof EndmarkError) || error.code !== 'ENDMARK_CORRUPT') wrong.push(error)
    }
  }
  return wrong
}

function damagePage(random: Random, bytes: Uint8Array): void {
  const flips = random.between(1, 4)
  for (let i = 0; i < flips; i++) {
    // Half of the damage goes to the page header and the first cell pointers, where it matters most.
    const offset = random.below(2) === 0 ? random.below(24) : random.below(bytes.length)
    bytes[offset] = random.below(3) === 0 ? random.below(256) : bytes[offset]! ^ (1 << random.below(8))
  }
}

for (const [pageSize, count, rounds] of [
  [512, 150, 2500],
  [4096, 400, 600],
] as const) {
  test(`reads of damaged pages of ${pageSize} bytes end with a result or with ENDMARK_CORRUPT`, (t) => {
    t.log(`ENDMARK_TEST_SEED=${SEED}`)
    const sound = soundTrees(pageSize, count)
    const { pages } = sound
    const random = new Random(SEED + pageSize)
    for (let round = 0; round < rounds; round++) {
      for (let i = random.below(3); i >= 0; i--) {
        pages.damage(pageNumber(random.between(2, pages.pageCount)), (bytes) => damagePage(random, bytes))
      }
      const wrong = wrongErrors(reads(sound, random))
      if (wrong.length > 0) t.fail(`round ${round}: ${wrong.join('; ')}`)
      treeFindings(pages, { tables: [sound.table], indexes: [sound.index] })
      pages.rollback()
    }
    t.pass()
  })

  test(`edits of damaged pages of ${pageSize} bytes end with a result or with ENDMARK_CORRUPT`, (t) => {
    t.log(`ENDMARK_TEST_SEED=${SEED}`)
    const sound = soundTrees(pageSize, count)
    const { pages } = sound
    const random = new Random(SEED + pageSize + 1)
    for (let round = 0; round < rounds; round++) {
      const last = random.below(6) === 0 ? 1 : 0
      for (let i = random.below(3); i >= 0; i--) {
        const number = pageNumber(random.between(2 - last, pages.pageCount))
        // Of page 1 only the freelist fields are damaged: whether it is a database is another layer's question.
        pages.damage(number, (bytes) =>
          number === 1
            ? put32(bytes, 32 + 4 * random.below(2), random.below(pages.pageCount * 2))
            : damagePage(random, bytes),
        )
      }
      const wrong = wrongErrors(writes(sound, random))
      if (wrong.length > 0) t.fail(`round ${round}: ${wrong.map((error) => (error as Error).stack).join('; ')}`)
      pages.rollback()
    }
    t.pass()
  })
}

function corruption(work: () => unknown): EndmarkError | null {
  try {
    work()
    return null
  } catch (error) {
    if (error instanceof EndmarkError && error.code === 'ENDMARK_CORRUPT') return error
    throw error
  }
}

/** A tree of interior pages over leaves, and the first child of its root. */
function twoLevels(): { pages: MemoryPages; table: PageNumber; firstChild: PageNumber } {
  const pages = new MemoryPages({ pageSize: 512 })
  const table = createTree(pages, 'table')
  for (let rowid = 1; rowid <= 60; rowid++) putRow(pages, table, rowid, encodeRecord(['x'.repeat(100)]), 'insert')
  pages.commit()
  const root = pages.page(table).bytes
  return { pages, table, firstChild: pageNumber(get32(root, get16(root, 12))) }
}

test('a page that is its own descendant is reported, not followed for ever', (t) => {
  const { pages, table } = twoLevels()
  pages.damage(table, (bytes) => put32(bytes, RIGHT_CHILD_OFFSET, table))
  t.regex(corruption(() => lastRowid(pages, table))!.message, /more than 20 levels/)
  t.regex(corruption(() => findRow(pages, table, 1000, new Payload()))!.message, /more than 20 levels/)
  t.regex(corruption(() => countEntries(pages, table, 'table'))!.message, /twice/)
})

test('a child that several cells share does not make a scan go in circles', (t) => {
  const { pages, table, firstChild } = twoLevels()
  pages.damage(table, (bytes) => {
    for (let cell = 1; cell < get16(bytes, 3); cell++) put32(bytes, get16(bytes, 12 + 2 * cell), firstChild)
  })
  const cursor = new TableCursor(pages, table)
  const error = corruption(() => {
    for (let found = cursor.first(); found; found = cursor.next());
  })
  t.regex(error!.message, /out of order/)
  t.not(
    corruption(() => countEntries(pages, table, 'table')),
    null,
  )
})

test('child page numbers of 0, past the end and of the other kind of tree are reported', (t) => {
  const { pages, table } = twoLevels()
  const index = createTree(pages, 'index')
  pages.commit()
  for (const child of [0, pages.pageCount + 1, 0xffffffff, index]) {
    pages.damage(table, (bytes) => put32(bytes, RIGHT_CHILD_OFFSET, child))
    t.is(corruption(() => lastRowid(pages, table))?.code, 'ENDMARK_CORRUPT', `child ${child}`)
    pages.rollback()
  }
})

test('a cell pointer out of the content area and a cell past the end name page and offset', (t) => {
  const { pages, table, firstChild } = twoLevels()
  for (const pointer of [0, 7, 511, 65535]) {
    pages.damage(firstChild, (bytes) => put16(bytes, 8, pointer))
    const error = corruption(() => findRow(pages, table, 1, new Payload()))!
    t.is(error.page, firstChild)
    t.is(error.offset, 8)
    pages.rollback()
  }
  pages.damage(firstChild, (bytes) => {
    bytes[get16(bytes, 8)] = 0x7f
  })
  t.regex(corruption(() => findRow(pages, table, 1, new Payload()))!.message, /past the page|overlap/)
})

/** A table with one row that has an overflow chain, and the pages of that chain. */
function withChain(): { pages: MemoryPages; table: PageNumber; chain: PageNumber[] } {
  const pages = new MemoryPages({ pageSize: 512 })
  const table = createTree(pages, 'table')
  const before = pages.pageCount
  putRow(pages, table, 1, encodeRecord(['x'.repeat(3000)]), 'insert')
  const chain: PageNumber[] = []
  for (let number = before + 1; number <= pages.pageCount; number++) chain.push(pageNumber(number))
  pages.commit()
  return { pages, table, chain }
}

test('overflow chains that end early, loop or go on too long are reported', (t) => {
  const { pages, table, chain } = withChain()
  const read = () => findRow(pages, table, 1, new Payload())
  pages.damage(chain[2]!, (bytes) => put32(bytes, 0, 0))
  t.regex(corruption(read)!.message, /ends before/)
  t.not(
    corruption(() => deleteRow(pages, table, 1)),
    null,
  )
  pages.rollback()
  pages.damage(chain[3]!, (bytes) => put32(bytes, 0, chain[1]!))
  t.regex(corruption(read)!.message, /goes on/)
  t.not(
    corruption(() => deleteRow(pages, table, 1)),
    null,
  )
  pages.rollback()
  pages.damage(chain.at(-1)!, (bytes) => put32(bytes, 0, chain[0]!))
  t.regex(corruption(read)!.message, /goes on/)
  pages.rollback()
  t.is(corruption(read), null)
})

test('a payload longer than the whole database is reported before memory is set aside for it', (t) => {
  const { pages, table } = withChain()
  pages.damage(table, (bytes) => bytes.set([0x87, 0xff, 0xff, 0xff, 0x7f, 1], get16(bytes, 8)))
  t.regex(corruption(() => findRow(pages, table, 1, new Payload()))!.message, /payload of \d+ bytes in \d+ pages/)
})

test('freelist damage is reported by the next allocation and by the check', (t) => {
  const cases: [string, (pages: MemoryPages) => void][] = [
    ['trunk 0 with a count', (pages) => pages.damage(pageNumber(1), (bytes) => put32(bytes, 32, 0))],
    ['trunk out of range', (pages) => pages.damage(pageNumber(1), (bytes) => put32(bytes, 32, 10_000))],
    ['more free pages than pages', (pages) => pages.damage(pageNumber(1), (bytes) => put32(bytes, 36, 10_000))],
    [
      'too many leaves in a trunk',
      (pages) => pages.damage(pageNumber(get32(pages.page(pageNumber(1)).bytes, 32)), (bytes) => put32(bytes, 4, 1000)),
    ],
    [
      'a leaf out of range',
      (pages) =>
        pages.damage(pageNumber(get32(pages.page(pageNumber(1)).bytes, 32)), (bytes) => {
          for (let offset = 8; offset < bytes.length; offset += 4) put32(bytes, offset, 0)
        }),
    ],
  ]
  for (const [name, damage] of cases) {
    const { pages, table } = withChain()
    deleteRow(pages, table, 1)
    pages.commit()
    damage(pages)
    t.not(
      corruption(() => pages.allocate()),
      null,
      name,
    )
    pages.rollback()
    damage(pages)
    t.true(freelistFindings(pages).length > 0, name)
  }
})

test('a freelist trunk that names itself ends the check', (t) => {
  const { pages, table } = withChain()
  deleteRow(pages, table, 1)
  const trunk = pageNumber(get32(pages.page(pageNumber(1)).bytes, 32))
  pages.damage(trunk, (bytes) => put32(bytes, 0, trunk))
  t.true(freelistFindings(pages).some((what) => what.includes('used twice')))
})

test('freeblocks that overlap a cell are noticed by the first edit', (t) => {
  const { pages, table, firstChild } = twoLevels()
  pages.damage(firstChild, (bytes) => {
    const cell = get16(bytes, 8)
    put16(bytes, 1, cell)
    put16(bytes, cell, 0)
    put16(bytes, cell + 2, 40)
  })
  t.not(
    corruption(() => putRow(pages, table, 1, encodeRecord(['short']), 'upsert')),
    null,
  )
})
