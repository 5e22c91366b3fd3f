/**
 * One page as the layers above see it. `bytes` is exactly one page and starts at the page's first byte
 * (on page 1 that is the file header: the b-tree page header follows at 100).
 *
 * A clean page is a view of a map or a shared copy: nobody may write to it, and it is valid as long as the
 * snapshot it came from. A dirty page belongs to one write transaction: a private copy, or, once that has left memory, a view of
 * its frame. Its bytes mean something else after the next edit.
 */
import type { DecodedPage } from '../format/index.js'
import type { PageNumber } from '../units.js'

/** Count of look-ups of a page that must not have hints. */
export const NEVER_HINTED = -1

export class Page {
  /** The id that `EntryHints` knows this page by, 0 for none. Only clean leaves have it. */
  hintId = 0
  /** Look-ups in this page so far, up to when it got its hints; `NEVER_HINTED` keeps it from them. */
  lookupCount = 0

  readonly number: PageNumber
  readonly bytes: Uint8Array
  readonly isDirty: boolean
  /** The b-tree's memo of the validated page header. Null until decoded, and after each edit that outdates it. */
  decoded: DecodedPage | null = null

  constructor(number: PageNumber, bytes: Uint8Array, isDirty: boolean) {
    this.number = number
    this.bytes = bytes
    this.isDirty = isDirty
  }
}
