/**
 * Changed pages of one batch that were too many for memory. They stand in the log as frames without a commit mark, which do
 * not exist for anyone, and only this batch knows where (TXN-9). Of a page that was changed and left again the newest frame counts.
 *
 * A savepoint remembers how many frames there were; undone, the log goes on from there as if the later ones had never been
 * written. Memory: a few words for each frame.
 *
 * Used under WRITE by the committer of the batch.
 */
import { assert } from '../assert.js'
import { type FrameNumber, NO_FRAME, type PageNumber } from '../units.js'
import { Page } from './page.js'

/** The end of the log as the batch sees it: frames behind those that are published. Implemented by wal/log-spill. */
export interface SpillLog {
  /** Frames so far. */
  readonly count: number
  /** Appends pages in this order. @throws ENDMARK_IO: none of them is there */
  append(pages: readonly Page[]): void
  /** The frame at this place, from 0, and the page that it is of. */
  frame(index: number): FrameNumber
  pageNumber(index: number): PageNumber
  /** Forgets all frames after the first `count`. */
  rewind(count: number): void
  /** The image of a page in a frame that was appended. */
  page(number: PageNumber, frame: FrameNumber): Uint8Array
}

/** Pages that were read again and may be needed soon: some interior pages and the leaves beside the last change. */
const CACHED_PAGES_MAX = 1024

export class Spill {
  readonly #log: SpillLog
  readonly #newest = new Map<PageNumber, FrameNumber>()
  /** Of each frame the one that it took the place of. */
  readonly #before: FrameNumber[] = []
  readonly #cache = new Map<PageNumber, Page>()

  constructor(log: SpillLog) {
    this.#log = log
  }

  /** A place to go back to. */
  get mark(): number {
    return this.#log.count
  }

  /** Pages that stand in the log and not in memory. */
  get pageCount(): number {
    return this.#newest.size
  }

  append(pages: readonly Page[]): void {
    const first = this.#log.count
    this.#log.append(pages)
    for (let i = 0; i < pages.length; i++) {
      const { number } = pages[i]!
      this.#before.push(this.#newest.get(number) ?? NO_FRAME)
      this.#newest.set(number, this.#log.frame(first + i))
      this.#cache.delete(number)
    }
  }

  /** The page as it was when it left memory, or null if it never did. */
  page(number: PageNumber): Page | null {
    const frame = this.#newest.get(number)
    if (frame === undefined) return null
    const known = this.#cache.get(number)
    if (known !== undefined) return known
    if (this.#cache.size >= CACHED_PAGES_MAX) this.#cache.clear()
    const page = new Page(number, this.#log.page(number, frame), false)
    this.#cache.set(number, page)
    return page
  }

  rewind(mark: number): void {
    const log = this.#log
    assert(mark <= log.count, () => `spilled frames: ${log.count}, back to ${mark}`)
    for (let index = log.count; index-- > mark; ) {
      const number = log.pageNumber(index)
      const before = this.#before.pop()!
      if (before === NO_FRAME) this.#newest.delete(number)
      else this.#newest.set(number, before)
      this.#cache.delete(number)
    }
    log.rewind(mark)
  }
}
