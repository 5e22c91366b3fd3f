/**
 * Hints lead to pages that are still known, and to nothing else: HINT-1. The entries of a page that came and went, pages
 * that were moved, and tables that grew or ran out of ids.
 */
import test from 'ava'
import { EntryHints } from '../../src/pager/entry-hints.js'
import { Page } from '../../src/pager/page.js'
import { type PageNumber, pageNumber } from '../../src/units.js'
import { seededRandom } from '../support/random.js'

const ROOT = pageNumber(2)
const OTHER_ROOT = pageNumber(3)
const PAGE_SIZE = 512

const memory = new Uint8Array(PAGE_SIZE * 4096)
const page = (number: number) =>
  new Page(pageNumber(number), memory.subarray((number - 1) * PAGE_SIZE, number * PAGE_SIZE), false)

test('a hint leads to the cell of its page, in the tree it was made for', (t) => {
  const hints = new EntryHints(1 << 16)
  const leaf = page(7)
  hints.admit(leaf, ROOT, null)
  hints.put(0x12345678, leaf, 100)
  t.true(hints.find(0x12345678, ROOT))
  t.is<number, number>(hints.numberOf(hints.id), 7)
  t.is(hints.pageStart, 6 * PAGE_SIZE)
  t.is(hints.cellStart, 6 * PAGE_SIZE + 100)
  t.is(hints.whole.buffer, memory.buffer)
  t.false(hints.find(0x12345678, OTHER_ROOT), 'another tree may have the same key')
  t.false(hints.find(0x12355678, ROOT))
})

test('hints end with their page, and move with it', (t) => {
  const hints = new EntryHints(1 << 16)
  const leaf = page(1)
  hints.admit(leaf, ROOT, null)
  hints.put(1, leaf, 8)
  const moved = page(5)
  hints.move(leaf, moved)
  t.true(hints.find(1, ROOT))
  t.is<number, number>(hints.numberOf(hints.id), 5)
  hints.drop(leaf)
  t.true(hints.find(1, ROOT), 'what has been moved has no hints any more that could end')
  hints.drop(moved)
  t.false(hints.find(1, ROOT))
  hints.drop(moved)
  hints.admit(moved, ROOT, null)
  t.false(hints.find(1, ROOT), 'a page that is known again begins without hints')
})

test('a leaf counts only below the parents that it was found through', (t) => {
  const hints = new EntryHints(1 << 16)
  const [root, interior, leaf] = [page(1), page(2), page(3)]
  const enter = () => {
    hints.admit(root, ROOT, null)
    hints.admit(interior, ROOT, root)
    hints.admit(leaf, ROOT, interior)
  }
  enter()
  hints.put(1, leaf, 8)
  t.true(hints.find(1, ROOT))
  t.deepEqual([hints.id, hints.parentOf(hints.id), hints.parentOf(hints.parentOf(hints.id))], [3, 2, 1])
  hints.drop(root)
  t.false(hints.find(1, ROOT), 'the leaf may have left the tree')
  enter()
  t.true(hints.find(1, ROOT), 'it has not')
  hints.drop(interior)
  t.false(hints.find(1, ROOT))
  hints.admit(leaf, ROOT, interior)
  t.false(hints.find(1, ROOT), 'nothing can be found below what is not known')
  const loop = page(4)
  hints.admit(loop, ROOT, loop)
  hints.put(2, loop, 8)
  t.false(hints.find(2, ROOT), 'a damaged tree is no endless one')
})

test('random pages that come, move and go: no hint is left to one that is gone', (t) => {
  const random = seededRandom(t)
  // So small that entries push each other out.
  const hints = new EntryHints(0)
  const live = new Map<number, { page: Page; root: PageNumber; offsets: Map<number, number> }>()
  let found = 0
  for (let step = 0; step < 40_000; step++) {
    const number = 1 + random.below(200)
    const known = live.get(number)
    const action = random.below(20)
    if (known === undefined) {
      const root = random.below(2) === 0 ? ROOT : OTHER_ROOT
      const next = { page: page(number), root, offsets: new Map<number, number>() }
      hints.admit(next.page, root, null)
      live.set(number, next)
    } else if (action === 0) {
      hints.drop(known.page)
      live.delete(number)
    } else {
      const hash = random.below(2 ** 32) | 0
      const offset = 8 + random.below(PAGE_SIZE - 8)
      hints.put(hash, known.page, offset)
      known.offsets.set(hash, offset)
    }
    const asked = live.get(1 + random.below(200))
    if (asked === undefined) continue
    for (const hash of [...asked.offsets.keys()].slice(-3)) {
      if (!hints.find(hash, asked.root)) continue
      const owner = live.get(hints.numberOf(hints.id))
      t.truthy(owner, `a hint to page ${hints.numberOf(hints.id)}, which is gone`)
      t.is(owner?.root, asked.root)
      t.is(hints.pageStart, (hints.numberOf(hints.id) - 1) * PAGE_SIZE)
      if (owner === asked && asked.offsets.get(hash) === hints.cellStart - hints.pageStart) found++
    }
  }
  t.true(found > 10_000, `${found} hints were found`)
})

test('a table that has grown is entered anew, up to its limit', (t) => {
  const hints = new EntryHints(1 << 20)
  const pages = Array.from({ length: 4096 }, (_, index) => page(index + 1))
  const hashOf = (index: number, cell: number) => Math.imul(index * 16 + cell + 1, 0x9e3779b1)
  const enter = (leaf: Page, index: number) => {
    hints.admit(leaf, ROOT, null)
    for (let cell = 0; cell < 16; cell++) hints.put(hashOf(index, cell), leaf, cell * 16)
  }
  const wasDropped = (leaf: Page) => leaf.hintId === 0
  pages.forEach(enter)
  t.true(pages.some(wasDropped), 'it grew')
  for (let pass = 0; pass < 8 && pages.some(wasDropped); pass++) {
    pages.forEach((leaf, index) => {
      if (wasDropped(leaf)) enter(leaf, index)
    })
  }
  t.false(pages.some(wasDropped), 'and no longer does')
  let count = 0
  pages.forEach((leaf, index) => {
    for (let cell = 0; cell < 16; cell++) {
      if (!hints.find(hashOf(index, cell), ROOT)) continue
      if (hints.numberOf(hints.id) === leaf.number && hints.cellStart === hints.pageStart + cell * 16) count++
    }
  })
  t.true(count > 16 * 4096 * 0.7, `${count} of ${16 * 4096} entries are found`)
})

test('ids are never given twice while hints to them may be left', (t) => {
  const hints = new EntryHints(1 << 16)
  const kept = page(9)
  hints.admit(kept, ROOT, null)
  hints.put(42, kept, 16)
  const first = kept.hintId
  for (let count = 0; count < 1 << 20 && kept.hintId !== 0; count++) {
    const passing = page(10)
    hints.admit(passing, ROOT, null)
    if (kept.hintId !== 0 && passing.hintId === first) t.fail(`id ${first} was given twice`)
    hints.drop(passing)
  }
  t.is(kept.hintId, 0, 'all begin again')
  t.false(hints.find(42, ROOT))
})

test('pages that come and go take no more memory than hints may have', (t) => {
  const hints = new EntryHints(1 << 16)
  const root = page(1)
  let idMax = 0
  for (let round = 0; round < 20_000; round++) {
    hints.admit(root, ROOT, null)
    const leaf = page(2)
    hints.admit(leaf, ROOT, root)
    idMax = Math.max(idMax, leaf.hintId)
    hints.put(round, leaf, 8)
    const isKnown = leaf.hintId !== 0
    t.is(hints.find(round, ROOT), isKnown)
    hints.drop(leaf)
    if (isKnown) t.false(hints.find(round, ROOT))
  }
  t.true(idMax > 0 && idMax < 4096, `${idMax} ids, of some 20 bytes each`)
})
