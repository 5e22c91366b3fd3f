/**
 * Snapshots: one committed state, held still by a read lock until the last holder lets go. `Snapshots` hands out the
 * newest one, shares it for as long as nothing was published since, and keeps the frame map they read by.
 *
 *      acquire()            release() of the last holder
 *   ──────────────► held ────────────────────────────────► released (reads throw)
 *
 * Invariants: SNAP-1, SNAP-2, SNAP-5 (read-mark.ts), SNAP-3 (frame-map.ts). SNAP-4: a snapshot on READ(0) never reads the log,
 * since a writer may restart it meanwhile; so its frame map answers "main file" for every page.
 */
import { assert } from '../assert.js'
import { type FrameNumber, NO_FRAME, type PageNumber } from '../units.js'
import { runSync } from '../vfs/index.js'
import { FrameMap } from './frame-map.js'
import { IndexHeader } from './index-header.js'
import { tryRestart } from './log-restart.js'
import { acquireReadSlot, MAIN_FILE_SLOT } from './read-mark.js'
import type { Wal } from './wal.js'

/** One committed state of the database and where its pages are. */
export interface CommittedState {
  readonly frames: FrameMap
  /** The last frame of `frames` this state sees; 0: the main file has all of it. */
  readonly frameMax: FrameNumber
  /** SQLite's mxFrame at the time. */
  readonly endMark: FrameNumber
  /** Pages of the database, or 0 if the log never recorded it: then the main file tells. */
  readonly pageCount: number
}

/** Told when frame maps change, to keep cached pages in step. */
export interface FrameMapListener {
  /** A frame of this page was entered into the current map. */
  pageChanged(page: PageNumber): void
  /**
   * `next` takes the place of the current map. With `isBackfilled` the main file has the newest version that the old map
   * knew of every page, and no page has changed since; without, anything may have changed.
   */
  mapReplaced(next: FrameMap, options: { readonly isBackfilled: boolean }): void
}

export class Snapshot implements CommittedState {
  readonly frames: FrameMap
  readonly frameMax: FrameNumber
  readonly header: IndexHeader
  readonly slot: number
  readonly #wal: Wal
  #holders = 1

  constructor(wal: Wal, state: { frames: FrameMap; header: IndexHeader; slot: number }) {
    this.#wal = wal
    this.frames = state.frames
    this.header = state.header
    this.slot = state.slot
    this.frameMax = state.slot === MAIN_FILE_SLOT ? NO_FRAME : state.header.endMark
  }

  get endMark(): FrameNumber {
    return this.header.endMark
  }

  get pageCount(): number {
    return this.header.pageCount
  }

  get isHeld(): boolean {
    return this.#holders > 0
  }

  hold(): this {
    assert(this.isHeld, 'a released snapshot cannot be held again')
    this.#holders++
    return this
  }

  release(): void {
    assert(this.isHeld, 'a snapshot was released twice')
    if (--this.#holders === 0) this.#wal.locks.releaseRead(this.slot)
  }
}

export class Snapshots {
  readonly #wal: Wal
  readonly #listener: FrameMapListener
  #frames = new FrameMap(NO_FRAME)
  /** The header the frame map was last brought up to. */
  readonly #mapped = new IndexHeader()
  /** The newest snapshot handed out; usable while somebody holds it. */
  #newest: Snapshot | null = null

  constructor(wal: Wal, listener: FrameMapListener) {
    this.#wal = wal
    this.#listener = listener
    // A log that never had a frame needs no other map than this first one.
    listener.mapReplaced(this.#frames, { isBackfilled: false })
  }

  /** The newest committed state, held; the caller releases it. */
  acquire(): Snapshot {
    const newest = this.#newest
    if (newest?.isHeld && this.#wal.index.isCurrent(newest.header)) return newest.hold()
    const { slot, backfill } = runSync(acquireReadSlot(this.#wal))
    try {
      const header = this.#wal.header.clone()
      if (slot === MAIN_FILE_SLOT) this.#startAfter(header)
      else this.#extendTo(header, backfill)
      this.#newest = new Snapshot(this.#wal, { frames: this.#frames, header, slot })
      return this.#newest
    } catch (error) {
      this.#wal.locks.releaseRead(slot)
      throw error
    }
  }

  /**
   * The newest committed state for a writer, after restarting the log if that is possible. WRITE keeps others from
   * restarting it, so no read lock is needed.
   * @requires lock WRITE, with `wal.header` up to date, until the state is no longer used
   */
  underWrite(): CommittedState {
    const { header, index, locks } = this.#wal
    locks.assertHeld('WRITE')
    // Before the restart, so that what is cached of the main file is known to be right after it.
    this.#extendTo(header, index.backfill)
    if (tryRestart(this.#wal)) this.#replace(new FrameMap(NO_FRAME), header, { isBackfilled: true })
    return this.#published()
  }

  /** Brings the frame map up to what this connection has just published. @requires lock WRITE, as `underWrite` */
  follow(): CommittedState {
    this.#wal.locks.assertHeld('WRITE')
    this.#extendTo(this.#wal.header, this.#wal.index.backfill)
    return this.#published()
  }

  #published(): CommittedState {
    const { endMark, pageCount } = this.#wal.header
    return { frames: this.#frames, frameMax: endMark, endMark, pageCount }
  }

  /** READ(0): every frame up to the end mark is in the main file, so a map without frames will do. */
  #startAfter(header: IndexHeader): void {
    const { endMark } = header
    const isSame = this.#mapped.hasSaltsOf(header) && this.#mapped.endMark === endMark
    if (isSame && this.#frames.size === 0 && this.#frames.base === endMark) return
    this.#replace(new FrameMap(endMark), header, { isBackfilled: isSame })
  }

  /** @param backfill as it was while `header` was known to be the newest (SNAP-5) */
  #extendTo(header: IndexHeader, backfill: FrameNumber): void {
    const isExtension = this.#mapped.hasSaltsOf(header) && header.endMark >= this.#frames.endMark
    if (!isExtension || header.pageCount < this.#mapped.pageCount) {
      // What is backfilled stays in the main file, so the map may begin there.
      const base = Math.min(backfill, header.endMark) as FrameNumber
      this.#replace(new FrameMap(base), header, { isBackfilled: false })
    }
    this.#frames.extend(this.#wal.index, header.endMark, this.#pageChanged)
    this.#mapped.copyFrom(header)
  }

  readonly #pageChanged = (page: PageNumber): void => this.#listener.pageChanged(page)

  #replace(next: FrameMap, header: IndexHeader, options: { readonly isBackfilled: boolean }): void {
    this.#listener.mapReplaced(next, options)
    this.#frames = next
    this.#mapped.copyFrom(header)
  }
}
