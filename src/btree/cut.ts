/**
 * Cutting a range of a tree into parts of about the same size, by its interior pages alone: from the root down until there are
 * several times as many subtrees as parts, then every n-th of the cells between them. Subtrees of one level hold about as
 * many entries each, so the more of them make a part, the more even the parts are; no leaf is read for it but the first.
 *
 * A cut is the key of an interior cell that lies inside the range: entries up to and including it belong before the cut.
 *
 * Every level is read at most once and a tree has at most DEPTH_MAX, so a damaged tree cannot make this endless (TREE-3).
 */
import { cellOffset, cellRowid, INDEX_LEAF, type SearchKey, TABLE_LEAF } from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { Payload } from './payload.js'
import { boundaryOfKey, readPayloadAt, searchRowid } from './search.js'
import { childNumber, type Rowid, treePage } from './tree-page.js'

/** The range to be cut; null: no bound at this end. */
export interface CutRange<Bound> {
  readonly lower: Bound | null
  readonly isLowerOpen: boolean
  readonly upper: Bound | null
  readonly isUpperOpen: boolean
}

/** So many subtrees make a part, where the tree has as many: a part is then off by about a sixteenth. */
const SUBTREES_PER_PART = 16

/** The rowids after which to cut, rising: fewer than `parts`. */
export function cutTable(pages: PageReader, root: PageNumber, range: CutRange<Rowid>, parts: number): Rowid[] {
  const { lower, upper } = range
  const gaps = cut(pages, root, parts, {
    leafKind: TABLE_LEAF,
    first: (page) => (lower === null ? 0 : placeOf(page, lower)),
    last: (page) => (upper === null ? page.decoded!.cellCount : placeOf(page, upper)),
  })
  return gaps.map(({ page, index }) =>
    cellRowid(page.bytes, cellOffset(page.bytes, page.decoded!, index), page.decoded!),
  )
}

/** The records after which to cut, rising, as copies: fewer than `parts`. */
export function cutIndex(
  pages: PageReader,
  root: PageNumber,
  { lower, isLowerOpen, upper, isUpperOpen }: CutRange<SearchKey>,
  parts: number,
): Uint8Array[] {
  // A bound may be a prefix that many entries equal: none of a group that it leaves out may become a cut.
  const gaps = cut(pages, root, parts, {
    leafKind: INDEX_LEAF,
    first: (page) => (lower === null ? 0 : boundaryOfKey(pages, page, lower, !isLowerOpen)),
    last: (page) => (upper === null ? page.decoded!.cellCount : boundaryOfKey(pages, page, upper, isUpperOpen)),
  })
  const payload = new Payload()
  return gaps.map(({ page, index }) => {
    readPayloadAt(pages, page, index, payload)
    return payload.bytes.slice(payload.start, payload.start + payload.length)
  })
}

function placeOf(page: Page, rowid: Rowid): number {
  const found = searchRowid(page, rowid)
  return found >= 0 ? found : ~found
}

interface Edges {
  readonly leafKind: number
  /** Of an interior page on the left edge of the range: index of its first child inside. */
  readonly first: (page: Page) => number
  readonly last: (page: Page) => number
}

/** The cell between two subtrees. */
interface Gap {
  readonly page: Page
  readonly index: number
}

/** Subtrees of one level, in order, that hold the range; `gaps[i]` lies between `children[i]` and the next one. */
interface Level {
  readonly children: PageNumber[]
  readonly gaps: Gap[]
}

function cut(pages: PageReader, root: PageNumber, parts: number, edges: Edges): Gap[] {
  let level: Level | null = { children: [root], gaps: [] }
  let found = level
  for (let depth = 0; level !== null && level.children.length < parts * SUBTREES_PER_PART; depth++) {
    level = expand(pages, level, depth, edges)
    found = level ?? found
  }
  return everyNth(found, parts)
}

/** The level below; null if these are leaves. */
function expand(pages: PageReader, { children, gaps }: Level, depth: number, edges: Edges): Level | null {
  const next: Level = { children: [], gaps: [] }
  for (let i = 0; i < children.length; i++) {
    const page = treePage(pages, children[i]!, edges.leafKind, depth)
    if (page.decoded!.isLeaf) {
      if (i === 0) return null
      throw pages.corrupt(page.number, 0, 'a leaf beside interior pages of its b-tree')
    }
    const first = i === 0 ? edges.first(page) : 0
    // Bounds in the wrong order make an empty range, which still needs a child to look for it in.
    const last = i === children.length - 1 ? Math.max(first, edges.last(page)) : page.decoded!.cellCount
    for (let index = first; index <= last; index++) {
      next.children.push(childNumber(page, index))
      if (index < last) next.gaps.push({ page, index })
    }
    if (i < gaps.length) next.gaps.push(gaps[i]!)
  }
  return next
}

function everyNth({ children, gaps }: Level, parts: number): Gap[] {
  const count = Math.min(parts, children.length)
  const chosen: Gap[] = []
  for (let part = 1; part < count; part++) chosen.push(gaps[Math.floor((part * children.length) / count) - 1]!)
  return chosen
}
