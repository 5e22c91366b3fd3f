/**
 * Records behind the last entry of an index b-tree: its last page is filled up, then new last pages, each whole. Between two pages
 * one record goes to their parent, as their divider, so that nothing is moved again.
 *
 * Where that does not do (the root is a leaf, the parent is full, no record is left for another page) it ends, and one record is
 * put the usual way.
 */
import { CELL_POINTER_SIZE, CHILD_SIZE, INDEX_LEAF, putCellChild } from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import { appendSpace, copyRange, hasRoom, initializePage, insertSpace, pointTo, putRightChild } from './page-edit.js'
import type { RecordRun } from './record-run.js'
import { editablePage } from './tree-page.js'
import type { TreePath } from './tree-path.js'

/** After so many the caller may let pages go from memory. */
const PAGES_MAX = 64

/**
 * @param path leads past the last entry of the last leaf
 * @returns how many of the run have been put; if only those before `from`, the path still leads there
 */
export function appendRun(pages: PageWriter, path: TreePath, run: RecordRun, from: number): number {
  const level = path.last
  let next = from
  for (let filled = 0; ; filled++) {
    next = fillLeaf(pages, path, run, next)
    if (filled === PAGES_MAX || next + 1 >= run.count || level === 0) return next
    if (!addLeaf(pages, path, run, next)) return next
    next++
  }
}

/** Puts records behind the last cell of the leaf until one does not fit. */
function fillLeaf(pages: PageWriter, path: TreePath, run: RecordRun, from: number): number {
  const { maxLocal } = path.page.decoded!
  let next = from
  run.turnTo(next)
  if (run.recordLength > maxLocal || !hasRoom(path.page, run.cellSize)) return next
  const page = editablePage(pages, path.page)
  path.pages[path.last] = page
  do {
    next += run.isRising ? putBeside(pages, page, run, next) : putOne(pages, page, run)
    if (next === run.count) break
    run.turnTo(next)
  } while (run.recordLength <= maxLocal && hasRoom(page, run.cellSize))
  path.indexes[path.last] = page.decoded!.cellCount
  return next
}

function putOne(pages: PageWriter, page: Page, run: RecordRun): number {
  const offset = insertSpace(pages, page, page.decoded!.cellCount, run.cellSize)
  copyRange(run.bytes, run.cellStart, page.bytes, offset, run.cellSize)
  return 1
}

/** Puts as many records as lie one behind the other and have room, in one copy. */
function putBeside(pages: PageWriter, page: Page, run: RecordRun, from: number): number {
  const { freeBytes, maxLocal, cellCount } = page.decoded!
  const { bytes, cellStart } = run
  const count = run.countBeside(from, freeBytes, { extra: CELL_POINTER_SIZE, recordLengthMax: maxLocal })
  run.turnTo(from + count - 1)
  const size = run.cellStart + run.cellSize - cellStart
  const offset = appendSpace(pages, page, count, size)
  copyRange(bytes, cellStart, page.bytes, offset, size)
  for (let i = 0; i < count; i++) {
    run.turnTo(from + i)
    pointTo(page, cellCount + i, offset + run.cellStart - cellStart)
  }
  return count
}

/** Makes the record at `index` the divider behind the last leaf, and the path lead to a new leaf for the one after it. */
function addLeaf(pages: PageWriter, path: TreePath, run: RecordRun, index: number): boolean {
  const level = path.last
  const { maxLocal } = path.page.decoded!
  run.turnTo(index + 1)
  if (run.recordLength > maxLocal) return false
  run.turnTo(index)
  if (run.recordLength > maxLocal || !hasRoom(path.pages[level - 1]!, CHILD_SIZE + run.cellSize)) return false
  const leaf = allocateBeside(pages, path)
  initializePage(leaf, INDEX_LEAF, pages.usableSize)
  const parent = editablePage(pages, path.pages[level - 1]!)
  const offset = insertSpace(pages, parent, parent.decoded!.cellCount, CHILD_SIZE + run.cellSize)
  putCellChild(parent.bytes, offset, path.page.number)
  copyRange(run.bytes, run.cellStart, parent.bytes, offset + CHILD_SIZE, run.cellSize)
  putRightChild(parent, leaf.number)
  path.pages[level - 1] = parent
  path.indexes[level - 1] = parent.decoded!.cellCount
  path.pages[level] = leaf
  path.indexes[level] = 0
  return true
}

/** A new page; a damaged freelist may hand out one of this very path. */
function allocateBeside(pages: PageWriter, path: TreePath): Page {
  const page = pages.allocate()
  for (let level = 0; level <= path.last; level++) {
    if (path.pages[level]!.number === page.number) {
      throw pages.corrupt(page.number, 0, 'page is in the freelist and in a tree')
    }
  }
  return page
}
