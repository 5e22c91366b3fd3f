/**
 * Who keeps the log from being started over: readers of any process that have been at it for more than a second, as the reader
 * registry lists them. Whoever commits or makes checkpoints tells its listeners of the oldest one, at most once a second; and
 * where the log is at its limit, asks those to end that are older than `snapshotTimeout`.
 *
 * The registry only tells (READER-1). A reader that is not listed, of SQLite or of a thread that never comes back to its event
 * loop, holds the log just the same.
 */
import { IndexHeader, type ReaderInfo, type ReaderRegistry, type RegisteredReader, type Wal } from '../wal/index.js'

/** What a listener of 'long-reader' is given: the oldest one. */
export interface LongReader extends ReaderInfo {
  /** Milliseconds for which it has held its state. */
  readonly ageMs: number
}

export type LongReaderListener = (reader: LongReader) => void

export interface LongReadersOptions {
  /** Frames after which a log should have been started over. */
  readonly frames: number
  /** Age in milliseconds past which a reader that blocks a full log has to end. */
  readonly snapshotTimeoutMs: number
  /** Told when somebody was asked to end: it may be one of our own. */
  readonly expired: () => void
}

const TELL_MS = 1000
/** Between two looks at a log that is short, or while somebody waits for room in it. */
const LOOK_MS = 50

export class LongReaders {
  readonly #wal: Wal
  readonly #registry: ReaderRegistry
  readonly #options: LongReadersOptions
  readonly #listeners = new Set<LongReaderListener>()
  /** As it is published: where a writer process commits, the connection's own is older. */
  readonly #header = new IndexHeader()
  #tellAfterMs = Number.NEGATIVE_INFINITY
  /** When to look again, with nobody waiting for room, and while somebody does. */
  #lookAfterMs = Number.NEGATIVE_INFINITY
  #lookBlockedAfterMs = Number.NEGATIVE_INFINITY
  #blocker = ''

  constructor(wal: Wal, registry: ReaderRegistry, options: LongReadersOptions) {
    this.#wal = wal
    this.#registry = registry
    this.#options = options
  }

  on(listener: LongReaderListener): void {
    this.#listeners.add(listener)
  }

  off(listener: LongReaderListener): void {
    this.#listeners.delete(listener)
  }

  /** All that are listed, the oldest first. */
  list(): ReaderInfo[] {
    this.#lookAtHeader()
    return this.#registry.list().map((reader) => this.#info(reader))
  }

  /** Called after commits, whoever made them, and checkpoints; costs nothing without listeners, and little with them. */
  look(): void {
    if (this.#listeners.size === 0) return
    const nowMs = this.#wal.vfs.now()
    if (nowMs < this.#lookAfterMs) return
    this.#lookAtHeader()
    const isLong = this.#header.endMark >= this.#options.frames
    this.#lookAfterMs = nowMs + (isLong ? TELL_MS : LOOK_MS)
    if (!isLong) return
    this.#tell(this.#inTheWay())
  }

  /** Called while a commit waits for room in the log. @returns who is in the way, in words */
  blocked(): string {
    const { vfs } = this.#wal
    const nowMs = vfs.now()
    if (nowMs < this.#lookBlockedAfterMs) return this.#blocker
    this.#lookBlockedAfterMs = nowMs + LOOK_MS
    this.#lookAtHeader()
    const readers = this.#inTheWay()
    this.#expire(readers)
    this.#tell(readers)
    this.#blocker = this.#describe(readers)
    return this.#blocker
  }

  #lookAtHeader(): void {
    const { index, header } = this.#wal
    // Its writer may be at it right now.
    if (!index.readHeader(this.#header)) this.#header.copyFrom(header)
  }

  #inTheWay(): RegisteredReader[] {
    return this.#registry.list().filter((reader) => this.#framesHeld(reader) > 0)
  }

  #expire(readers: readonly RegisteredReader[]): void {
    const old = this.#wal.vfs.wallClock() - this.#options.snapshotTimeoutMs
    const expired = readers.filter(({ sinceMs }) => sinceMs <= old)
    for (const reader of expired) this.#registry.expire(reader)
    if (expired.length > 0) this.#options.expired()
  }

  #tell([oldest]: readonly RegisteredReader[]): void {
    const { vfs } = this.#wal
    const nowMs = vfs.now()
    if (oldest === undefined || nowMs < this.#tellAfterMs) return
    this.#tellAfterMs = nowMs + TELL_MS
    const event = { ...this.#info(oldest), ageMs: this.#ageMs(oldest) }
    // Not here: what a listener throws must not meet a commit.
    for (const listener of this.#listeners) vfs.endOfTurn(() => listener(event))
  }

  #describe([oldest]: readonly RegisteredReader[]): string {
    if (oldest === undefined) return 'a reader, or a checkpoint that lasts long, is in the way'
    const { pid, thread, label, endMark } = oldest
    const name = label === null ? '' : `, ${JSON.stringify(label)}`
    return `process ${pid} (thread ${thread}${name}) has read at end mark ${endMark} for ${this.#ageMs(oldest)} ms`
  }

  #info(reader: RegisteredReader): ReaderInfo {
    const { pid, thread, endMark, sinceMs, label } = reader
    return { pid, thread, endMark, sinceMs, label, framesHeld: this.#framesHeld(reader) }
  }

  #ageMs({ sinceMs }: RegisteredReader): number {
    return Math.max(0, Math.round(this.#wal.vfs.wallClock() - sinceMs))
  }

  #framesHeld({ salt1, salt2, endMark }: RegisteredReader): number {
    const header = this.#header
    const isOfThisLog = header.salt1 === salt1 && header.salt2 === salt2
    // A state of the main file alone, from before the log was started over: nothing can be copied beside it.
    return isOfThisLog ? Math.max(0, header.endMark - endMark) : header.endMark
  }
}
