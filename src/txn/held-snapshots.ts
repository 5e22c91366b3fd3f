/**
 * The snapshots and iterators that a Database holds open. Those that are older than a second are entered into the reader registry,
 * so that everybody sees who holds the log; and one whose end somebody asks for there is ended here, by its owner: nobody
 * else can release its read lock, so a state is never taken away under a read (READER-2).
 *
 * That takes the event loop of this thread: a thread that never comes back to it is not listed, and keeps what it holds.
 *
 * Snapshots that are closed within the second cost a timer for each quarter of a second in which there were any, and nothing
 * each. What lives longer is looked at four times a second, by one small read of the registry.
 */
import type { ReaderRegistry, Registration, Wal } from '../wal/index.js'

/** What is held. */
export interface HeldSnapshot {
  readonly salt1: number
  readonly salt2: number
  readonly endMark: number
  readonly label: string | null
  /** Lets the state go; reads of it throw ENDMARK_SNAPSHOT_EXPIRED from then on. */
  expire(): void
}

interface Holding {
  /** By `vfs.now()`. */
  readonly beganMs: number
  registration: Registration | null
}

/** Older ones are listed. */
export const LONG_READER_MS = 1000
const LOOK_MS = 250
/** The oldest of one Database are enough to tell who it is; the registry has room for several that have as many. */
const LISTED_MAX = 16

export class HeldSnapshots<Held extends HeldSnapshot> {
  readonly #wal: Wal
  readonly #registry: ReaderRegistry
  /** In the order in which they began. */
  readonly #held = new Map<Held, Holding>()
  #stopLooking: (() => void) | null = null

  constructor(wal: Wal, registry: ReaderRegistry) {
    this.#wal = wal
    this.#registry = registry
  }

  get count(): number {
    return this.#held.size
  }

  add(snapshot: Held): void {
    const { vfs } = this.#wal
    this.#held.set(snapshot, { beganMs: vfs.now(), registration: null })
    this.#stopLooking ??= vfs.every(LOOK_MS, () => this.look())
  }

  /** It lets its state go now, or has. */
  remove(snapshot: Held): void {
    const holding = this.#held.get(snapshot)
    this.#held.delete(snapshot)
    holding?.registration?.release()
  }

  /** All of them; they may be removed meanwhile. */
  all(): Held[] {
    return [...this.#held.keys()]
  }

  /** Lists those that have become old, and ends those that somebody has asked to end. */
  look(): void {
    if (this.#held.size === 0) {
      this.stop()
      return
    }
    const { vfs } = this.#wal
    const nowMs = vfs.now()
    let listed = 0
    for (const [snapshot, holding] of this.#held) {
      if (nowMs - holding.beganMs < LONG_READER_MS || listed++ >= LISTED_MAX) break
      if (holding.registration === null) holding.registration = this.#register(snapshot, nowMs - holding.beganMs)
      else if (holding.registration.isExpired()) snapshot.expire()
    }
  }

  stop(): void {
    this.#stopLooking?.()
    this.#stopLooking = null
  }

  #register({ salt1, salt2, endMark, label }: HeldSnapshot, ageMs: number): Registration | null {
    const { vfs } = this.#wal
    const { pid, thread } = vfs.identity()
    const sinceMs = Math.max(0, Math.round(vfs.wallClock() - ageMs))
    return this.#registry.register({ pid, thread, salt1, salt2, endMark, sinceMs, label })
  }
}
