/**
 * The newest committed state for autocommit reads. All reads share one snapshot for as long as nothing new is published,
 * which costs them two atomic loads each. After a turn of the event loop with reads there will be more of them in the next one: so at its end
 * the snapshot is brought up to date, while nobody waits for it. After a turn without reads it is let go, so that an idle process
 * holds nothing back.
 *
 * READ-1: a read that starts after a commit was published, by whomever, sees it: the published header is compared
 * before each read.
 */
import { EndmarkError } from '../errors.js'
import type { Wal } from '../wal/index.js'
import type { CommittedPages } from './page-source.js'
import type { HeldPages, Pager } from './pager.js'

/**
 * For no longer than this without a moment in which nothing is held: a checkpoint of SQLite waits for nobody, and would never find the
 * end of the log free beside somebody who reads without a pause.
 */
const HOLD_MAX_MS = 5

export class TurnPages {
  readonly #wal: Wal
  readonly #pager: Pager
  #held: HeldPages | null = null
  /** There was a read since the end of the last turn. */
  #isUsed = false
  #isTurnEndDue = false
  /** When something was held again after a moment with nothing, by `vfs.now()`. */
  #heldSinceMs = 0
  #closed: EndmarkError | null = null

  constructor(wal: Wal, pager: Pager) {
    this.#wal = wal
    this.#pager = pager
  }

  /** Pages of the newest committed state; valid until the end of this turn or the next call. */
  current(): CommittedPages {
    const held = this.#held
    this.#isUsed = true
    if (held !== null && this.#wal.index.isCurrent(held.snapshot.header)) return held.pages
    return this.#renew()
  }

  /** The newest committed state, held until `pager.release`. */
  pin(): HeldPages {
    this.current()
    return this.#pager.hold(this.#held!)
  }

  /** Lets go at once: what is held on no one's behalf must not keep a writer from restarting the log. */
  release(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    this.#pager.release(held)
  }

  /** No more reads. */
  close(): void {
    this.release()
    this.#closed = new EndmarkError('ENDMARK_CLOSED', `the Database ${this.#wal.main.path} has been closed`)
  }

  /** @throws ENDMARK_CLOSED after `close` */
  assertOpen(): void {
    if (this.#closed !== null) throw this.#closed
  }

  #renew(): CommittedPages {
    this.assertOpen()
    this.release()
    const held = this.#pager.acquire()
    this.#held = held
    if (!this.#isTurnEndDue) this.#heldSinceMs = this.#wal.vfs.now()
    this.#awaitTurnEnd()
    return held.pages
  }

  #awaitTurnEnd(): void {
    if (this.#isTurnEndDue) return
    this.#isTurnEndDue = true
    this.#wal.vfs.endOfTurn(() => {
      this.#isTurnEndDue = false
      this.#endTurn()
    })
  }

  #endTurn(): void {
    const held = this.#held
    if (held === null) return
    if (!this.#isUsed || this.#wal.vfs.now() - this.#heldSinceMs >= HOLD_MAX_MS) {
      this.release()
      return
    }
    this.#isUsed = false
    if (!held.snapshot.isUpToDate()) {
      this.release()
      this.#held = this.#pager.tryAcquire()
    }
    if (this.#held !== null) this.#awaitTurnEnd()
  }
}
