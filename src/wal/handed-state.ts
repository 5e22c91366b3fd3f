/**
 * Handing a held state to another thread of this process, which has a connection of its own to the same files.
 *
 * Unlike a token (past-state.ts) it needs no log that names the state and waits for no checkpoint (decision 0015): the taker
 * locks the very read slot that the giver holds, which nobody can hold exclusively meanwhile, and then sees in shared memory
 * that the giver still holds it. So the slot was locked without a break since the state was the newest, and what its lock
 * keeps from happening (SNAP-1, SNAP-2) has not happened: the state is all there (SNAP-7). The giver takes its word back
 * before it lets its lock go, so a taker that comes too late knows, and refuses.
 *
 * Locks: READ(slot) shared by try; whoever holds it waits for nothing (LOCK-1).
 */
import { IndexHeader } from './index-header.js'
import type { Wal } from './wal.js'

/** A state on its way to another thread: plain data, sent as a message. */
export interface HandedState {
  /** The words of its wal-index header. */
  readonly header: Int32Array
  readonly slot: number
  /** Shared memory: 1 for as long as the giver holds READ(slot). */
  readonly held: Int32Array
}

const HELD = 1
const RELEASED = 0

/** The giver's word that a state is held, of which any number of threads may hear. */
export class Pledge {
  readonly #held = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)).fill(HELD)

  /** @requires READ(slot) shared */
  state(header: IndexHeader, slot: number): HandedState {
    return { header: header.words.slice(), slot, held: this.#held }
  }

  /** To be called before READ(slot) is released. */
  end(): void {
    // A taker that has locked the slot and loads 1 after that must find the giver's lock still there.
    Atomics.store(this.#held, 0, RELEASED)
  }
}

/**
 * Locks the read slot of a state that was handed over.
 * @returns its header; READ(slot) is the caller's then. Null if the giver has let it go
 */
export function takeHanded(wal: Wal, { header: words, slot, held }: HandedState): IndexHeader | null {
  const { index, locks } = wal
  if (!locks.tryRead(slot)) return null
  const header = new IndexHeader()
  header.words.set(words)
  // After the lock: only then does the giver's word say that the two locks overlap.
  if (Atomics.load(held, 0) === HELD && index.covers(header.endMark)) return header
  locks.releaseRead(slot)
  return null
}
