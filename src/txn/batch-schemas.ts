/**
 * Schemas while a batch is being made: it starts with that of the committed state and may change it for itself. Cleared
 * when pages are rolled back, as the same schema cookie may then stand for another schema next time.
 */
import type { WritePages } from '../pager/index.js'
import { SchemaCache } from '../store/index.js'

export class BatchSchemas {
  /** Schemas of committed states. */
  readonly #committed: SchemaCache
  /** The batch whose schemas `#schemas` holds. */
  #batch: WritePages | null = null
  #schemas = new SchemaCache()

  constructor(committed: SchemaCache) {
    this.#committed = committed
  }

  of(pages: WritePages): SchemaCache {
    if (this.#batch === pages) return this.#schemas
    this.#batch = pages
    this.#schemas = new SchemaCache(this.#committed.of(pages))
    return this.#schemas
  }
}
