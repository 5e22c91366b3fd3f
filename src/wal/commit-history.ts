/**
 * The commits of the log's present generation, in order, for whoever follows them afterwards: each ends with a commit frame.
 *
 * A position is the header of a committed state. `follow` says what has been committed since, also over a restart of the log:
 * the header counts commits and a restart leaves the count, so if a new generation has as many commit frames as were counted
 * since the position, none is missing, and the state at the position is the main file's as the generation began (WATCH-1).
 *
 * Each frame is looked at once, however many follow. Invariant SNAP-3 for the frame map: `follow` is called only while the
 * generation cannot end, that is under a read lock on READ(1) to READ(4).
 */
import { assert } from '../assert.js'
import { WATCH_FRAMES_MAX } from '../limits.js'
import { type FrameNumber, frameNumber, NO_FRAME } from '../units.js'
import { FrameMap } from './frame-map.js'
import { IndexHeader } from './index-header.js'
import type { Wal } from './wal.js'

export class CommitHistory {
  readonly #wal: Wal
  /** The header up to which the frames were looked at. */
  readonly #header = new IndexHeader()
  /** From frame 0: what the main file has of these frames is not assumed. */
  #frames = new FrameMap(NO_FRAME)
  /** Frame after which commit frames were looked for: everything before the first position is nobody's business. */
  #since: FrameNumber = NO_FRAME
  #commits: FrameNumber[] = []
  #pageCountMin = Number.POSITIVE_INFINITY
  #lastShrink: FrameNumber = NO_FRAME
  #lastPageCount = Number.POSITIVE_INFINITY

  constructor(wal: Wal) {
    this.#wal = wal
  }

  get frames(): FrameMap {
    return this.#frames
  }

  /**
   * Brings the history up to this header, for a position that may be in an earlier generation.
   * @returns the frame after which the commits since the position begin; null if they are not all to be had
   * @requires READ(1) to READ(4) shared since `header` was live
   */
  follow(header: IndexHeader, position: IndexHeader): FrameNumber | null {
    if (header.endMark > WATCH_FRAMES_MAX) return null
    const isSame = position.hasSaltsOf(header)
    const isKnown = this.#header.hasSaltsOf(header) && this.#header.endMark <= header.endMark
    const start = isSame ? position.endMark : NO_FRAME
    if (start > header.endMark) return null
    if (!isKnown || this.#since > start) this.#begin(start)
    this.#extend(header)
    if (isSame) return start
    return this.#since === NO_FRAME && this.#isNext(header, position) ? NO_FRAME : null
  }

  /**
   * Whether this generation has all commits that were counted since the position. The salts do not tell: restarts raise the first
   * one, but SQLite may draw new ones for the first frame of an empty log. A recovery begins the count anew, and would have to
   * come out at just this number to pass for that.
   */
  #isNext(header: IndexHeader, position: IndexHeader): boolean {
    const counted = (header.change - position.change) | 0
    return position.change !== 0 && counted === this.#commits.length
  }

  /** The end mark of the first commit after this frame, up to the header of the last `follow`; null: none. */
  commitAfter(frame: FrameNumber): FrameNumber | null {
    const commits = this.#commits
    let low = 0
    let high = commits.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (commits[middle]! <= frame) low = middle + 1
      else high = middle
    }
    return commits[low] ?? null
  }

  /**
   * The last page of the main file that a checkpoint cannot have cut off since the state at this frame: it cuts off what a
   * commit with fewer pages has given up.
   */
  lastSafePage(frame: FrameNumber): number {
    return this.#lastShrink > frame ? this.#pageCountMin : Number.POSITIVE_INFINITY
  }

  /** The header of the state after the commit that ends with this frame, for a position before it. */
  headerAt(commit: FrameNumber, position: IndexHeader): IndexHeader {
    const newest = this.#header
    assert(commit <= newest.endMark, () => `commit ${commit} is past ${newest.endMark}`)
    if (commit === newest.endMark) return newest.clone()
    const { commitMark, checksum1, checksum2 } = this.#wal.log.commitFields(commit, this.#wal.pageSize)
    const header = newest.clone()
    header.copyChangeOf(position)
    header.advance(commit, commitMark)
    header.setFrameChecksum(checksum1, checksum2)
    header.seal()
    return header
  }

  #begin(since: FrameNumber): void {
    this.#frames = new FrameMap(NO_FRAME)
    this.#since = since
    this.#commits = []
    this.#header.restart(0, 0)
    this.#pageCountMin = Number.POSITIVE_INFINITY
    this.#lastShrink = NO_FRAME
    // So that the first commit counts as one with fewer pages: whether it is one need not be known.
    this.#lastPageCount = Number.POSITIVE_INFINITY
  }

  #extend(header: IndexHeader): void {
    const { index, log, pageSize } = this.#wal
    const first = Math.max(this.#since, this.#frames.endMark) + 1
    this.#frames.extend(index, header.endMark, () => {})
    for (let frame = first; frame <= header.endMark; frame++) {
      const commitMark = log.commitMark(frameNumber(frame), pageSize)
      if (commitMark > 0) this.#addCommit(frameNumber(frame), commitMark)
    }
    this.#header.copyFrom(header)
  }

  #addCommit(frame: FrameNumber, pageCount: number): void {
    this.#commits.push(frame)
    if (pageCount < this.#lastPageCount) this.#lastShrink = frame
    this.#pageCountMin = Math.min(this.#pageCountMin, pageCount)
    this.#lastPageCount = pageCount
  }
}
