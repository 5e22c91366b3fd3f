/**
 * Look-ups by hint (pager/entry-hints): from the key straight to its cell. Leaves that are read again and again are entered
 * with all their cells; what is found by a hint is compared whole, and whatever is not found this way (keys of several
 * columns, payloads with an overflow chain, hints that gave way, damage) is left to the careful search (HINT-1).
 */
import {
  Cell,
  cellOffset,
  DamagedRecord,
  type DecodedPage,
  getRowid,
  getVarint,
  hashInteger,
  leadingHash,
  readCell,
  type SearchKey,
  TABLE_LEAF,
  varintSize,
} from '../format/index.js'
import { type EntryHints, NEVER_HINTED, type Page, type PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import type { Payload } from './payload.js'

/** Look-ups in a leaf before all its cells get hints: until then they may not pay for themselves. */
const LOOKUPS_MIN = 3

/** Of memory; an entry of usual size lies on two or three. */
const LINE_BYTES = 64
const LINES_AHEAD = 2

/** Looks a record up by its hint. False says nothing. */
export function findRecordByHint(
  pages: PageReader,
  hints: EntryHints,
  root: PageNumber,
  key: SearchKey,
  into: Payload,
): boolean {
  if (!hints.find(key.hash(root), root) || !pages.ownsHinted()) return false
  const { whole, cellStart } = hints
  keepReadAhead(linesAfter(hints, pages))
  const length = getVarint(whole, cellStart)
  const start = cellStart + varintSize(whole, cellStart)
  if (start + length > hints.pageStart + pages.usableSize) return false
  try {
    if (key.compareRecord(whole, start, length) !== 0) return false
  } catch (error) {
    // The careful search says where.
    if (error instanceof DamagedRecord) return false
    throw error
  }
  into.set(whole, start, length)
  return true
}

/** Looks a row up by its hint. False says nothing. */
export function findRowByHint(
  pages: PageReader,
  hints: EntryHints,
  root: PageNumber,
  rowid: number,
  into: Payload,
): boolean {
  if (!hints.find(hashInteger(rowid, root), root) || !pages.ownsHinted()) return false
  const { whole, cellStart } = hints
  keepReadAhead(linesAfter(hints, pages))
  const length = getVarint(whole, cellStart)
  const rowidAt = cellStart + varintSize(whole, cellStart)
  if (getRowid(whole, rowidAt) !== rowid) return false
  const start = rowidAt + varintSize(whole, rowidAt)
  if (start + length > hints.pageStart + pages.usableSize) return false
  into.set(whole, start, length)
  return true
}

const readAhead = { sum: 0 }

/** Takes a sum of what was read ahead: loads that nobody uses would be left out. */
export function keepReadAhead(sum: number): void {
  readAhead.sum ^= sum
}

/**
 * Reads ahead where the hints say that these records lie. Look-ups wait for memory, one for the next; reads that do
 * not depend on each other wait together.
 */
export function readAheadByHint(pages: PageReader, root: PageNumber, keys: readonly SearchKey[], count: number): void {
  const { hints } = pages
  if (hints === null) return
  let sum = 0
  for (let i = 0; i < count; i++) if (keys[i]!.hasHash) sum ^= hints.touch(keys[i]!.hash(root))
  for (let i = 0; i < count; i++) {
    if (!keys[i]!.hasHash || !hints.find(keys[i]!.hash(root), root)) continue
    sum ^= hints.whole[hints.cellStart]! ^ linesAfter(hints, pages)
  }
  keepReadAhead(sum)
}

/** Reads the lines behind that on which the cell begins: they are waited for together with it, not one after the other. */
function linesAfter({ whole, cellStart, pageStart }: EntryHints, { usableSize }: PageReader): number {
  // Not past the page: behind the last one of a file, a map must not be touched (MAP-1).
  const last = pageStart + usableSize - 1
  let sum = 0
  for (let i = 1; i <= LINES_AHEAD; i++) sum ^= whole[Math.min(cellStart + i * LINE_BYTES, last)]!
  return sum
}

/**
 * Tells the hints of a page that the careful search comes by, and which one it came from: null for the root. A leaf that has
 * been looked into often enough gets hints to all its cells.
 * @returns whether that is a leaf for which it is still too early: then nothing else is worth making for it either
 */
export function passPage(
  page: Page,
  decoded: DecodedPage,
  hints: EntryHints,
  root: PageNumber,
  parent: Page | null,
): boolean {
  if (page.lookupCount === NEVER_HINTED) return false
  // Found through an older version of its parent: of the place in the newest tree, which hints are for, that says nothing.
  if (parent !== null && parent.lookupCount === NEVER_HINTED) return false
  if (decoded.isLeaf && page.lookupCount < LOOKUPS_MIN && ++page.lookupCount < LOOKUPS_MIN) return true
  const isKnown = page.hintId !== 0
  hints.admit(page, root, parent)
  if (decoded.isLeaf && !isKnown) {
    for (let index = 0; index < decoded.cellCount; index++) putHint(page, decoded, hints, root, index)
  }
  return false
}

const cell = new Cell()

/** Enters one cell of a leaf that the hints know, unless a hint cannot lead to it. */
export function putHint(page: Page, decoded: DecodedPage, hints: EntryHints, root: PageNumber, index: number): void {
  if (page.hintId === 0) return
  const { bytes } = page
  readCell(bytes, cellOffset(bytes, decoded, index), decoded, cell)
  if (cell.localLength !== cell.payloadLength) return
  if (decoded.kind !== TABLE_LEAF) {
    const hash = leadingHash(bytes, cell.payloadStart, cell.payloadLength, root)
    if (hash !== null) hints.put(hash, page, cell.offset)
  } else if (typeof cell.rowid === 'number') {
    hints.put(hashInteger(cell.rowid, root), page, cell.offset)
  }
}
