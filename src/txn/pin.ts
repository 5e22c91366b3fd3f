/**
 * A held state with an owner: whoever iterates, or holds a snapshot. It is given back once, by its owner or by the closing
 * Database; or it is ended for whoever needs the log (READER-2), and then says so to its owner.
 */
import { EndmarkError } from '../errors.js'
import type { HeldPages, PageReader, Pager } from '../pager/index.js'
import type { PinnedPages } from '../store/index.js'
import { hasName } from '../wal/index.js'
import type { HeldSnapshot, HeldSnapshots } from './held-snapshots.js'
import { formatToken } from './token.js'

export class Pin implements PinnedPages, HeldSnapshot {
  readonly pages: PageReader
  readonly label: string | null
  readonly held: HeldPages
  readonly #pager: Pager
  readonly #all: HeldSnapshots<Pin>
  #isReleased = false
  #isExpired = false

  constructor(held: HeldPages, label: string | null, of: { readonly pager: Pager; readonly all: HeldSnapshots<Pin> }) {
    this.pages = held.pages
    this.label = label
    this.held = held
    this.#pager = of.pager
    this.#all = of.all
    this.#all.add(this)
  }

  get endMark(): number {
    return this.held.snapshot.endMark
  }

  get salt1(): number {
    return this.held.snapshot.header.salt1
  }

  get salt2(): number {
    return this.held.snapshot.header.salt2
  }

  assertOpen(): void {
    if (!this.#isReleased) return
    if (this.#isExpired) {
      const message = 'this snapshot was ended: it was older than snapshotTimeout and kept the log at its limit'
      throw new EndmarkError('ENDMARK_SNAPSHOT_EXPIRED', message)
    }
    throw new EndmarkError('ENDMARK_CLOSED', 'this snapshot, or its Database, has been closed')
  }

  token(): string {
    const { snapshot } = this.held
    if (hasName(snapshot.header) && snapshot.tryKeepGeneration()) return formatToken(snapshot.header)
    const message = 'the log of this snapshot has been started over, or no read slot is free: too late for a token'
    throw new EndmarkError('ENDMARK_SNAPSHOT_EXPIRED', message)
  }

  expire(): void {
    if (this.#isReleased) return
    this.#isExpired = true
    this.release()
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#all.remove(this)
    this.#pager.release(this.held)
  }
}
