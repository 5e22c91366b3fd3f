/**
 * What the handles of `snapshot.map` and `snapshot.table` are given instead of a Database: the snapshot's state for every
 * read, and a refusal for every write.
 *
 * Nothing is held here: the snapshot holds its state, and reads ask it whether it still does.
 */
import { EndmarkError } from '../errors.js'
import type { PageReader } from '../pager/index.js'
import type { OperationResult, PinnedPages, Schema, StoreHost } from '../store/index.js'
import type { SnapshotState } from './snapshot.js'

export class SnapshotHost implements StoreHost {
  readonly snapshotOf: StoreHost
  readonly #snapshot: { assertOpen(): void }
  readonly #state: SnapshotState

  constructor(snapshot: { assertOpen(): void }, state: SnapshotState) {
    this.snapshotOf = state.host
    this.#snapshot = snapshot
    this.#state = state
  }

  pages(): PageReader {
    this.#snapshot.assertOpen()
    return this.#state.pages
  }

  pin(): PinnedPages {
    const pages = this.pages()
    return { pages, assertOpen: () => this.#snapshot.assertOpen(), release: () => {} }
  }

  schema(pages: PageReader): Schema {
    return this.#state.schema(pages)
  }

  newestSchema(): Schema {
    return this.schema(this.pages())
  }

  async submit(): Promise<OperationResult[]> {
    throw refusal()
  }

  async write(): Promise<void> {
    throw refusal()
  }
}

function refusal(): EndmarkError {
  return new EndmarkError(
    'ENDMARK_READONLY',
    'a store of a snapshot cannot be written: open it with db.map or db.table',
  )
}
