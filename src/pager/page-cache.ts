/**
 * Pages by number: two levels of plain arrays, so that finding one is two loads. A `Page` holds a view and the
 * b-tree's decoded memo, not the bytes; the cache is bounded by what those are estimated to cost, and gives up whole
 * chunks, oldest first, since a page is remade in well under a microsecond.
 *
 * Three eighths of what it may take are for hints to the entries of these pages, which end with them.
 */
import type { PageNumber } from '../units.js'
import { EntryHints } from './entry-hints.js'
import type { Page } from './page.js'

const CHUNK_SHIFT = 10
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1
/** A typed array, the page object, its decoded header and the heads of its keys, in bytes. */
const PAGE_COST_BYTES = 600
const HINTS_SHARE = 3 / 8

export class PageCache {
  readonly hints: EntryHints
  #chunks: (Page | undefined)[][] = []
  readonly #pageMax: number
  #pageCount = 0
  /** Chunk numbers in the order they were started. */
  #order: number[] = []

  constructor(limitBytes: number) {
    this.hints = new EntryHints(limitBytes * HINTS_SHARE)
    this.#pageMax = Math.max(CHUNK_MASK + 1, Math.floor((limitBytes * (1 - HINTS_SHARE)) / PAGE_COST_BYTES))
  }

  get(number: PageNumber): Page | undefined {
    return this.#chunks[number >>> CHUNK_SHIFT]?.[number & CHUNK_MASK]
  }

  set(page: Page): void {
    if (this.#pageCount >= this.#pageMax) this.#dropOldestChunk()
    const index = page.number >>> CHUNK_SHIFT
    let chunk = this.#chunks[index]
    if (chunk === undefined) {
      // Filled from the start: an array with a few entries far apart would become a hash table.
      chunk = new Array<Page | undefined>(CHUNK_MASK + 1).fill(undefined)
      this.#chunks[index] = chunk
      this.#order.push(index)
    }
    const known = chunk[page.number & CHUNK_MASK]
    if (known === undefined) this.#pageCount++
    else this.hints.drop(known)
    chunk[page.number & CHUNK_MASK] = page
  }

  delete(number: PageNumber): void {
    const chunk = this.#chunks[number >>> CHUNK_SHIFT]
    const known = chunk?.[number & CHUNK_MASK]
    if (known === undefined) return
    chunk![number & CHUNK_MASK] = undefined
    this.#pageCount--
    this.hints.drop(known)
  }

  #dropOldestChunk(): void {
    const index = this.#order.shift()
    if (index === undefined) return
    for (const page of this.#chunks[index]!) {
      if (page === undefined) continue
      this.#pageCount--
      this.hints.drop(page)
    }
    delete this.#chunks[index]
  }
}
