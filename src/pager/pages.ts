/**
 * What the b-tree needs of the pager. `PageReader` is one consistent state of the database (a snapshot, or a
 * write transaction that sees its own changes); `PageWriter` adds the changes. Both are synchronous.
 */
import type { EndmarkError } from '../errors.js'
import type { PageNumber } from '../units.js'
import type { EntryHints } from './entry-hints.js'
import type { Page } from './page.js'

export interface PageReader {
  /** Bytes per page, 512 to 65536. */
  readonly pageSize: number
  /** Page size less the reserved bytes at the end of each page. */
  readonly usableSize: number
  /** Pages of the database in this state; no page beyond it exists. */
  readonly pageCount: number
  /** Field of the file header that changes with every change of the schema. */
  readonly schemaCookie: number
  /** Grows with each edit of a page by `PageWriter`; constant for a snapshot. Lets cursors notice edits. */
  readonly editCount: number

  /** Where entries of leaves that are read often lie; null where nobody keeps that. Ask `ownsHinted` about what was found. */
  readonly hints: EntryHints | null

  /**
   * Whether the page that the hints have found last, and all above it in its tree, are those of this state.
   * @throws ENDMARK_CLOSED or ENDMARK_SNAPSHOT_EXPIRED as `page` does
   */
  ownsHinted(): boolean

  /**
   * @throws ENDMARK_CORRUPT if `number` is 0, past the page count or the lock-byte page, or the file is too short;
   *   ENDMARK_CLOSED or ENDMARK_SNAPSHOT_EXPIRED when this state is no longer held
   */
  page(number: PageNumber): Page

  /** The error to throw for damage found in a page of this state. `offset` is from the start of the page. */
  corrupt(page: PageNumber, offset: number, what: string): EndmarkError
}

export interface PageWriter extends PageReader {
  /** The page as a private copy that may be written; the same object until the next rollback or commit. */
  writable(number: PageNumber): Page

  /** A page for new content, all zero, taken from the freelist or from the end of the file. */
  allocate(): Page

  /** Gives a page back to the freelist. Its content is lost. */
  free(number: PageNumber): void
}
