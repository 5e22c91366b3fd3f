/**
 * Which way commits go while a writer process is connected: through it, or directly under the WRITE lock. A hop through a
 * socket costs someone who is alone a fifth of his commits, and saves everyone else an fsync each; so who is alone
 * commits directly, and goes back as soon as the newest state is one that somebody else has published.
 *
 * Transactions that mostly have to run again are no use to send: while they do, everything goes directly, where a function
 * runs once, under the lock.
 *
 * Only the preference is kept here. The order of commits is `RemoteCommitter`'s, which changes over when the way it
 * leaves is empty.
 */
import { IndexHeader, type Wal } from '../wal/index.js'

/** Answers in a row, and milliseconds, in which nobody else was heard of. */
const ALONE_ANSWERS = 4
const ALONE_MS = 20
/** Who is sent back at once stays longer the next time, up to this. */
const ALONE_MAX_MS = 1000
/** A direct stretch this many times longer than the wait before it was worth it. */
const WORTHWHILE_FACTOR = 5

/** Weight of the newest function in the share of those that had to run again. */
const CONFLICT_WEIGHT = 0.1
/** From this share on, functions go directly for `CONTENDED_MS`. */
const CONFLICT_SHARE_MAX = 0.5
const CONTENDED_MS = 100

export class CommitRoute {
  readonly #wal: Wal
  /** The state that we published last, or found when we began to commit directly. */
  readonly #own = new IndexHeader()
  /** Nothing has gone through this connection yet. */
  #isFresh = false
  /** A batch of ours found a state that somebody else had published. */
  #hasMetOthers = false
  #aloneAnswers = 0
  #aloneSinceMs = 0
  #aloneMs = ALONE_MS
  #directSinceMs = 0
  #conflictShare = 0
  #contendedUntilMs = 0

  constructor(wal: Wal) {
    this.#wal = wal
  }

  /** A connection is there: it is used until it turns out that nobody else does. */
  connected(): void {
    this.#isFresh = true
    this.#aloneAnswers = 0
    this.#contendedUntilMs = 0
  }

  /** An answer of the writer process. `othersActive`: others have sent requests lately. */
  answered(othersActive: boolean): void {
    if (othersActive) this.#aloneAnswers = 0
    else if (++this.#aloneAnswers === 1) this.#aloneSinceMs = this.#wal.vfs.now()
  }

  /** What became of a function that was sent: a conflict means that it has to run again. */
  validated(isConflict: boolean): void {
    this.#conflictShare += ((isConflict ? 1 : 0) - this.#conflictShare) * CONFLICT_WEIGHT
    if (this.#conflictShare < CONFLICT_SHARE_MAX) return
    this.#conflictShare = 0
    this.#contendedUntilMs = this.#wal.vfs.now() + CONTENDED_MS
  }

  /** Asked before a commit goes through the writer process. */
  prefersDirect(): boolean {
    if (this.#contendedUntilMs > 0) return true
    return this.#aloneAnswers >= ALONE_ANSWERS && this.#wal.vfs.now() - this.#aloneSinceMs >= this.#aloneMs
  }

  /** Asked before a commit goes directly: two loads and a comparison. */
  prefersRemote(): boolean {
    if (this.#contendedUntilMs > 0) return this.#wal.vfs.now() >= this.#contendedUntilMs
    return this.#isFresh || this.#hasMetOthers || !this.#wal.index.isCurrent(this.#own)
  }

  /** From here on commits go directly. */
  enteredDirect(): void {
    this.#hasMetOthers = false
    this.#directSinceMs = this.#wal.vfs.now()
    // Unreadable while somebody publishes: then it is not ours either.
    if (!this.#wal.index.readHeader(this.#own)) this.#own.words.fill(0)
  }

  /**
   * A batch of our own begins. Asked between batches alone, somebody who commits again at once would always find his own
   * state: that of others comes and goes while he waits for the lock. @requires lock WRITE, with `wal.header` up to date
   */
  locked(): void {
    if (this.#wal.header.change !== this.#own.change) this.#hasMetOthers = true
  }

  /** A commit of our own was published; the newest header is that of `wal`. @requires lock WRITE */
  published(): void {
    this.#own.copyFrom(this.#wal.header)
  }

  /** From here on commits go through the writer process. */
  enteredRemote(): void {
    this.#contendedUntilMs = 0
    this.#aloneAnswers = 0
    if (this.#isFresh) {
      this.#isFresh = false
      this.#aloneMs = ALONE_MS
      return
    }
    const stayMs = this.#wal.vfs.now() - this.#directSinceMs
    const wasWorthwhile = stayMs >= this.#aloneMs * WORTHWHILE_FACTOR
    this.#aloneMs = wasWorthwhile ? ALONE_MS : Math.min(this.#aloneMs * 2, ALONE_MAX_MS)
  }
}
