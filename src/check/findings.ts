/**
 * What a check has found so far, each finding with its place in a file. At the limit the check ends, by `LimitReached`:
 * on a badly damaged file the first findings say all that the others would.
 */
import type { PageFinding } from '../btree/index.js'
import type { CommittedPages } from '../pager/index.js'

/** Something that is wrong with a database, and where. */
export interface Finding {
  /** Path of the main file, the -wal or the -shm. */
  readonly file: string
  /** 1-based number of the page, or null where it is not about one. */
  readonly page: number | null
  /** Bytes from the start of the file, or null where no place can be named. */
  readonly offset: number | null
  readonly what: string
}

export class LimitReached extends Error {}

export class Findings {
  readonly all: Finding[] = []
  readonly #pages: CommittedPages
  readonly #limit: number

  constructor(pages: CommittedPages, limit: number) {
    this.#pages = pages
    this.#limit = limit
  }

  get count(): number {
    return this.all.length
  }

  /** @throws LimitReached once the limit is reached */
  add(finding: Finding): void {
    this.all.push(finding)
    if (this.all.length >= this.#limit) throw new LimitReached()
  }

  /** The page may lie in the main file or in the log. */
  addOfPage({ page, offset, what }: PageFinding): void {
    const { file, fileOffset } = this.#pages.placeOf(page)
    this.add({ file, page, offset: fileOffset + offset, what })
  }
}
