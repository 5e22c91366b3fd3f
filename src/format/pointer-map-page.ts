/**
 * Pointer-map pages: in an auto-vacuum database every page but page 1, the lock-byte page and the pointer-map pages themselves has an
 * entry of 5 bytes that says what it is and which page refers to it. Source: SQLite "Database File Format", section 1.8.
 *
 *   offset  size      pointer-map page
 *   0       5 each    kind (1), parent page (4), for as many pages after this one as there is room for
 *
 * The first one is page 2. Endmark reads such databases and does not write to them.
 */
import { type PageNumber, pageNumber } from '../units.js'
import { lockBytePage } from './lock-byte-page.js'

export const POINTER_KIND_OFFSET = 0
export const POINTER_PARENT_OFFSET = POINTER_KIND_OFFSET + 1
export const POINTER_ENTRY_SIZE = POINTER_PARENT_OFFSET + 4
export const POINTER_OFFSETS = { kind: POINTER_KIND_OFFSET, parent: POINTER_PARENT_OFFSET } as const

/** What a page is, as its entry says it. */
export const POINTER_KINDS = { root: 1, free: 2, firstOverflow: 3, overflow: 4, child: 5 } as const

export type PointerKind = keyof typeof POINTER_KINDS

const FIRST_POINTER_MAP = 2

/** The pointer-map page that has the entry of this page (from 2 on); the page itself if it is one. */
export function pointerMapOf(page: PageNumber, pageSize: number, usableSize: number): PageNumber {
  const span = Math.floor(usableSize / POINTER_ENTRY_SIZE) + 1
  const map = Math.floor((page - FIRST_POINTER_MAP) / span) * span + FIRST_POINTER_MAP
  return pageNumber(map === lockBytePage(pageSize) ? map + 1 : map)
}

/** Where the entry of `page` starts on its pointer-map page. */
export function pointerEntryOffset(page: PageNumber, map: PageNumber): number {
  return POINTER_ENTRY_SIZE * (page - map - 1)
}
