/**
 * What pages are that are not found in a tree: parts of overflow chains of given leaves, and free pages. Both are struck out of
 * a set, and the walk ends as soon as that is empty. Neither walk is longer than a bound.
 */
import {
  Cell,
  cellOffset,
  FREELIST_TRUNK_OFFSET,
  get32,
  nextTrunkPage,
  readCell,
  TABLE_INTERIOR,
  trunkLeaf,
  trunkLeafCount,
  trunkLeafCountMax,
} from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { overflowPages } from './overflow-chain.js'

const HEADER_PAGE = pageNumber(1)
/** Pages are freed into the first trunk, and used again from there: a commit seldom reaches a second one. */
const TRUNKS_MAX = 64
/** Some 64 MiB of values on the leaves of one commit. */
export const CHAIN_PAGES_MAX = 1 << 14

const cell = new Cell()

/** Strikes out the overflow chains of the entries on these pages, checked before. @throws ENDMARK_CORRUPT */
export function strikeOutChains(pages: PageReader, treePages: readonly Page[], numbers: Set<PageNumber>): void {
  let walked = 0
  for (const page of treePages) {
    const { kind, cellCount } = page.decoded!
    for (let index = 0; kind !== TABLE_INTERIOR && index < cellCount; index++) {
      if (numbers.size === 0 || walked > CHAIN_PAGES_MAX) return
      const chain = chainOfCell(pages, page, index)
      walked += chain.length
      for (const number of chain) numbers.delete(number)
    }
  }
}

/** Pages of the overflow chain of an entry. @throws ENDMARK_CORRUPT */
export function chainOfCell(pages: PageReader, page: Page, index: number): PageNumber[] {
  const decoded = page.decoded!
  return overflowPages(pages, page, readCell(page.bytes, cellOffset(page.bytes, decoded, index), decoded, cell))
}

/** Strikes out the pages of the freelist. @throws ENDMARK_CORRUPT */
export function strikeOutFreePages(pages: PageReader, numbers: Set<PageNumber>): void {
  let trunk = pageNumber(get32(pages.page(HEADER_PAGE).bytes, FREELIST_TRUNK_OFFSET))
  for (let count = 0; trunk !== NO_PAGE && count < TRUNKS_MAX && numbers.size > 0; count++) {
    const { bytes } = pages.page(trunk)
    numbers.delete(trunk)
    const leafCount = trunkLeafCount(bytes)
    if (leafCount > trunkLeafCountMax(pages.usableSize)) throw pages.corrupt(trunk, 0, `trunk with ${leafCount} leaves`)
    for (let index = 0; index < leafCount; index++) numbers.delete(trunkLeaf(bytes, index))
    trunk = nextTrunkPage(bytes)
  }
}
