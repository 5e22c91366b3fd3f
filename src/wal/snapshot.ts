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
import { type HandedState, Pledge, takeHanded } from './handed-state.js'
import { IndexHeader } from './index-header.js'
import { tryRestart } from './log-restart.js'
import { acquirePastState, isSameState, type StateName, tryKeepGeneration } from './past-state.js'
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
  /** The slot that keeps the generation of a snapshot on READ(0), where somebody asked for that. */
  #keptSlot: number | null = null
  /** Made when other threads were told of this state. */
  #pledge: Pledge | null = null

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

  /**
   * Sees to it that others find this state in the log for as long as it is held.
   * @returns false if the log has been started over, or no read slot is free for that
   */
  tryKeepGeneration(): boolean {
    assert(this.isHeld, 'a released snapshot keeps nothing')
    if (this.slot !== MAIN_FILE_SLOT) return true
    this.#keptSlot ??= tryKeepGeneration(this.#wal, this.header)
    return this.#keptSlot !== null
  }

  /** For another thread of this process, which can take it over while this snapshot is held. */
  handOver(): HandedState {
    assert(this.isHeld, 'a released snapshot cannot be handed over')
    this.#pledge ??= new Pledge()
    return this.#pledge.state(this.header, this.slot)
  }

  /** Whether that is the state of this snapshot: as long as its giver holds it, no other has the same header. */
  isStateOf(state: HandedState): boolean {
    return this.header.words.every((word, index) => word === state.header[index])
  }

  hold(): this {
    assert(this.isHeld, 'a released snapshot cannot be held again')
    this.#holders++
    return this
  }

  release(): void {
    assert(this.isHeld, 'a snapshot was released twice')
    if (--this.#holders > 0) return
    const { locks } = this.#wal
    this.#pledge?.end()
    locks.releaseRead(this.slot)
    if (this.#keptSlot !== null) locks.releaseRead(this.#keptSlot)
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
    const known = newest?.header ?? null
    const { slot, backfill } = acquireReadSlot(this.#wal, known)
    try {
      const header = known?.equals(this.#wal.header) ? known : this.#wal.header.clone()
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
   * A state that need not be the newest, held; the caller releases it.
   * @returns null if there is no such state any more (SNAP-6)
   */
  acquirePast(name: StateName): Snapshot | null {
    const newest = this.#newest
    if (newest?.isHeld && isSameState(newest.header, name)) return newest.hold()
    const state = runSync(acquirePastState(this.#wal, name))
    if (state === null) return null
    try {
      // From 0: what the main file has of these frames need not be known.
      const frames = new FrameMap(NO_FRAME)
      frames.extend(this.#wal.index, state.header.endMark, () => {})
      return new Snapshot(this.#wal, { frames, ...state })
    } catch (error) {
      this.#wal.locks.releaseRead(state.slot)
      throw error
    }
  }

  /**
   * A state that another thread of this process holds, held here as well; the caller releases it.
   * @returns null if that thread has let it go meanwhile (SNAP-7)
   */
  takeOver(state: HandedState): Snapshot | null {
    const header = takeHanded(this.#wal, state)
    if (header === null) return null
    const { slot } = state
    const newest = this.#newest
    if (newest?.isHeld && newest.header.equals(header)) {
      this.#wal.locks.releaseRead(slot)
      return newest.hold()
    }
    // Whatever was known of their lengths may be from another generation.
    this.#wal.mainWindows.forgetSize()
    this.#wal.log.windows.forgetSize()
    try {
      // As for a past state: from 0, so that every page that has a frame comes from the log.
      const frames = new FrameMap(slot === MAIN_FILE_SLOT ? header.endMark : NO_FRAME)
      if (slot !== MAIN_FILE_SLOT) frames.extend(this.#wal.index, header.endMark, () => {})
      return new Snapshot(this.#wal, { frames, header, slot })
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
      // What is backfilled stays in the main file, so the map may begin there. A backfill past the end is of the log before
      // (WAL-6), or damage, and says nothing of this one.
      const base = backfill <= header.endMark ? backfill : NO_FRAME
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
