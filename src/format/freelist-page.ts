/**
 * The freelist: unused pages, for the next allocation. The file header names the first trunk page and counts all
 * free pages; each trunk names the next trunk, counts its leaves and lists them. Freelist leaves hold nothing.
 *
 *   offset  size      trunk page
 *   0       4         next trunk page, 0 on the last
 *   4       4         number of leaves in this trunk
 *   8       4 each    page numbers of the leaves
 */
import { type PageNumber, pageNumber } from '../units.js'
import { get32, put32 } from './bytes.js'

export const TRUNK_NEXT_OFFSET = 0
export const TRUNK_LEAF_COUNT_OFFSET = TRUNK_NEXT_OFFSET + 4
export const TRUNK_LEAVES_OFFSET = TRUNK_LEAF_COUNT_OFFSET + 4
export const TRUNK_OFFSETS = {
  next: TRUNK_NEXT_OFFSET,
  leafCount: TRUNK_LEAF_COUNT_OFFSET,
  leaves: TRUNK_LEAVES_OFFSET,
} as const
const LEAF_ENTRY_SIZE = 4

/** Leaves that the format allows on one trunk page. */
export function trunkLeafCountMax(usableSize: number): number {
  return Math.floor((usableSize - TRUNK_LEAVES_OFFSET) / LEAF_ENTRY_SIZE)
}

/** Leaves that are put on one trunk page: SQLite before 3.6.0 took the last six entries for damage. */
export function trunkLeafCountFull(usableSize: number): number {
  return trunkLeafCountMax(usableSize) - 6
}

export function nextTrunkPage(bytes: Uint8Array): PageNumber {
  return pageNumber(get32(bytes, TRUNK_NEXT_OFFSET))
}

export function trunkLeafCount(bytes: Uint8Array): number {
  return get32(bytes, TRUNK_LEAF_COUNT_OFFSET)
}

export function trunkLeafOffset(index: number): number {
  return TRUNK_LEAVES_OFFSET + LEAF_ENTRY_SIZE * index
}

export function trunkLeaf(bytes: Uint8Array, index: number): PageNumber {
  return pageNumber(get32(bytes, trunkLeafOffset(index)))
}

/** Makes the page an empty trunk in front of `next`. */
export function putTrunk(bytes: Uint8Array, next: PageNumber): void {
  put32(bytes, TRUNK_NEXT_OFFSET, next)
  put32(bytes, TRUNK_LEAF_COUNT_OFFSET, 0)
}

export function appendTrunkLeaf(bytes: Uint8Array, leaf: PageNumber): void {
  const count = trunkLeafCount(bytes)
  put32(bytes, trunkLeafOffset(count), leaf)
  put32(bytes, TRUNK_LEAF_COUNT_OFFSET, count + 1)
}

/** Takes the last leaf off the list; there must be one. */
export function takeTrunkLeaf(bytes: Uint8Array): PageNumber {
  const count = trunkLeafCount(bytes)
  put32(bytes, TRUNK_LEAF_COUNT_OFFSET, count - 1)
  return trunkLeaf(bytes, count - 1)
}
