/**
 * The next change after a position: which commit came first since then, and what it has touched. A position is the header of a
 * committed state; it is all that a watch remembers.
 *
 * Between a look and the next nothing is held (WATCH-3): the newest state is taken, with the slot that keeps its generation, and
 * given back before this returns. What cannot be told then is told as unknown, and covers all commits up to the newest state:
 * none is passed over (WATCH-1), and none is told before it is published.
 */
import { EndmarkError } from '../errors.js'
import { WATCH_PAGES_MAX } from '../limits.js'
import { type HeldPages, PageOverwritten, type Pager, PastPages } from '../pager/index.js'
import { type ComparedState, ComparedStates, changedStores, type StoreChange } from '../store/index.js'
import { type FrameNumber, frameNumber, type PageNumber } from '../units.js'
import { CommitHistory, type IndexHeader, type Wal } from '../wal/index.js'
import { formatToken } from './token.js'

/** One commit, or several that the log no longer tells apart. */
export interface Change {
  /** End mark of the state before; of the log before, where it has been started over since. */
  readonly from: number
  /** End mark of the state after: the newest commit that this change covers. */
  readonly endMark: number
  /** Name of that state, for `db.snapshot({ token })`, as long as the database has it. */
  readonly token: string
  /** 1: a single commit; undefined: not known, one or more. */
  readonly commits: 1 | undefined
  /** What was touched, by the name of the store; undefined: not known, it may be any. */
  readonly stores: ReadonlyMap<string, StoreChange> | undefined
}

/** The position after a look, and what lies between: null, nothing. */
export interface Step {
  readonly position: IndexHeader
  readonly change: Change | null
}

/** Between two of them the log was started over: seldom once, hardly ever twice. */
const ATTEMPTS = 3

export class ChangeReader {
  readonly #wal: Wal
  readonly #pager: Pager
  readonly #history: CommitHistory
  readonly #before = new ComparedStates()
  readonly #after = new ComparedStates()

  constructor(wal: Wal, pager: Pager) {
    this.#wal = wal
    this.#pager = pager
    this.#history = new CommitHistory(wal)
  }

  /** The newest committed state. @throws what reads throw */
  newest(): IndexHeader {
    const held = this.#pager.acquire()
    this.#pager.release(held)
    return held.snapshot.header.clone()
  }

  /**
   * @param isWanted whether anyone asks for this store: of others nothing is told
   * @returns null if nothing was published since: two loads of the map
   * @throws what reads throw
   */
  next(position: IndexHeader, isWanted: (store: string) => boolean): Step | null {
    if (this.#wal.index.isCurrent(position)) return null
    let newest = position
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const held = this.#pager.acquire()
      try {
        newest = held.snapshot.header
        if (held.snapshot.tryKeepGeneration()) return this.#stepFrom(position, held, isWanted)
      } finally {
        this.#pager.release(held)
      }
    }
    return unknown(position, newest)
  }

  /** @requires the generation of `held` is kept */
  #stepFrom(position: IndexHeader, { snapshot, pages }: HeldPages, isWanted: (store: string) => boolean): Step {
    const { header } = snapshot
    const start = this.#history.follow(header, position)
    if (start === null) return unknown(position, header)
    const commit = this.#history.commitAfter(start)
    if (commit === null && header.endMark > start) return unknown(position, header)
    if (commit === null) return { position: header.clone(), change: null }
    const next = this.#history.headerAt(commit, position)
    const stores = this.#storesOf({ position, start, next, usableSize: pages.usableSize, isWanted })
    const change = { from: position.endMark, endMark: commit, token: formatToken(next), commits: 1, stores } as const
    return { position: next, change }
  }

  #storesOf(commit: CommitToRead): Change['stores'] {
    const { start, next, isWanted } = commit
    const written = this.#pagesBetween(start, next.endMark)
    if (written === null) return undefined
    // It may have become shorter since the last look.
    this.#wal.mainWindows.forgetSize()
    try {
      const after = this.#after.of(this.#pagesAt(next.endMark, next.pageCount, commit))
      return changedStores({ before: this.#stateBefore(commit), after, written, isWanted })
    } catch (error) {
      // Whoever reads what is damaged is told so; here it only means that nothing can be said.
      const isToBeExpected =
        error instanceof PageOverwritten || (error instanceof EndmarkError && error.code === 'ENDMARK_CORRUPT')
      if (isToBeExpected) return undefined
      throw error
    }
  }

  #stateBefore(commit: CommitToRead): ComparedState | null {
    try {
      return this.#before.of(this.#pagesAt(commit.start, commit.position.pageCount, commit))
    } catch (error) {
      if (error instanceof PageOverwritten) return null
      throw error
    }
  }

  #pagesAt(endMark: FrameNumber, pageCount: number, { usableSize }: CommitToRead): PastPages {
    const { frames } = this.#history
    const lastSafePage = this.#history.lastSafePage(endMark)
    return new PastPages(this.#wal, { usableSize, frames, endMark, pageCount, lastSafePage })
  }

  /** Null if there are too many. */
  #pagesBetween(start: FrameNumber, end: FrameNumber): PageNumber[] | null {
    const numbers = new Set<PageNumber>()
    for (let frame = start + 1; frame <= end; frame++) {
      numbers.add(this.#wal.index.pageOfFrame(frameNumber(frame)))
      if (numbers.size > WATCH_PAGES_MAX) return null
    }
    return [...numbers]
  }
}

interface CommitToRead {
  readonly position: IndexHeader
  /** The frame after which it begins. */
  readonly start: FrameNumber
  readonly next: IndexHeader
  readonly usableSize: number
  readonly isWanted: (store: string) => boolean
}

function unknown(position: IndexHeader, newest: IndexHeader): Step {
  const { endMark } = newest
  const change = { from: position.endMark, endMark, token: formatToken(newest), commits: undefined, stores: undefined }
  return { position: newest.clone(), change }
}
