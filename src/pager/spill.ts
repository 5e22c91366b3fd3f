/**
 * Changed pages of one batch that were too many for memory. They stand in the log as frames without a commit mark, which do
 * not exist for anyone, and only this batch knows where (TXN-9). Once more than a few pages have left memory again, those that do take the
 * place of their frame, so that the log becomes hardly longer than what is changed; unless an open savepoint may yet go back to
 * that frame. To the first few it would not pay: all checksums behind a frame that was overwritten have to be computed again.
 *
 * A savepoint remembers the last frame; undone, the log goes on from there as if the later ones had never been written.
 * Memory: a few words for each frame.
 *
 * Used under WRITE by the committer of the batch.
 */
import { assert } from '../assert.js'
import { type FrameNumber, NO_FRAME, type PageNumber } from '../units.js'
import { FrameMap } from '../wal/index.js'
import { Page } from './page.js'

/** The end of the log as the batch sees it: frames behind those that are published. Implemented by wal/log-spill. */
export interface SpillLog {
  /** The frame behind which it begins. */
  readonly base: FrameNumber
  /** The last frame so far. */
  readonly end: FrameNumber
  /** Appends pages in this order. @throws ENDMARK_IO: none of them is there */
  append(pages: readonly Page[]): void
  /** Puts a page in the place of an older version of it. @throws ENDMARK_IO: whatever the frame holds now is of no use */
  overwrite(page: Page, frame: FrameNumber): void
  pageOf(frame: FrameNumber): PageNumber
  /** Forgets all frames after this one. */
  rewind(end: FrameNumber): void
  /** The image of a page in a frame that was appended. */
  page(number: PageNumber, frame: FrameNumber): Uint8Array
}

/** Frames of pages that have a newer one, as a part of all pages, before any is overwritten. */
const OLD_FRAMES_SHARE = 1 / 8

/** Pages that were read again and may be needed soon: some interior pages and the leaves beside the last change. */
const CACHED_PAGES_MAX = 1024

export class Spill {
  readonly #log: SpillLog
  readonly #frames: FrameMap
  readonly #cache = new Map<PageNumber, Page>()

  constructor(log: SpillLog) {
    this.#log = log
    this.#frames = new FrameMap(log.base)
  }

  /** A place to go back to. */
  get mark(): FrameNumber {
    return this.#log.end
  }

  /** Pages that stand in the log and not in memory. */
  get pageCount(): number {
    return this.#frames.size
  }

  /** @param keptUpTo the mark of the innermost savepoint: frames up to there stay as they are */
  write(pages: readonly Page[], keptUpTo: FrameNumber): void {
    const appended: Page[] = []
    const pageCount = this.#frames.size
    const hasOldFrames = this.#log.end - this.#log.base - pageCount > pageCount * OLD_FRAMES_SHARE
    for (const page of pages) {
      const frame = this.#frames.newest(page.number)
      this.#cache.delete(page.number)
      if (hasOldFrames && frame > keptUpTo) this.#log.overwrite(page, frame)
      else appended.push(page)
    }
    if (appended.length === 0) return
    this.#log.append(appended)
    for (const { number } of appended) this.#frames.push(number)
  }

  /** The page as it was when it left memory, or null if it never did. */
  page(number: PageNumber): Page | null {
    const frame = this.#frames.newest(number)
    if (frame === NO_FRAME) return null
    const known = this.#cache.get(number)
    if (known !== undefined) return known
    if (this.#cache.size >= CACHED_PAGES_MAX) this.#cache.clear()
    // Not a clean one, which never changes: its frame may be overwritten while somebody still has it.
    const page = new Page(number, this.#log.page(number, frame), true)
    this.#cache.set(number, page)
    return page
  }

  /** @param mark an earlier `mark`, or 0 */
  rewind(mark: FrameNumber): void {
    const log = this.#log
    const frames = this.#frames
    assert(mark <= log.end, () => `spilled frames up to ${log.end}, back to ${mark}`)
    while (frames.endMark > Math.max(mark, log.base)) {
      const number = log.pageOf(frames.endMark)
      frames.pop(number)
      this.#cache.delete(number)
    }
    log.rewind(frames.endMark)
  }
}
