/**
 * The integrity of the freelist: its trunks, their leaves, and the count in the file header. Free pages are used like any
 * others: a page that is met twice, or that a tree uses as well, is a finding, and ends the walk along the trunks.
 * Pauses once a trunk, like `checkTree`.
 */
import {
  FREELIST_COUNT_OFFSET,
  FREELIST_TRUNK_OFFSET,
  get32,
  nextTrunkPage,
  TRUNK_LEAF_COUNT_OFFSET,
  TRUNK_NEXT_OFFSET,
  trunkLeaf,
  trunkLeafCount,
  trunkLeafCountMax,
  trunkLeafOffset,
} from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { findingOf, type PageCheckHost } from './check-tree.js'

const HEADER_PAGE = pageNumber(1)

export function* checkFreelist(pages: PageReader, host: PageCheckHost): Generator<void, void, void> {
  const header = pages.page(HEADER_PAGE).bytes
  const expected = get32(header, FREELIST_COUNT_OFFSET)
  let count = 0
  let trunk = pageNumber(get32(header, FREELIST_TRUNK_OFFSET))
  for (let named = HEADER_PAGE; trunk !== NO_PAGE; ) {
    yield
    const at = named === HEADER_PAGE ? FREELIST_TRUNK_OFFSET : TRUNK_NEXT_OFFSET
    if (!useFreePage(pages, host, { number: trunk, named, at })) return
    const bytes = trunkBytes(pages, host, trunk)
    if (bytes === null) return
    const leafCount = trunkLeafCount(bytes)
    if (leafCount > trunkLeafCountMax(pages.usableSize)) {
      host.report({ page: trunk, offset: TRUNK_LEAF_COUNT_OFFSET, what: `trunk page with ${leafCount} leaves` })
      return
    }
    count += 1 + leafCount
    for (let index = 0; index < leafCount; index++) {
      useFreePage(pages, host, { number: trunkLeaf(bytes, index), named: trunk, at: trunkLeafOffset(index) })
    }
    named = trunk
    trunk = nextTrunkPage(bytes)
  }
  if (count === expected) return
  host.report({ page: HEADER_PAGE, offset: FREELIST_COUNT_OFFSET, what: `${count} free pages, not ${expected}` })
}

/** A free page, and the page and offset that name it. */
interface FreePage {
  readonly number: PageNumber
  readonly named: PageNumber
  readonly at: number
}

function useFreePage(pages: PageReader, host: PageCheckHost, { number, named, at }: FreePage): boolean {
  const isThere = number >= 1 && number <= pages.pageCount
  const problem = isThere ? host.usePage(number, 'free', NO_PAGE) : `is none of the ${pages.pageCount} there are`
  if (problem !== null) host.report({ page: named, offset: at, what: `free page ${number} ${problem}` })
  return problem === null
}

function trunkBytes(pages: PageReader, host: PageCheckHost, trunk: PageNumber): Uint8Array | null {
  try {
    return pages.page(trunk).bytes
  } catch (error) {
    host.report(findingOf(error, trunk, 0))
    return null
  }
}
