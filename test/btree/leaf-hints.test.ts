/**
 * Look-ups by hint (src/btree/leaf-hints.ts) find what the careful search finds, and nothing else: in leaves
 * that were read often enough, for all kinds of keys, with keys that differ only behind the part that is kept.
 */
import test from 'ava'
import { passPage } from '../../src/btree/leaf-hints.js'
import { encodeNewDatabase } from '../../src/format/index.js'
import { NEVER_HINTED, Page } from '../../src/pager/page.js'
import { type KeyType, mapDefinition, OrderedMap, Table, tableDefinition } from '../../src/store/index.js'
import { pageNumber } from '../../src/units.js'
import { MemoryDatabase } from '../support/memory-database.js'

/** More look-ups than a leaf needs before it gets hints. */
const PASSES = 4

function leavesWithHints(database: MemoryDatabase): number {
  const pages = database.pages()
  let count = 0
  for (let number = 1; number <= pages.pageCount; number++) if (pages.page(pageNumber(number)).hintId > 0) count++
  return count
}

function mapOf(
  key: KeyType,
  keys: readonly unknown[],
): { database: MemoryDatabase; map: OrderedMap<unknown, unknown> } {
  const database = new MemoryDatabase(encodeNewDatabase(1024))
  database.create(mapDefinition('m', { key, value: 'any' }))
  const map = new OrderedMap<unknown, unknown>(database, 'm')
  const schema = database.newestSchema()
  database.apply(keys.map((each, index) => map.putOperation(schema, each, index)))
  return { database, map }
}

const numbered = (format: (n: number) => string): string[] => Array.from({ length: 300 }, (_, n) => format(n * 3))

const KINDS: Record<string, { key: KeyType; keys: unknown[]; missing: unknown[]; hasHints: boolean }> = {
  'texts of one length': {
    key: 'text',
    keys: numbered((n) => String(n).padStart(16, '0')),
    missing: ['0000000000000001', '', 'z', '000000000000000', '00000000000000000'],
    hasHints: true,
  },
  'texts that differ behind the part': {
    key: 'text',
    keys: numbered((n) => `${n % 2 === 0 ? 'abc' : 'abd'}-same-for-all-${n}`),
    missing: ['abc-same-for-all-', 'abd-same-for-all-0', 'abc'],
    hasHints: true,
  },
  'short texts and their extensions': {
    key: 'text',
    keys: [...numbered((n) => String(n)), ...numbered((n) => `${n}\0`), 'a', 'a\0', 'a\0\0', 'aé', 'aü'],
    missing: ['1', '1\0', 'a\0\0\0', 'b', ''],
    hasHints: true,
  },
  blobs: {
    key: 'blob',
    keys: numbered((n) => String(n)).map((text) => Buffer.from(text.padStart(6, '\0'))),
    missing: [Buffer.alloc(0), Buffer.alloc(6), Buffer.from('zzz')],
    hasHints: true,
  },
  'values of several types': {
    key: 'any',
    keys: [...numbered((n) => `t${n}`), ...Array.from({ length: 300 }, (_, n) => n), Buffer.from('t3'), 1.5],
    missing: ['t1', 300.5, Buffer.from('t1'), -1],
    hasHints: true,
  },
  integers: {
    key: 'integer',
    keys: Array.from({ length: 300 }, (_, n) => n * 3),
    missing: [1, -1, 901],
    hasHints: true,
  },
}

for (const [name, { key, keys, missing, hasHints }] of Object.entries(KINDS)) {
  test(`${name} are found, and missing ones are not, however often a leaf is read`, (t) => {
    const { database, map } = mapOf(key, keys)
    for (let pass = 0; pass < PASSES; pass++) {
      for (const [index, each] of keys.entries()) t.is(map.get(each), index)
      for (const each of missing) t.is(map.get(each), undefined)
      for (const each of missing) t.false(map.has(each))
    }
    t.is(leavesWithHints(database) > 0, hasHints, 'the look-ups went the way that is tested')
  })
}

test('rowids are found near and far from one another, also beyond safe integers', (t) => {
  const ids = [
    -5,
    0,
    1,
    7,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53 - 1,
    2n ** 60n,
    ...Array.from({ length: 400 }, (_, n) => 1000 + n * 2),
  ]
  const database = new MemoryDatabase(encodeNewDatabase(1024))
  database.create(tableDefinition('t', { columns: { id: 'integer', name: 'text' }, primaryKey: 'id' }))
  const table = new Table<{ id: number | bigint; name: string }, number | bigint>(database, 't')
  const schema = database.newestSchema()
  database.apply(ids.map((id) => table.putOperation(schema, { id, name: `row ${id}` })))
  for (let pass = 0; pass < PASSES; pass++) {
    for (const id of ids) t.deepEqual(table.get(id), { id, name: `row ${id}` })
    for (const id of [-1, 2, 1001, 2 ** 33, 2n ** 61n, -(2n ** 60n)]) t.is(table.get(id), undefined)
  }
  t.true(leavesWithHints(database) > 0)
})

test('what is written to a leaf with hints is found in the next state', (t) => {
  const keys = numbered((n) => String(n).padStart(8, '0'))
  const { database, map } = mapOf('text', keys)
  for (let pass = 0; pass < PASSES; pass++) for (const each of keys) map.get(each)
  t.true(leavesWithHints(database) > 0)
  const schema = database.newestSchema()
  const added = numbered((n) => String(n + 1).padStart(8, '0'))
  database.apply(added.map((each) => map.putOperation(schema, each, each)))
  database.apply(keys.slice(0, 100).map((each) => map.deleteOperation(schema, each)))
  for (let pass = 0; pass < PASSES; pass++) {
    for (const each of added) t.is(map.get(each), each)
    for (const [index, each] of keys.entries()) t.is(map.get(each), index < 100 ? undefined : index)
  }
})

/**
 * A snapshot that had another version of the root ended the hints to each leaf that it read, and the next look-up in the newest
 * state entered all cells of that leaf again: reads of both in turn took five times as long as without hints.
 */
test('a search through an older version of a parent leaves the hints to the leaf as they are', (t) => {
  const { database, map } = mapOf('text', numbered(String))
  for (let pass = 0; pass < PASSES; pass++) map.get('3')
  const pages = database.pages()
  const { hints } = pages
  const numbers = Array.from({ length: pages.pageCount }, (_, index) => pageNumber(index + 1))
  const leaf = numbers.map((number) => pages.page(number)).find((page) => page.hintId > 0 && page.decoded!.isLeaf)!
  const { hintId } = leaf
  const older = new Page(pageNumber(2), leaf.bytes, false)
  older.lookupCount = NEVER_HINTED
  t.false(passPage(leaf, leaf.decoded!, hints!, pageNumber(2), older))
  t.is(leaf.hintId, hintId)
})
