/**
 * A connection's private map page → frames of one generation of the log. The shared hash in the wal-index gets
 * slower as the log grows, since every block has to be asked; this map does not: it is extended by only the frames
 * appended since, and finds the newest frame of a page in one probe.
 *
 * `newest` is a hash from page to its newest frame; `previous` links each frame to the one before it of the same
 * page, so that any older end mark can be answered as well. Frames up to `base` are in the main file for good and
 * are not entered.
 *
 * Invariant SNAP-3: a map is extended only while the generation cannot end (under a read lock on slot 1 to 4 or
 * READ(0), or under WRITE), since a restart reuses the page-number array.
 */
import { assert } from '../assert.js'
import { type FrameNumber, NO_FRAME, type PageNumber } from '../units.js'
import type { WalIndex } from './wal-index.js'

const CAPACITY_MIN = 256
/** Knuth's multiplicative hash: consecutive pages land far apart. */
const HASH_MULTIPLIER = 0x9e3779b1 | 0

export class FrameMap {
  /** Frames up to this one count as part of the main file. */
  readonly base: FrameNumber
  /** The last frame entered. */
  endMark: FrameNumber
  /** Open addressing, pairs of page number and newest frame, 0 = none; page 0 = empty. Power-of-two length. */
  #pairs = new Int32Array(CAPACITY_MIN * 2)
  #mask = CAPACITY_MIN - 1
  #pageCount = 0
  /** Pages that have a place in `#pairs`. */
  #placeCount = 0
  /** For frame base + 1 + i: the frame before it of the same page, 0 = none. */
  #previous = new Int32Array(CAPACITY_MIN)

  constructor(base: FrameNumber) {
    this.base = base
    this.endMark = base
  }

  /** Pages that have a frame here. */
  get size(): number {
    return this.#pageCount
  }

  /** Enters the frames after `endMark` up to the new one, and calls `changed` for the page of each. */
  extend(index: WalIndex, endMark: FrameNumber, changed: (page: PageNumber) => void): void {
    assert(endMark >= this.endMark, () => `frame map at ${this.endMark} cannot go back to ${endMark}`)
    this.#reserve(endMark - this.base)
    for (let frame = this.endMark + 1; frame <= endMark; frame++) {
      const page = index.pageOfFrame(frame as FrameNumber)
      this.#enter(page, frame)
      changed(page)
      this.endMark = frame as FrameNumber
    }
  }

  /** Enters the frame after `endMark`, of this page. */
  push(page: PageNumber): void {
    const frame = this.endMark + 1
    this.#reserve(frame - this.base)
    this.#enter(page, frame)
    this.endMark = frame as FrameNumber
  }

  /** Takes out the last frame, which is of this page. */
  pop(page: PageNumber): void {
    const at = this.#find(page)
    assert(this.#pairs[at + 1] === this.endMark, () => `frame ${this.endMark} is not of page ${page}`)
    const before = this.#previous[this.endMark - this.base - 1]!
    // The page keeps its place: to empty it would hide those behind it.
    this.#pairs[at + 1] = before
    if (before === NO_FRAME) this.#pageCount--
    this.endMark = (this.endMark - 1) as FrameNumber
  }

  /** The newest frame of a page, or 0 if the main file has its newest version. */
  newest(page: PageNumber): FrameNumber {
    const at = this.#find(page)
    return this.#pairs[at + 1]! as FrameNumber
  }

  /** The newest frame of a page not past `endMark`, or 0. */
  newestUpTo(page: PageNumber, endMark: FrameNumber): FrameNumber {
    let frame: number = this.newest(page)
    while (frame > endMark) frame = this.#previous[frame - this.base - 1]!
    return frame as FrameNumber
  }

  /** The oldest frame of a page, for one whose frames are all past some end mark: 0 if it has none. */
  oldest(page: PageNumber): FrameNumber {
    let oldest: number = NO_FRAME
    for (let frame: number = this.newest(page); frame > this.base; frame = this.#previous[frame - this.base - 1]!) {
      oldest = frame
    }
    return oldest as FrameNumber
  }

  /** Calls `visit` for each page that has a frame here. */
  forEachPage(visit: (page: PageNumber) => void): void {
    for (let at = 0; at < this.#pairs.length; at += 2) {
      if (this.#pairs[at + 1] !== NO_FRAME) visit((this.#pairs[at]! >>> 0) as PageNumber)
    }
  }

  #enter(page: PageNumber, frame: number): void {
    const at = this.#find(page)
    if (this.#pairs[at] === 0) {
      this.#pairs[at] = page | 0
      this.#placeCount++
    }
    const before = this.#pairs[at + 1]!
    if (before === NO_FRAME) this.#pageCount++
    this.#previous[frame - this.base - 1] = before
    this.#pairs[at + 1] = frame
    if (this.#placeCount * 2 > this.#mask) this.#growPairs()
  }

  #find(page: number): number {
    const pairs = this.#pairs
    const wanted = page | 0
    let slot = (Math.imul(wanted, HASH_MULTIPLIER) >>> 8) & this.#mask
    while (pairs[slot * 2] !== 0 && pairs[slot * 2] !== wanted) slot = (slot + 1) & this.#mask
    return slot * 2
  }

  #growPairs(): void {
    const old = this.#pairs
    this.#pairs = new Int32Array(old.length * 2)
    this.#mask = this.#pairs.length / 2 - 1
    for (let at = 0; at < old.length; at += 2) {
      if (old[at] === 0) continue
      const to = this.#find(old[at]!)
      this.#pairs[to] = old[at]!
      this.#pairs[to + 1] = old[at + 1]!
    }
  }

  #reserve(frameCount: number): void {
    if (frameCount <= this.#previous.length) return
    const grown = new Int32Array(Math.max(frameCount, this.#previous.length * 2))
    grown.set(this.#previous)
    this.#previous = grown
  }
}
