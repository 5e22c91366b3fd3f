/**
 * The newest committed state for autocommit reads. All reads of one event-loop turn share one snapshot for as long as
 * nothing new is published, which costs them two atomic loads each; at the end of the turn it is let go, so that an
 * idle process holds nothing back.
 *
 * READ-1: a read that starts after a commit was published, by whomever, sees it: the published header is compared
 * before each read.
 */
import { EndmarkError } from '../errors.js'
import type { Wal } from '../wal/index.js'
import type { CommittedPages } from './page-source.js'
import type { HeldPages, Pager } from './pager.js'

export class TurnPages {
  readonly #wal: Wal
  readonly #pager: Pager
  #held: HeldPages | null = null
  #isReleaseDue = false
  #closed: EndmarkError | null = null

  constructor(wal: Wal, pager: Pager) {
    this.#wal = wal
    this.#pager = pager
  }

  /** Pages of the newest committed state; valid until the end of this turn or the next call. */
  current(): CommittedPages {
    const held = this.#held
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
    this.#releaseAtEndOfTurn()
    return held.pages
  }

  #releaseAtEndOfTurn(): void {
    if (this.#isReleaseDue) return
    this.#isReleaseDue = true
    this.#wal.vfs.endOfTurn(() => {
      this.#isReleaseDue = false
      this.release()
    })
  }
}
