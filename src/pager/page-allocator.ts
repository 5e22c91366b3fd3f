/**
 * Allocating and freeing pages through the freelist: its trunks and leaves, and the two fields of the file header
 * on page 1 that name the first trunk and count the free pages. "Database size in pages" is the host's affair.
 *
 * A page comes from the freelist if that has one, else from the end of the file. Freed pages become leaves of the
 * first trunk, which costs a write to the trunk only, or a new trunk when that is full. The freelist is read from
 * the file and may be damaged: every number taken from it is checked before use, each call touches at most two
 * trunks, and so no loop in the list can keep a call from ending.
 *
 * Called by PageWriter implementations only, under whatever lock their write transaction holds.
 */

import type { EndmarkError } from '../errors.js'
import {
  appendTrunkLeaf,
  FREELIST_COUNT_OFFSET,
  FREELIST_TRUNK_OFFSET,
  get32,
  lockBytePage,
  nextTrunkPage,
  put32,
  putTrunk,
  TRUNK_LEAF_COUNT_OFFSET,
  TRUNK_NEXT_OFFSET,
  takeTrunkLeaf,
  trunkLeafCount,
  trunkLeafCountFull,
  trunkLeafCountMax,
  trunkLeafOffset,
} from '../format/index.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import type { Page } from './page.js'

/** What the allocator needs of a write transaction. */
export interface FreelistHost {
  readonly pageSize: number
  readonly usableSize: number
  /** Pages of the database, those that `grow` has added included. */
  readonly pageCount: number
  /** @throws ENDMARK_CORRUPT if there is no such page */
  page(number: PageNumber): Page
  /** The page as a private copy that may be written. */
  writable(number: PageNumber): Page
  /** A private page of zeros for this number, whatever the page held before. */
  blank(number: PageNumber): Page
  /** A page of zeros appended to the database; the lock-byte page is skipped. */
  grow(): Page
  corrupt(page: PageNumber, offset: number, what: string): EndmarkError
}

/** What became of a freed page: a leaf's content means nothing, so it need not be written any more. */
export type FreedAs = 'leaf' | 'trunk'

const HEADER_PAGE = pageNumber(1)

/** A page of zeros from the freelist, or else from the end of the file. */
export function allocatePage(host: FreelistHost): Page {
  const header = host.page(HEADER_PAGE).bytes
  const freeCount = get32(header, FREELIST_COUNT_OFFSET)
  const trunkNumber = pageNumber(get32(header, FREELIST_TRUNK_OFFSET))
  if (freeCount === 0) return host.grow()
  if (freeCount >= host.pageCount) {
    throw host.corrupt(HEADER_PAGE, FREELIST_COUNT_OFFSET, `${freeCount} free pages of ${host.pageCount}`)
  }
  checkFreePage(host, trunkNumber, HEADER_PAGE, FREELIST_TRUNK_OFFSET)
  const taken = takeFrom(host, trunkNumber)
  put32(host.writable(HEADER_PAGE).bytes, FREELIST_COUNT_OFFSET, freeCount - 1)
  return host.blank(taken)
}

/** Takes a leaf of this trunk, or the trunk itself when it has none. */
function takeFrom(host: FreelistHost, trunkNumber: PageNumber): PageNumber {
  const trunk = host.page(trunkNumber).bytes
  const leafCount = checkedLeafCount(host, trunkNumber, trunk)
  if (leafCount > 0) {
    const leaf = takeTrunkLeaf(host.writable(trunkNumber).bytes)
    checkFreePage(host, leaf, trunkNumber, trunkLeafOffset(leafCount - 1))
    return leaf
  }
  const next = nextTrunkPage(trunk)
  if (next !== NO_PAGE) checkFreePage(host, next, trunkNumber, TRUNK_NEXT_OFFSET)
  put32(host.writable(HEADER_PAGE).bytes, FREELIST_TRUNK_OFFSET, next)
  return trunkNumber
}

/** Gives the page to the freelist. */
export function freePage(host: FreelistHost, number: PageNumber): FreedAs {
  const header = host.writable(HEADER_PAGE).bytes
  const trunkNumber = pageNumber(get32(header, FREELIST_TRUNK_OFFSET))
  checkFreePage(host, number, HEADER_PAGE, FREELIST_TRUNK_OFFSET)
  put32(header, FREELIST_COUNT_OFFSET, get32(header, FREELIST_COUNT_OFFSET) + 1)
  if (trunkNumber !== NO_PAGE) {
    checkFreePage(host, trunkNumber, HEADER_PAGE, FREELIST_TRUNK_OFFSET)
    if (trunkNumber === number) throw host.corrupt(number, 0, 'page is freed that is free already')
    const leafCount = checkedLeafCount(host, trunkNumber, host.page(trunkNumber).bytes)
    if (leafCount < trunkLeafCountFull(host.usableSize)) {
      appendTrunkLeaf(host.writable(trunkNumber).bytes, number)
      return 'leaf'
    }
  }
  putTrunk(host.blank(number).bytes, trunkNumber)
  put32(header, FREELIST_TRUNK_OFFSET, number)
  return 'trunk'
}

function checkedLeafCount(host: FreelistHost, trunkNumber: PageNumber, trunk: Uint8Array): number {
  const leafCount = trunkLeafCount(trunk)
  if (leafCount > trunkLeafCountMax(host.usableSize)) {
    throw host.corrupt(trunkNumber, TRUNK_LEAF_COUNT_OFFSET, `trunk page with ${leafCount} leaves`)
  }
  return leafCount
}

function checkFreePage(host: FreelistHost, number: PageNumber, named: PageNumber, offset: number): void {
  if (number > HEADER_PAGE && number <= host.pageCount && number !== lockBytePage(host.pageSize) && number !== named) {
    return
  }
  throw host.corrupt(named, offset, `page ${number} in the freelist of ${host.pageCount} pages`)
}
