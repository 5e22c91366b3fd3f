/**
 * B-tree pages: header, cell pointer array, unallocated space, cell content area.
 *
 *   offset  size  page header (from byte 100 on page 1, where the file header comes first)
 *   0       1     kind: 2 index interior, 5 table interior, 10 index leaf, 13 table leaf
 *   1       2     first freeblock, 0 if there is none
 *   3       2     number of cells
 *   5       2     start of the cell content area; 0 means 65536
 *   7       1     fragmented free bytes within the cell content area, at most 60
 *   8       4     right child, interior pages only
 *
 * Then two bytes per cell: where it starts, in key order. A freeblock is a hole of at least 4 bytes: the offset of
 * the next one (ascending, 0 on the last), its own size, both two bytes; smaller holes are fragments.
 *
 * `checkPage` validates a page once, before anything else reads it, and leaves its findings as the page's memo.
 * After that every cell lies within the usable part of the page and may be read without checks. What it does not
 * do is look at freeblocks, which only edits need: they check each one they touch.
 */
import type { EndmarkError } from '../errors.js'
import { NO_PAGE, type PageNumber, pageNumber } from '../units.js'
import { get16, get32 } from './bytes.js'
import { CELL_SIZE_MIN, cellSize } from './cell.js'
import { FILE_HEADER_SIZE } from './file-header.js'
import { indexMaxLocal, minLocal, tableMaxLocal } from './local-payload.js'

export const INDEX_INTERIOR = 2
export const TABLE_INTERIOR = 5
export const INDEX_LEAF = 10
export const TABLE_LEAF = 13
/** Set in the kind of leaf pages. */
export const LEAF_BIT = 8

export const KIND_OFFSET = 0
export const FIRST_FREEBLOCK_OFFSET = KIND_OFFSET + 1
export const CELL_COUNT_OFFSET = FIRST_FREEBLOCK_OFFSET + 2
export const CONTENT_START_OFFSET = CELL_COUNT_OFFSET + 2
export const FRAGMENT_BYTES_OFFSET = CONTENT_START_OFFSET + 2
export const RIGHT_CHILD_OFFSET = FRAGMENT_BYTES_OFFSET + 1
export const LEAF_HEADER_SIZE = RIGHT_CHILD_OFFSET
export const INTERIOR_HEADER_SIZE = RIGHT_CHILD_OFFSET + 4

export const CELL_POINTER_SIZE = 2
export const FREEBLOCK_NEXT_OFFSET = 0
export const FREEBLOCK_SIZE_OFFSET = FREEBLOCK_NEXT_OFFSET + 2
export const FREEBLOCK_SIZE_MIN = 4
export const FRAGMENT_BYTES_MAX = 60

/** Every field by name, for the documentation test and for people who look at pages. */
export const PAGE_HEADER_OFFSETS = {
  kind: KIND_OFFSET,
  firstFreeblock: FIRST_FREEBLOCK_OFFSET,
  cellCount: CELL_COUNT_OFFSET,
  contentStart: CONTENT_START_OFFSET,
  fragmentBytes: FRAGMENT_BYTES_OFFSET,
  rightChild: RIGHT_CHILD_OFFSET,
} as const
export const FREEBLOCK_OFFSETS = { next: FREEBLOCK_NEXT_OFFSET, size: FREEBLOCK_SIZE_OFFSET } as const

/** The memo of one page: its validated header, kept up to date by edits. Belongs to exactly one `Page`. */
export class DecodedPage {
  // What searches read comes first, to lie together in memory.
  /** INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF or TABLE_LEAF. */
  readonly kind: number
  readonly isLeaf: boolean
  cellCount: number
  /** Part of each key's beginning, for a fast search (see btree/key-heads); null if the page has no heads. */
  heads: readonly number[] | null = null
  /** With heads: 1 if all keys begin with a text, 0 if with a blob. */
  headParity = -1
  /** With heads: how many bytes all keys begin with alike; the heads are what follows. */
  headSkip = 0
  /** Searches since the last edit: pages worth it get heads. */
  searches = 0
  /** With heads: the bytes that all keys begin with. */
  headShared: Uint8Array | null = null
  /** With heads, on interior pages: the children before each cell and the right child. */
  children: readonly PageNumber[] | null = null
  /** Where the cell pointer array starts. */
  readonly pointersOffset: number
  readonly maxLocal: number
  /** NO_PAGE on leaves. */
  rightChild: PageNumber
  readonly minLocal: number
  readonly usableSize: number
  /** Where the page header starts: 100 on page 1, else 0. */
  readonly headerOffset: number
  contentStart: number
  /** All unused bytes: between pointers and content, freeblocks and fragments. */
  freeBytes: number
  /** Set by the first edit, which compares the freeblocks with `freeBytes`. */
  isFreeSpaceChecked = false

  constructor(number: PageNumber, bytes: Uint8Array, usableSize: number) {
    const headerOffset = pageHeaderOffset(number)
    const kind = bytes[headerOffset + KIND_OFFSET]!
    const isLeaf = (kind & LEAF_BIT) !== 0
    this.kind = kind
    this.isLeaf = isLeaf
    this.headerOffset = headerOffset
    this.pointersOffset = headerOffset + (isLeaf ? LEAF_HEADER_SIZE : INTERIOR_HEADER_SIZE)
    this.usableSize = usableSize
    this.maxLocal = kind === TABLE_LEAF ? tableMaxLocal(usableSize) : indexMaxLocal(usableSize)
    this.minLocal = minLocal(usableSize)
    this.cellCount = get16(bytes, headerOffset + CELL_COUNT_OFFSET)
    this.contentStart = get16(bytes, headerOffset + CONTENT_START_OFFSET) || 0x10000
    this.rightChild = isLeaf ? NO_PAGE : pageNumber(get32(bytes, headerOffset + RIGHT_CHILD_OFFSET))
    this.freeBytes = 0
  }

  /** A memo for a copy of the page, with the same findings. */
  copyFor(number: PageNumber, bytes: Uint8Array): DecodedPage {
    const copy = new DecodedPage(number, bytes, this.usableSize)
    copy.freeBytes = this.freeBytes
    copy.isFreeSpaceChecked = this.isFreeSpaceChecked
    copy.heads = this.heads
    copy.headParity = this.headParity
    copy.headSkip = this.headSkip
    copy.headShared = this.headShared
    copy.children = this.children
    copy.searches = this.searches
    return copy
  }

  /** Where the cell pointer array ends. */
  get pointersEnd(): number {
    return this.pointersOffset + CELL_POINTER_SIZE * this.cellCount
  }
}

/** Whom to ask for the error of a damaged page: a PageReader. */
export interface DamageReporter {
  corrupt(page: PageNumber, offset: number, what: string): EndmarkError
}

/** The part of a page that checking needs. */
export interface CheckedPage {
  readonly number: PageNumber
  readonly bytes: Uint8Array
  decoded: DecodedPage | null
}

export function pageHeaderOffset(number: PageNumber): number {
  return number === 1 ? FILE_HEADER_SIZE : 0
}

/** Where the cell with this 0-based index starts. */
export function cellOffset(bytes: Uint8Array, page: DecodedPage, index: number): number {
  return get16(bytes, page.pointersOffset + CELL_POINTER_SIZE * index)
}

/**
 * Validates the page and sets its memo: kind, header fields, cell pointers and sizes, total of the cells. Takes
 * time in proportion to the number of cells, at most one in six bytes.
 * @throws ENDMARK_CORRUPT
 */
export function checkPage(page: CheckedPage, usableSize: number, damage: DamageReporter): DecodedPage {
  const { number, bytes } = page
  const kind = bytes[pageHeaderOffset(number) + KIND_OFFSET]!
  if (kind !== INDEX_LEAF && kind !== TABLE_LEAF && kind !== INDEX_INTERIOR && kind !== TABLE_INTERIOR) {
    throw damage.corrupt(number, pageHeaderOffset(number), `${kind} is not a kind of b-tree page`)
  }
  const decoded = new DecodedPage(number, bytes, usableSize)
  checkHeader(page, decoded, damage)
  decoded.freeBytes = usableSize - decoded.pointersEnd - checkCells(page, decoded, damage)
  page.decoded = decoded
  return decoded
}

function checkHeader({ number, bytes }: CheckedPage, decoded: DecodedPage, damage: DamageReporter): void {
  const { headerOffset, contentStart, usableSize, pointersEnd } = decoded
  if (pointersEnd > contentStart || contentStart > usableSize) {
    const what = `cell content from ${contentStart}, not between ${pointersEnd} and ${usableSize}`
    throw damage.corrupt(number, headerOffset + CONTENT_START_OFFSET, what)
  }
  const freeblock = get16(bytes, headerOffset + FIRST_FREEBLOCK_OFFSET)
  if (freeblock !== 0 && (freeblock < contentStart || freeblock > usableSize - FREEBLOCK_SIZE_MIN)) {
    throw damage.corrupt(number, headerOffset + FIRST_FREEBLOCK_OFFSET, `freeblock at ${freeblock}`)
  }
  const fragments = bytes[headerOffset + FRAGMENT_BYTES_OFFSET]!
  if (fragments > FRAGMENT_BYTES_MAX) {
    throw damage.corrupt(number, headerOffset + FRAGMENT_BYTES_OFFSET, `${fragments} fragmented bytes`)
  }
}

/** @returns bytes that all cells take together */
function checkCells({ number, bytes }: CheckedPage, decoded: DecodedPage, damage: DamageReporter): number {
  const { contentStart, usableSize, pointersOffset, pointersEnd } = decoded
  let total = 0
  for (let pointer = pointersOffset; pointer < pointersEnd; pointer += CELL_POINTER_SIZE) {
    const offset = get16(bytes, pointer)
    if (offset < contentStart || offset > usableSize - CELL_SIZE_MIN) {
      throw damage.corrupt(number, pointer, `cell pointer ${offset} leads out of the cell content area`)
    }
    const size = cellSize(bytes, offset, decoded)
    if (offset + size > usableSize) throw damage.corrupt(number, offset, `cell of ${size} bytes runs past the page`)
    total += size < CELL_SIZE_MIN ? CELL_SIZE_MIN : size
  }
  if (total > usableSize - contentStart) {
    throw damage.corrupt(number, pointersOffset, `cells of ${total} bytes overlap, from ${contentStart} on`)
  }
  return total
}
