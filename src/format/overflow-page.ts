/**
 * Overflow pages: what does not fit on a b-tree page of a payload goes on in a chain of these. Each holds the
 * number of the next one, 0 on the last, and then payload up to the end of the usable part.
 */
import { type PageNumber, pageNumber } from '../units.js'
import { get32, put32 } from './bytes.js'

export const OVERFLOW_NEXT_OFFSET = 0
export const OVERFLOW_DATA_OFFSET = OVERFLOW_NEXT_OFFSET + 4
export const OVERFLOW_OFFSETS = { next: OVERFLOW_NEXT_OFFSET, data: OVERFLOW_DATA_OFFSET } as const

/** Bytes of payload on one overflow page. */
export function overflowCapacity(usableSize: number): number {
  return usableSize - OVERFLOW_DATA_OFFSET
}

/** How many overflow pages hold this many bytes. */
export function overflowPageCount(byteCount: number, usableSize: number): number {
  return Math.ceil(byteCount / overflowCapacity(usableSize))
}

export function nextOverflowPage(bytes: Uint8Array): PageNumber {
  return pageNumber(get32(bytes, OVERFLOW_NEXT_OFFSET))
}

export function putNextOverflowPage(bytes: Uint8Array, next: PageNumber): void {
  put32(bytes, OVERFLOW_NEXT_OFFSET, next)
}
