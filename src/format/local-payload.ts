/**
 * How much of a payload stays on its b-tree page; the rest goes to an overflow chain. With U usable bytes per
 * page and P bytes of payload:
 *
 *   X = U - 35                              largest payload that stays whole, table leaf
 *   X = floor((U - 12) * 64 / 255) - 23     the same, index pages: four cells always fit
 *   M = floor((U - 12) * 32 / 255) - 23     least that stays if the rest overflows
 *   K = M + (P - M) mod (U - 4)             what stays if the last overflow page is to be full
 *
 *   P <= X: all P bytes stay. Else K bytes if K <= X, else M.
 */
const LARGEST_OVERHEAD = 35
const FRACTION_OVERHEAD = 12
const CELL_OVERHEAD = 23
const MAX_FRACTION = 64
const MIN_FRACTION = 32
const FRACTION_BASE = 255
const OVERFLOW_LINK_SIZE = 4

/** X of a table leaf page. */
export function tableMaxLocal(usableSize: number): number {
  return usableSize - LARGEST_OVERHEAD
}

/** X of index pages. */
export function indexMaxLocal(usableSize: number): number {
  return Math.floor(((usableSize - FRACTION_OVERHEAD) * MAX_FRACTION) / FRACTION_BASE) - CELL_OVERHEAD
}

/** M of all pages. */
export function minLocal(usableSize: number): number {
  return Math.floor(((usableSize - FRACTION_OVERHEAD) * MIN_FRACTION) / FRACTION_BASE) - CELL_OVERHEAD
}

/** Bytes that stay on the page of a payload longer than `max` (X); `min` is M. */
export function localSizeOfOverflowing(payloadLength: number, max: number, min: number, usableSize: number): number {
  const fitted = min + ((payloadLength - min) % (usableSize - OVERFLOW_LINK_SIZE))
  return fitted <= max ? fitted : min
}
