/**
 * The snapshots that a Database hands out: of the newest committed state, of one that a token names, or of the one that a snapshot of
 * another thread holds. Each holds its state by a pin of its own, which the closing Database gives back with all the others.
 */
import { EndmarkError } from '../errors.js'
import type { HeldPages, Pager, TurnPages } from '../pager/index.js'
import type { StoreHost } from '../store/index.js'
import { type HandedState, isSameState } from '../wal/index.js'
import type { HeldSnapshots } from './held-snapshots.js'
import { Pin } from './pin.js'
import { type HandedSnapshot, Snapshot } from './snapshot.js'
import { parseToken } from './token.js'

export interface OpenSnapshotsParts {
  /** Of the main file, for messages. */
  readonly path: string
  readonly pager: Pager
  readonly turn: TurnPages
  readonly held: HeldSnapshots<Pin>
  readonly host: StoreHost
}

export class OpenSnapshots {
  readonly #parts: OpenSnapshotsParts

  constructor(parts: OpenSnapshotsParts) {
    this.#parts = parts
  }

  /** @throws as `Database.snapshot` */
  open(token: string | undefined, label: string | undefined): Snapshot {
    return this.#of(token === undefined ? this.#parts.turn.pin() : this.#holdPast(token), label)
  }

  /** The state that another thread holds. @throws ENDMARK_SNAPSHOT_EXPIRED, ENDMARK_CLOSED */
  takeOver(state: HandedState): Snapshot {
    const { pager, turn } = this.#parts
    const newest = turn.pin()
    if (newest.snapshot.isStateOf(state)) return this.#of(newest)
    pager.release(newest)
    const held = pager.takeOver(state)
    if (held !== null) return this.#of(held)
    throw new EndmarkError(
      'ENDMARK_SNAPSHOT_EXPIRED',
      'the snapshot to be read in this thread has been ended meanwhile',
    )
  }

  /** The newest committed state, for whoever iterates over it. @throws what reads throw */
  pinNewest(): Pin {
    return this.#pin(this.#parts.turn.pin())
  }

  /** Ends all of them, and all iterations. */
  releaseAll(): void {
    for (const pin of this.#parts.held.all()) pin.release()
  }

  #of(held: HeldPages, label?: string): Snapshot {
    const { host } = this.#parts
    const pin = this.#pin(held, label)
    return new Snapshot({
      host,
      pages: pin.pages,
      endMark: pin.endMark,
      schema: (pages) => host.schema(pages),
      assertOpen: () => pin.assertOpen(),
      token: () => pin.token(),
      handOver: () => this.#handOver(held, label),
      release: () => pin.release(),
    })
  }

  #handOver(held: HeldPages, label: string | undefined): HandedSnapshot {
    const { host, pager } = this.#parts
    const pin = this.#pin(pager.hold(held), label)
    const { pages } = pin
    return { state: held.snapshot.handOver(), pages, schema: host.schema(pages), release: () => pin.release() }
  }

  #holdPast(token: string): HeldPages {
    const { path, pager, turn, held } = this.#parts
    const name = parseToken(token)
    turn.assertOpen()
    const own = held.all().find((pin) => isSameState(pin.held.snapshot.header, name))
    const past = own === undefined ? pager.acquirePast(name) : pager.hold(own.held)
    if (past !== null) return past
    throw new EndmarkError('ENDMARK_SNAPSHOT_EXPIRED', `${path} no longer has the state that this token names`)
  }

  #pin(held: HeldPages, label: string | null = null): Pin {
    const { pager, held: all } = this.#parts
    return new Pin(held, label, { pager, all })
  }
}
