/** The pools of one Database: those that are open, or are being opened. Their threads have the files open, too. */

import { ReaderPool, type ReaderPoolParts } from './reader-pool.js'
import type { ReaderThreads } from './reader-threads.js'

/** What a pool is made of. */
export interface NewPool extends Omit<ReaderPoolParts, 'closed'> {
  readonly threads: ReaderThreads
}

export class ReaderPools {
  readonly #all = new Set<Promise<ReaderPool>>()

  /** @throws (rejects) what `create` rejects with */
  async open(create: () => Promise<NewPool>): Promise<ReaderPool> {
    const opening = this.#create(create, () => this.#all.delete(opening))
    this.#all.add(opening)
    try {
      return await opening
    } catch (error) {
      this.#all.delete(opening)
      throw error
    }
  }

  /** As long as one of their threads lives, nobody is the last to close. */
  async close(): Promise<void> {
    const closing = [...this.#all].map(async (opening) => {
      const pool = await opening.catch(() => null)
      await pool?.close()
    })
    await Promise.all(closing)
  }

  async #create(create: () => Promise<NewPool>, closed: () => void): Promise<ReaderPool> {
    const { threads, ...parts } = await create()
    return new ReaderPool(threads, { ...parts, closed })
  }
}
