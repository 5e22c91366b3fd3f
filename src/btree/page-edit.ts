/**
 * Edits inside one page: make room for a cell, drop one, put the free space together again. All of them keep the
 * page's memo up to date.
 *
 * Rules of the format kept here: free space below the content area, freeblocks (4 bytes or more, ascending, never
 * touching one another) and fragments (at most 60 bytes in all) add up to all that the cells leave over.
 *
 * Pages must be private copies (see editablePage). Before the first edit of a page its freeblocks are checked once
 * against that sum, so that a damaged list cannot hand out bytes which belong to a cell.
 */
import { assert } from '../assert.js'
import {
  CELL_COUNT_OFFSET,
  CELL_POINTER_SIZE,
  CONTENT_START_OFFSET,
  cellOffset,
  cellSize,
  DecodedPage,
  FIRST_FREEBLOCK_OFFSET,
  FRAGMENT_BYTES_MAX,
  FRAGMENT_BYTES_OFFSET,
  FREEBLOCK_SIZE_MIN,
  FREEBLOCK_SIZE_OFFSET,
  get16,
  INTERIOR_HEADER_SIZE,
  KIND_OFFSET,
  LEAF_BIT,
  LEAF_HEADER_SIZE,
  pageHeaderOffset,
  placedSize,
  put16,
  put32,
  putCellChild,
  RIGHT_CHILD_OFFSET,
} from '../format/index.js'
import type { Page, PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { forgetHeads } from './key-heads.js'

/** Holds the content area while it is rewritten: used within one call only. */
const scratch = new Uint8Array(0x10000)

/** Makes the page an empty one of this kind. What it held is lost. */
export function initializePage(page: Page, kind: number, usableSize: number): DecodedPage {
  const { bytes } = page
  const header = pageHeaderOffset(page.number)
  const headerSize = (kind & LEAF_BIT) !== 0 ? LEAF_HEADER_SIZE : INTERIOR_HEADER_SIZE
  bytes.fill(0, header, header + headerSize)
  bytes[header + KIND_OFFSET] = kind
  put16(bytes, header + CONTENT_START_OFFSET, usableSize)
  const decoded = new DecodedPage(page.number, bytes, usableSize)
  decoded.freeBytes = usableSize - decoded.pointersOffset
  decoded.isFreeSpaceChecked = true
  page.decoded = decoded
  return decoded
}

/** Whether a cell of this size goes into the page, after defragmenting it if need be. */
export function hasRoom(page: Page, size: number): boolean {
  return placedSize(size) + CELL_POINTER_SIZE <= page.decoded!.freeBytes
}

/**
 * Makes room for a cell of `size` bytes and points the cell pointer array to it; there must be room.
 * @returns where its bytes go
 */
export function insertSpace(pages: PageWriter, page: Page, index: number, size: number): number {
  const decoded = page.decoded!
  const { bytes } = page
  const placed = placedSize(size)
  assert(placed + CELL_POINTER_SIZE <= decoded.freeBytes, 'cell does not fit into the page')
  const offset = allocateSpace(pages, page, placed)
  const pointer = decoded.pointersOffset + CELL_POINTER_SIZE * index
  const end = decoded.pointersEnd
  if (pointer < end) bytes.copyWithin(pointer + CELL_POINTER_SIZE, pointer, end)
  put16(bytes, pointer, offset)
  putCellCount(bytes, decoded, decoded.cellCount + 1)
  decoded.freeBytes -= placed + CELL_POINTER_SIZE
  forgetHeads(decoded)
  return offset
}

/**
 * Makes room for `count` cells behind all others, in one piece of `size` bytes; there must be room. Each of them has to be pointed to
 * with `pointTo`.
 * @returns where their bytes go
 */
export function appendSpace(pages: PageWriter, page: Page, count: number, size: number): number {
  const decoded = page.decoded!
  const { bytes } = page
  const needed = size + CELL_POINTER_SIZE * count
  assert(needed <= decoded.freeBytes, 'cells do not fit into the page')
  checkFreeSpace(pages, page)
  if (needed > decoded.contentStart - decoded.pointersEnd) defragment(page)
  const offset = decoded.contentStart - size
  putContentStart(bytes, decoded, offset)
  putCellCount(bytes, decoded, decoded.cellCount + count)
  decoded.freeBytes -= needed
  forgetHeads(decoded)
  return offset
}

/** Lets the cell with this index be the one at `offset`. */
export function pointTo({ bytes, decoded }: Page, index: number, offset: number): void {
  put16(bytes, decoded!.pointersOffset + CELL_POINTER_SIZE * index, offset)
}

/** Takes the cell with this index and this size out of the page. */
export function dropCell(pages: PageWriter, page: Page, index: number, size: number): void {
  const decoded = page.decoded!
  const { bytes } = page
  forgetHeads(decoded)
  if (decoded.cellCount === 1) {
    emptyPage(bytes, decoded)
    return
  }
  const placed = placedSize(size)
  const pointer = decoded.pointersOffset + CELL_POINTER_SIZE * index
  releaseSpace(pages, page, get16(bytes, pointer), placed)
  const end = decoded.pointersEnd
  if (pointer + CELL_POINTER_SIZE < end) bytes.copyWithin(pointer, pointer + CELL_POINTER_SIZE, end)
  putCellCount(bytes, decoded, decoded.cellCount - 1)
  decoded.freeBytes += placed + CELL_POINTER_SIZE
}

export function putChild(page: Page, index: number, child: PageNumber): void {
  const decoded = page.decoded!
  forgetHeads(decoded)
  if (index < decoded.cellCount) putCellChild(page.bytes, cellOffset(page.bytes, decoded, index), child)
  else putRightChild(page, child)
}

export function putRightChild(page: Page, child: PageNumber): void {
  const decoded = page.decoded!
  forgetHeads(decoded)
  put32(page.bytes, decoded.headerOffset + RIGHT_CHILD_OFFSET, child)
  decoded.rightChild = child
}

/** Size of the cell with this index. */
export function sizeOfCell(page: Page, index: number): number {
  const decoded = page.decoded!
  return cellSize(page.bytes, cellOffset(page.bytes, decoded, index), decoded)
}

/** Moves all cells to the end of the page, the first one last, so that all free space is in one piece. */
export function defragment(page: Page): void {
  const decoded = page.decoded!
  const { bytes } = page
  const { contentStart, usableSize, headerOffset, cellCount, pointersOffset } = decoded
  scratch.set(bytes.subarray(contentStart, usableSize), contentStart)
  let to = usableSize
  for (let index = 0; index < cellCount; index++) {
    const pointer = pointersOffset + CELL_POINTER_SIZE * index
    const offset = get16(bytes, pointer)
    const size = placedSize(cellSize(scratch, offset, decoded))
    to -= size
    copyRange(scratch, offset, bytes, to, size)
    put16(bytes, pointer, to)
  }
  put16(bytes, headerOffset + FIRST_FREEBLOCK_OFFSET, 0)
  bytes[headerOffset + FRAGMENT_BYTES_OFFSET] = 0
  putContentStart(bytes, decoded, to)
  decoded.isFreeSpaceChecked = true
  assert(to - decoded.pointersEnd === decoded.freeBytes, 'free bytes of the page were counted wrong')
}

/** Above this a call into the runtime beats a loop. */
const LOOP_COPY_MAX = 48

export function copyRange(from: Uint8Array, start: number, to: Uint8Array, at: number, size: number): void {
  if (size > LOOP_COPY_MAX) to.set(new Uint8Array(from.buffer, from.byteOffset + start, size), at)
  else for (let i = 0; i < size; i++) to[at + i] = from[start + i]!
}

function putCellCount(bytes: Uint8Array, decoded: DecodedPage, count: number): void {
  put16(bytes, decoded.headerOffset + CELL_COUNT_OFFSET, count)
  decoded.cellCount = count
}

/** 65536 becomes 0, as the format has it. */
function putContentStart(bytes: Uint8Array, decoded: DecodedPage, start: number): void {
  put16(bytes, decoded.headerOffset + CONTENT_START_OFFSET, start)
  decoded.contentStart = start
}

function emptyPage(bytes: Uint8Array, decoded: DecodedPage): void {
  put16(bytes, decoded.headerOffset + FIRST_FREEBLOCK_OFFSET, 0)
  bytes[decoded.headerOffset + FRAGMENT_BYTES_OFFSET] = 0
  putCellCount(bytes, decoded, 0)
  putContentStart(bytes, decoded, decoded.usableSize)
  decoded.freeBytes = decoded.usableSize - decoded.pointersOffset
  decoded.isFreeSpaceChecked = true
}

/** Finds `size` bytes for a cell whose pointer is about to be added: a freeblock, or the start of the content area. */
function allocateSpace(pages: PageWriter, page: Page, size: number): number {
  const decoded = page.decoded!
  const { bytes } = page
  checkFreeSpace(pages, page)
  const pointersEnd = decoded.pointersEnd + CELL_POINTER_SIZE
  if (pointersEnd <= decoded.contentStart) {
    const found = takeFreeblock(bytes, decoded, size)
    if (found !== 0) return found
  }
  if (pointersEnd + size > decoded.contentStart) defragment(page)
  const offset = decoded.contentStart - size
  putContentStart(bytes, decoded, offset)
  return offset
}

/** First fit. Takes the end of a larger block; of one that would leave a hole below 4 bytes, all of it. */
function takeFreeblock(bytes: Uint8Array, decoded: DecodedPage, size: number): number {
  let link = decoded.headerOffset + FIRST_FREEBLOCK_OFFSET
  for (let block = get16(bytes, link); block !== 0; block = get16(bytes, link)) {
    const rest = get16(bytes, block + FREEBLOCK_SIZE_OFFSET) - size
    if (rest >= FREEBLOCK_SIZE_MIN) {
      put16(bytes, block + FREEBLOCK_SIZE_OFFSET, rest)
      return block + rest
    }
    if (rest >= 0) {
      const fragments = decoded.headerOffset + FRAGMENT_BYTES_OFFSET
      if (bytes[fragments]! + rest > FRAGMENT_BYTES_MAX) return 0
      bytes[fragments] = bytes[fragments]! + rest
      put16(bytes, link, get16(bytes, block))
      return block
    }
    link = block
  }
  return 0
}

/** Makes a freeblock of these bytes, joined with its neighbours and with fragments in between. */
function releaseSpace(pages: PageWriter, page: Page, start: number, size: number): void {
  const decoded = page.decoded!
  const { bytes } = page
  checkFreeSpace(pages, page)
  const head = decoded.headerOffset + FIRST_FREEBLOCK_OFFSET
  let previous = head
  let next = get16(bytes, head)
  while (next !== 0 && next < start) {
    previous = next
    next = get16(bytes, next)
  }
  let from = start
  let end = start + size
  let fragments = 0
  if (next !== 0 && next - end < FREEBLOCK_SIZE_MIN) {
    fragments += next - end
    end = next + get16(bytes, next + FREEBLOCK_SIZE_OFFSET)
    next = get16(bytes, next)
  }
  if (previous !== head) {
    const previousEnd = previous + get16(bytes, previous + FREEBLOCK_SIZE_OFFSET)
    if (start - previousEnd < FREEBLOCK_SIZE_MIN) {
      fragments += start - previousEnd
      from = previous
    }
  }
  takeBackFragments(pages, page, start, fragments)
  if (from === decoded.contentStart) {
    put16(bytes, head, next)
    putContentStart(bytes, decoded, end)
    return
  }
  if (from === start) put16(bytes, previous, from)
  put16(bytes, from, next)
  put16(bytes, from + FREEBLOCK_SIZE_OFFSET, end - from)
}

function takeBackFragments(pages: PageWriter, page: Page, start: number, count: number): void {
  const offset = page.decoded!.headerOffset + FRAGMENT_BYTES_OFFSET
  const known = page.bytes[offset]!
  // A negative count is a freeblock that overlaps the cell.
  if (count < 0 || count > known) throw pages.corrupt(page.number, start, 'cell lies in free space')
  page.bytes[offset] = known - count
}

/** Walks the freeblocks once per page and compares their sum with what the cells leave over. */
function checkFreeSpace(pages: PageWriter, page: Page): void {
  const decoded = page.decoded!
  if (decoded.isFreeSpaceChecked) return
  const { bytes } = page
  const { headerOffset, usableSize } = decoded
  let free = decoded.contentStart - decoded.pointersEnd + bytes[headerOffset + FRAGMENT_BYTES_OFFSET]!
  let end = 0
  for (let block = get16(bytes, headerOffset + FIRST_FREEBLOCK_OFFSET); block !== 0; block = get16(bytes, block)) {
    const size = get16(bytes, block + FREEBLOCK_SIZE_OFFSET)
    if (block < end || block < decoded.contentStart || size < FREEBLOCK_SIZE_MIN || block + size > usableSize) {
      throw pages.corrupt(page.number, block, `freeblock of ${size} bytes out of order or past the page`)
    }
    free += size
    end = block + size + FREEBLOCK_SIZE_MIN
  }
  if (free !== decoded.freeBytes) {
    throw pages.corrupt(page.number, headerOffset, `${free} free bytes where the cells leave ${decoded.freeBytes}`)
  }
  decoded.isFreeSpaceChecked = true
}
