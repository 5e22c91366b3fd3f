/**
 * Cursors against a sorted array: all bounds, both directions, prefixes of composite keys, and edits of the tree
 * between two steps.
 */
import test from 'ava'
import fc from 'fast-check'
import { AssertionError } from '../../src/assert.js'
import {
  createTree,
  deleteRecord,
  deleteRow,
  IndexCursor,
  Payload,
  putRecord,
  putRow,
  type SeekBound,
  TableCursor,
} from '../../src/btree/index.js'
import { decodeRecord, encodeRecord, type KeyOrder, SearchKey } from '../../src/format/index.js'
import type { PageNumber } from '../../src/units.js'
import { MemoryPages } from '../support/memory-pages.js'
import { treeFindings } from '../support/tree-findings.js'

const SEED = Number(process.env.ENDMARK_TEST_SEED ?? 20250103)
const PAIR_ORDER: KeyOrder = [
  { collation: 'binary', descending: false },
  { collation: 'binary', descending: false },
]
const BOUNDS: readonly SeekBound[] = ['ge', 'gt', 'le', 'lt']

/** Where a seek must end in a sorted array of things compared with the key; -1 for nowhere. */
function expectedIndex(orders: readonly number[], bound: SeekBound): number {
  if (bound === 'ge') return orders.findIndex((order) => order >= 0)
  if (bound === 'gt') return orders.findIndex((order) => order > 0)
  if (bound === 'le') return orders.findLastIndex((order) => order <= 0)
  return orders.findLastIndex((order) => order < 0)
}

test('a table cursor goes to the right row for every bound and from there both ways', (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const root = createTree(pages, 'table')
  const rowids: number[] = []
  for (let i = -300; i < 300; i++) rowids.push(i * 3)
  for (const rowid of rowids) putRow(pages, root, rowid, encodeRecord(['x'.repeat(Math.abs(rowid) % 40)]), 'insert')
  const cursor = new TableCursor(pages, root)
  for (let rowid = -910; rowid < 910; rowid++) {
    const orders = rowids.map((other) => other - rowid)
    for (const bound of BOUNDS) {
      const index = expectedIndex(orders, bound)
      const found = cursor.seek(rowid, bound)
      if (found !== index >= 0 || (found && cursor.rowid !== rowids[index])) t.fail(`seek ${bound} ${rowid}`)
      if (!found) continue
      if (cursor.next() !== index + 1 < rowids.length) t.fail(`next after ${bound} ${rowid}`)
      if (index + 1 < rowids.length && (!cursor.previous() || cursor.rowid !== rowids[index]))
        t.fail(`back to ${rowid}`)
    }
  }
  t.pass()
})

test('rowids of all 64 bits are kept in order', (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const root = createTree(pages, 'table')
  const rowids: (number | bigint)[] = [-(2n ** 63n), -(2n ** 53n), -Number.MAX_SAFE_INTEGER, -1, 0, 1, 127, 128, 16383]
  rowids.push(16384, 2 ** 31, 2 ** 32, 2 ** 49, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 56n, 2n ** 63n - 1n)
  for (const rowid of [...rowids].reverse()) t.false(putRow(pages, root, rowid, encodeRecord([null]), 'insert'))
  for (let i = 1; i < 400; i++) putRow(pages, root, 2 ** 40 + i, encodeRecord(['x'.repeat(50)]), 'insert')
  for (const rowid of rowids) t.true(putRow(pages, root, rowid, encodeRecord(['new']), 'upsert'), String(rowid))
  const cursor = new TableCursor(pages, root)
  const seen: (number | bigint)[] = []
  for (let found = cursor.first(); found; found = cursor.next()) {
    if (cursor.rowid < 2 ** 40 || cursor.rowid > 2 ** 40 + 400) seen.push(cursor.rowid)
  }
  t.deepEqual(seen, rowids)
  for (const rowid of rowids) t.true(cursor.seek(rowid, 'ge') && cursor.rowid === rowid)
})

interface Pairs {
  readonly pages: MemoryPages
  readonly root: PageNumber
  readonly pairs: [string, number][]
}

/** An index on (text, number) with groups of equal texts that reach over several pages. */
function pairIndex(): Pairs {
  const pages = new MemoryPages({ pageSize: 512 })
  const root = createTree(pages, 'index')
  const pairs: [string, number][] = []
  for (const group of ['b', 'd', 'dd', 'f'.repeat(300), 'h']) {
    for (let i = 0; i < (group === 'd' ? 120 : 25); i++) pairs.push([group, i * 2])
  }
  const key = new SearchKey(PAIR_ORDER)
  const shuffled = pairs.map((pair, i) => ({ pair, at: (i * 7919) % 1009 })).sort((a, b) => a.at - b.at)
  for (const { pair } of shuffled) putRecord(pages, root, key.set(pair), encodeRecord(pair), 'insert')
  return { pages, root, pairs }
}

const payload = new Payload()

function currentPair(cursor: IndexCursor): [string, number] {
  cursor.payload(payload)
  return decodeRecord(payload.bytes, payload.start, payload.length) as [string, number]
}

function comparePair(pair: readonly [string, number], key: readonly [string, number?]): number {
  if (pair[0] !== key[0]) return pair[0] < key[0] ? -1 : 1
  return key[1] === undefined ? 0 : pair[1] - key[1]
}

test('an index cursor takes a short key as a prefix: all entries that begin with it are equal', (t) => {
  const { pages, root, pairs } = pairIndex()
  const cursor = new IndexCursor(pages, root)
  const keys: [string, number?][] = []
  for (const group of ['a', 'b', 'c', 'd', 'dd', 'e', 'f'.repeat(300), 'g', 'h', 'i', '']) {
    keys.push([group])
    for (const number of [-1, 0, 1, 40, 41, 48, 49, 238, 239]) keys.push([group, number])
  }
  const key = new SearchKey(PAIR_ORDER)
  for (const values of keys) {
    const orders = pairs.map((pair) => comparePair(pair, values))
    for (const bound of BOUNDS) {
      const index = expectedIndex(orders, bound)
      const found = cursor.seek(key.set(values as [string, number]), bound)
      t.is(found, index >= 0, `${bound} ${values[0].slice(0, 5)} ${values[1]}`)
      if (!found) continue
      t.deepEqual(currentPair(cursor), pairs[index])
      t.is(cursor.next(), index + 1 < pairs.length)
      t.is(cursor.seek(key, bound) && cursor.previous(), index > 0)
      if (index > 0) t.deepEqual(currentPair(cursor), pairs[index - 1])
    }
  }
})

type Step =
  | { type: 'next' | 'previous' | 'first' | 'last' | 'commit' }
  | { type: 'put' | 'delete' | 'seek'; number: number; size: number }

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('next' as const, 'previous' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constantFrom('first' as const, 'last' as const, 'commit' as const) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'seek' as const),
        number: fc.nat(300),
        size: fc.oneof(fc.nat(60), fc.constantFrom(200, 900)),
      }),
    },
  ),
  { minLength: 20, maxLength: 250 },
)

/** One tree and a cursor on it, driven by steps and compared with a sorted array. */
abstract class Driver {
  readonly pages = new MemoryPages({ pageSize: 512 })
  readonly #numbers: number[] = []
  #position: number | null = null

  run(list: readonly Step[]): void {
    for (let number = 0; number < 300; number += 4) this.#put(number, 40)
    for (const step of list) this.#step(step)
    const found = this.findings()
    if (found.length > 0) throw new Error(found.join('; '))
  }

  #step(step: Step): void {
    if (step.type === 'commit') this.pages.commit()
    else if (step.type === 'put') this.#put(step.number, step.size)
    else if (step.type === 'delete') this.#delete(step.number)
    else this.#move(step)
  }

  #move(step: Step): void {
    const numbers = this.#numbers
    let expected: number | undefined
    let found = false
    if (step.type === 'first') {
      found = this.first()
      expected = numbers[0]
    } else if (step.type === 'last') {
      found = this.last()
      expected = numbers.at(-1)
    } else if (step.type === 'seek') {
      found = this.seek(step.number)
      expected = numbers.find((number) => number >= step.number)
    } else {
      const from = this.#position
      found = step.type === 'next' ? this.next() : this.previous()
      if (from !== null && step.type === 'next') expected = numbers.find((number) => number > from)
      if (from !== null && step.type === 'previous') expected = numbers.findLast((number) => number < from)
    }
    this.#position = expected ?? null
    const actual = found ? this.current() : undefined
    if (actual !== expected) throw new Error(`${step.type} went to ${actual}, not ${expected}`)
  }

  #put(number: number, size: number): void {
    this.put(number, size)
    if (this.#numbers.includes(number)) return
    this.#numbers.push(number)
    this.#numbers.sort((a, b) => a - b)
  }

  #delete(number: number): void {
    const index = this.#numbers.indexOf(number)
    if (this.delete(number) !== index >= 0) throw new Error(`delete was wrong about ${number}`)
    if (index >= 0) this.#numbers.splice(index, 1)
  }

  protected abstract findings(): string[]
  protected abstract first(): boolean
  protected abstract last(): boolean
  protected abstract seek(number: number): boolean
  protected abstract next(): boolean
  protected abstract previous(): boolean
  protected abstract current(): number
  protected abstract put(number: number, size: number): void
  protected abstract delete(number: number): boolean
}

class TableDriver extends Driver {
  readonly #root = createTree(this.pages, 'table')
  readonly #cursor = new TableCursor(this.pages, this.#root)

  protected findings = () => treeFindings(this.pages, { tables: [this.#root] })
  protected first = () => this.#cursor.first()
  protected last = () => this.#cursor.last()
  protected seek = (number: number) => this.#cursor.seek(number, 'ge')
  protected next = () => this.#cursor.next()
  protected previous = () => this.#cursor.previous()
  protected current = () => this.#cursor.rowid as number
  protected put = (number: number, size: number) =>
    void putRow(this.pages, this.#root, number, encodeRecord(['x'.repeat(size)]), 'upsert')
  protected delete = (number: number) => deleteRow(this.pages, this.#root, number)
}

class IndexDriver extends Driver {
  readonly #root = createTree(this.pages, 'index')
  readonly #cursor = new IndexCursor(this.pages, this.#root, PAIR_ORDER)
  readonly #key = new SearchKey(PAIR_ORDER)

  /** Keys of different sizes, some of which reach into an overflow chain. */
  #values(number: number): [string, number] {
    return [`${String(number).padStart(4, '0')}${number % 7 === 0 ? 'k'.repeat(600) : ''}`, number]
  }

  protected findings = () => treeFindings(this.pages, { indexes: [this.#root] })
  protected first = () => this.#cursor.first()
  protected last = () => this.#cursor.last()
  protected seek = (number: number) => this.#cursor.seek(this.#key.set(this.#values(number)), 'ge')
  protected next = () => this.#cursor.next()
  protected previous = () => this.#cursor.previous()
  protected current = () => currentPair(this.#cursor)[1]
  protected put = (number: number, size: number) => {
    const values = this.#values(number)
    putRecord(this.pages, this.#root, this.#key.set(values), encodeRecord([...values, 'x'.repeat(size)]), 'upsert')
  }
  protected delete = (number: number) => deleteRecord(this.pages, this.#root, this.#key.set(this.#values(number)))
}

test('a table cursor keeps its place while rows come and go', (t) => {
  fc.assert(
    fc.property(steps, (list) => new TableDriver().run(list)),
    { seed: SEED, numRuns: 150 },
  )
  t.pass()
})

test('an index cursor keeps its place while entries come and go', (t) => {
  fc.assert(
    fc.property(steps, (list) => new IndexDriver().run(list)),
    { seed: SEED, numRuns: 150 },
  )
  t.pass()
})

test('a cursor on an empty tree, or past either end, stays nowhere', (t) => {
  const pages = new MemoryPages()
  const table = createTree(pages, 'table')
  const index = createTree(pages, 'index')
  const key = new SearchKey(PAIR_ORDER).set(['a'])
  for (const cursor of [new TableCursor(pages, table), new IndexCursor(pages, index)]) {
    t.false(cursor.next())
    t.false(cursor.previous())
    t.false(cursor.first())
    t.false(cursor.last())
    t.throws(() => cursor.payload(payload), { instanceOf: AssertionError })
  }
  for (const bound of BOUNDS) {
    t.false(new TableCursor(pages, table).seek(1, bound))
    t.false(new IndexCursor(pages, index).seek(key, bound))
  }
  putRow(pages, table, 5, encodeRecord(['only']), 'insert')
  const cursor = new TableCursor(pages, table)
  t.true(cursor.first())
  t.false(cursor.next())
  t.false(cursor.next())
  t.true(cursor.last())
})

test('reading the entry under a cursor after it was deleted is a mistake of the caller', (t) => {
  const { pages, root } = pairIndex()
  const cursor = new IndexCursor(pages, root)
  const key = new SearchKey(PAIR_ORDER).set(['d', 40])
  t.true(cursor.seek(key, 'ge'))
  t.true(deleteRecord(pages, root, key))
  t.throws(() => cursor.payload(payload), { instanceOf: AssertionError })
})

test('the record under a cursor can be read after an edit elsewhere in the tree', (t) => {
  const pages = new MemoryPages({ pageSize: 512 })
  const root = createTree(pages, 'table')
  for (let rowid = 0; rowid < 200; rowid += 2) putRow(pages, root, rowid, encodeRecord([rowid]), 'insert')
  const cursor = new TableCursor(pages, root)
  t.true(cursor.seek(100, 'ge'))
  for (let rowid = 1; rowid < 200; rowid += 2) putRow(pages, root, rowid, encodeRecord(['x'.repeat(90)]), 'insert')
  cursor.payload(payload)
  t.deepEqual(decodeRecord(payload.bytes, payload.start, payload.length), [100])
  t.true(cursor.next())
  t.is(cursor.rowid, 101)
})
