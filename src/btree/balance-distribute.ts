/**
 * How cells are divided among sibling pages: sizes in, page boundaries out. Pure arithmetic.
 *
 * The pages are filled from the left, and then cells are moved to the right, from the last page on, until each
 * page is about as full as its left neighbour: the way SQLite does it, so that files age alike under both.
 *
 * On most pages the cell between two pages moves up into the parent as their divider. On table leaves it does not:
 * the divider there is a copy of a rowid.
 */
import { assert } from '../assert.js'

/**
 * @param sizes bytes that each cell takes on a page, its pointer included; those after `count` are ignored
 * @param space bytes for cells and pointers on one page
 * @param keepsDividers true for table leaves, whose cells all stay on their level
 * @returns per page the index after its last cell; the cell with that index is the divider to the next page, or on
 *   table leaves the first cell of the next page
 */
export function distributeCells(
  sizes: readonly number[],
  count: number,
  { space, keepsDividers }: { readonly space: number; readonly keepsDividers: boolean },
): number[] {
  const step = keepsDividers ? 0 : 1
  const ends: number[] = []
  const fills: number[] = []
  fillFromLeft(sizes, count, space, step, ends, fills)
  for (let right = ends.length - 1; right > 0; right--) shiftRight(sizes, step, ends, fills, right)
  return ends
}

/** The same for pages that are filled whole, all but the last two, for cells that are added in key order and in great number. */
export function fillPages(sizes: readonly number[], count: number, space: number): number[] {
  const ends: number[] = []
  const fills: number[] = []
  fillFromLeft(sizes, count, space, 1, ends, fills)
  if (ends.length > 1) shiftRight(sizes, 1, ends, fills, ends.length - 1)
  return ends
}

function fillFromLeft(
  sizes: readonly number[],
  count: number,
  space: number,
  step: number,
  ends: number[],
  fills: number[],
): void {
  let index = 0
  for (;;) {
    let fill = 0
    const start = index
    while (index < count && fill + sizes[index]! <= space) fill += sizes[index++]!
    assert(index > start || index === count, () => `cell of ${sizes[index]} bytes exceeds a page of ${space}`)
    ends.push(index)
    fills.push(fill)
    if (index === count) return
    index += step
  }
}

/** Moves cells from the page before `right` into it while that makes the two more alike. */
function shiftRight(sizes: readonly number[], step: number, ends: number[], fills: number[], right: number): void {
  const left = right - 1
  const first = left === 0 ? 0 : ends[left - 1]! + step
  let leftFill = fills[left]!
  let rightFill = fills[right]!
  for (let last = ends[left]! - 1; last > first; last--) {
    // The page's last cell becomes the divider, and the divider moves to the right; table leaves move it directly.
    const moved = sizes[last + step]!
    if (rightFill > 0 && rightFill + moved > leftFill - sizes[last]!) break
    rightFill += moved
    leftFill -= sizes[last]!
    ends[left] = last
  }
  fills[left] = leftFill
  fills[right] = rightFill
}
