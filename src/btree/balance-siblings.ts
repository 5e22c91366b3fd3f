/**
 * Cells of some sibling pages go to as many pages as they need: the siblings, as far as that goes, and new ones after them.
 */
import { TABLE_LEAF } from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { CellList } from './balance-gather.js'
import { buildImage, makeDivider, type PagePlan, placeImage, rightChildBefore, scratchImage } from './balance-write.js'

/** Some consecutive cells of a list. */
export interface CellRange {
  readonly start: number
  readonly end: number
}

export interface SharedCells {
  readonly list: CellList
  /** Per page the index after its last cell, as `distributeCells` gives them. */
  readonly ends: readonly number[]
  /** Which cells of the list each sibling holds so far; pages that keep theirs are not written. */
  readonly oldRanges: readonly CellRange[]
}

/**
 * Writes the cells to their pages: the siblings, as far as they are needed, and new ones after them. Siblings that
 * are not needed any more are freed.
 */
export function writeSiblings(
  pages: PageWriter,
  siblings: readonly Page[],
  parent: Page,
  { list, ends, oldRanges }: SharedCells,
): { readonly dividers: readonly Uint8Array[]; readonly last: PageNumber } {
  const kind = siblings[0]!.decoded!
  const targets = targetPages(pages, siblings, parent, ends.length)
  const changed: number[] = []
  const dividers: Uint8Array[] = []
  let start = 0
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!
    const isLast = i === ends.length - 1
    const rightChild = isLast
      ? siblings[siblings.length - 1]!.decoded!.rightChild
      : rightChildBefore(list, end, kind.isLeaf)
    if (!isUnchanged(siblings[i], oldRanges[i], { start, end, rightChild })) {
      buildImage(scratchImage(i, pages.usableSize), kind.kind, list, { start, end, rightChild })
      changed.push(i)
    }
    if (!isLast) dividers.push(makeDivider(targets[i]!.number, list, end, kind))
    start = kind.kind === TABLE_LEAF ? end : end + 1
  }
  for (const i of changed) placeImage(pages.writable(targets[i]!.number), scratchImage(i, pages.usableSize))
  for (let i = ends.length; i < siblings.length; i++) pages.free(siblings[i]!.number)
  return { dividers, last: targets[targets.length - 1]!.number }
}

function isUnchanged(sibling: Page | undefined, old: CellRange | undefined, plan: PagePlan): boolean {
  if (sibling === undefined || old === undefined) return false
  return old.start === plan.start && old.end === plan.end && sibling.decoded!.rightChild === plan.rightChild
}

function targetPages(pages: PageWriter, siblings: readonly Page[], parent: Page, count: number): Page[] {
  const targets = siblings.slice(0, count)
  while (targets.length < count) {
    const page = pages.allocate()
    // A damaged freelist may hand out a page of this very tree.
    if (page.number === parent.number || targets.some((target) => target.number === page.number)) {
      throw pages.corrupt(page.number, 0, 'page is in the freelist and in a tree')
    }
    targets.push(page)
  }
  return targets
}
