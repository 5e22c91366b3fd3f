/**
 * The lock-byte page: the page that holds file offset 0x40000000, where SQLite's locks lie. It exists in every
 * database larger than 1 GiB and holds nothing: no tree, no overflow chain and no freelist may name it.
 */
import { type PageNumber, pageNumber } from '../units.js'
import { PENDING_BYTE } from './lock-bytes.js'

/** The page that is never used, whether or not the file reaches it yet. */
export function lockBytePage(pageSize: number): PageNumber {
  return pageNumber(Math.floor(PENDING_BYTE / pageSize) + 1)
}
