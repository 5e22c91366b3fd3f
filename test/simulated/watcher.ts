/**
 * A watch of a virtual process, down to the pages of the states: what `ChangeReader` does, against the model. Each commit comes after
 * the one before, none is passed over, and every page that is given out of a state that is not held is the page of that state
 * (WATCH-1, WATCH-2).
 */
import { PageOverwritten, type Pager, PastPages } from '../../src/pager/index.js'
import { type FrameNumber, pageNumber } from '../../src/units.js'
import { CommitHistory, type IndexHeader, type Wal } from '../../src/wal/index.js'
import type { CommitModel } from './commit-model.js'

/** How pages are read: the number of the commit that wrote it. */
export type ReadNumber = (pages: PastPages, page: number) => number

export interface WatchCounts {
  /** Commits that were told one by one. */
  told: number
  /** Changes that cover what the log no longer has. */
  vague: number
  pages: number
  /** Pages that were refused. */
  overwritten: number
}

interface Position {
  readonly header: IndexHeader
  readonly state: string
  /** Processes that had been killed by then. */
  readonly deaths: number
}

interface WatcherParts {
  readonly wal: Wal
  readonly pager: Pager
  readonly model: CommitModel
  readonly readNumber: ReadNumber
  readonly counts: WatchCounts
  readonly deaths: () => number
}

export class Watcher {
  readonly counts: WatchCounts
  readonly #wal: Wal
  readonly #pager: Pager
  readonly #model: CommitModel
  readonly #readNumber: ReadNumber
  readonly #history: CommitHistory
  readonly #deaths: () => number
  #position: Position | null = null

  constructor(of: WatcherParts) {
    this.#deaths = of.deaths
    this.counts = of.counts
    this.#wal = of.wal
    this.#pager = of.pager
    this.#model = of.model
    this.#readNumber = of.readNumber
    this.#history = new CommitHistory(of.wal)
  }

  /** One step of the watch. @param stateOf the state that is held, as text */
  look(stateOf: (held: ReturnType<Pager['acquire']>) => string): void {
    const position = this.#position
    if (position !== null && this.#wal.index.isCurrent(position.header)) return
    const since = this.#model.newest
    // Before the header is read: whoever dies from then on may have it counted anew.
    const deaths = this.#deaths()
    const held = this.#pager.acquire()
    try {
      const newest = stateOf(held)
      this.#model.observe(newest, since)
      const { header } = held.snapshot
      if (!held.snapshot.tryKeepGeneration()) return
      const start =
        position === null || this.#isInDoubt(position, header) ? null : this.#history.follow(header, position.header)
      if (position === null || start === null) {
        if (position !== null) this.counts.vague++
        this.#position = { header: header.clone(), state: newest, deaths }
        return
      }
      this.#step(position, start, { header, state: newest })
    } finally {
      this.#pager.release(held)
    }
  }

  /**
   * A recovery, which takes a death, begins the count of commits anew. With numbers as small as here it soon happens that it comes
   * out as if none were missing, so that a restart is not followed then.
   */
  #isInDoubt(position: Position, header: IndexHeader): boolean {
    return !position.header.hasSaltsOf(header) && position.deaths !== this.#deaths()
  }

  #step(
    position: Position,
    start: FrameNumber,
    newest: { readonly header: IndexHeader; readonly state: string },
  ): void {
    this.#compare(position.state, start, position.header.pageCount)
    const commit = this.#history.commitAfter(start)
    if (commit === null) {
      if (newest.state !== position.state) throw new Error(`from ${position.state} to ${newest.state} without a commit`)
      this.#position = { ...position, header: newest.header.clone() }
      return
    }
    const header = this.#history.headerAt(commit, position.header)
    const state = this.#model.after(position.state)
    if (state === undefined) throw new Error(`a commit after ${position.state}, which is the newest`)
    this.#compare(state, commit, header.pageCount)
    this.counts.told++
    this.#position = { header, state, deaths: position.deaths }
  }

  /** @throws unless all pages that are given out are those of this state */
  #compare(state: string, endMark: FrameNumber, pageCount: number): void {
    const numbers = state === '' ? [] : state.split(',').map(Number)
    const lastSafePage = this.#history.lastSafePage(endMark)
    const { frames } = this.#history
    const known = { usableSize: this.#wal.pageSize, frames, endMark, pageCount, lastSafePage }
    this.#wal.mainWindows.forgetSize()
    if (pageCount === 0) return
    const pages = new PastPages(this.#wal, known)
    if (pages.pageCount !== numbers.length + 1) throw new Error(`${pages.pageCount} pages in state ${state}`)
    for (let page = 2; page <= pages.pageCount; page++) {
      try {
        const found = this.#readNumber(pages, pageNumber(page))
        if (found !== numbers[page - 2]) throw new Error(`page ${page} of state ${state} is of commit ${found}`)
        this.counts.pages++
      } catch (error) {
        if (!(error instanceof PageOverwritten)) throw error
        this.counts.overwritten++
      }
    }
  }
}
