/**
 * A database in memory, for tests of the b-tree alone: a PageWriter with the real allocator and freelist, but
 * without files, maps, log and locks.
 *
 * `commit` makes all pages clean, so that the next write to a page has to copy it, as in the real pager. `toFile`
 * gives the bytes of a SQLite file, with a schema row for each tree, so that SQLite can be asked about it.
 */

import { putRow } from '../../src/btree/index.js'
import { corrupt, type EndmarkError } from '../../src/errors.js'
import { encodeNewDatabase, encodeRecord, lockBytePage, setPageCount } from '../../src/format/index.js'
import { Page, type PageWriter } from '../../src/pager/index.js'
import { allocatePage, type FreelistHost, freePage } from '../../src/pager/page-allocator.js'
import { type PageNumber, pageNumber } from '../../src/units.js'

const RESERVED_BYTES_OFFSET = 20
const PAGE_ONE = pageNumber(1)

export interface MemoryPagesOptions {
  readonly pageSize?: number
  readonly reserved?: number
}

export class MemoryPages implements PageWriter, FreelistHost {
  readonly pageSize: number
  readonly usableSize: number
  readonly schemaCookie = 1
  readonly hints = null
  readonly #lockBytePage: PageNumber
  /** By page number; sparse. */
  #pages: (Page | undefined)[] = []
  #committed: (Page | undefined)[] = []
  #committedCount = 1
  #schemaRows = 0
  pageCount = 1
  editCount = 0

  constructor({ pageSize = 4096, reserved = 0 }: MemoryPagesOptions = {}) {
    this.pageSize = pageSize
    this.usableSize = pageSize - reserved
    this.#lockBytePage = lockBytePage(pageSize)
    const pageOne = encodeNewDatabase(pageSize)
    pageOne[RESERVED_BYTES_OFFSET] = reserved
    // A file without a log is opened in rollback-journal mode, so that SQLite needs no files beside it.
    pageOne[18] = 1
    pageOne[19] = 1
    pageOne[105] = (this.usableSize >>> 8) & 0xff
    pageOne[106] = this.usableSize & 0xff
    this.#pages[PAGE_ONE] = new Page(PAGE_ONE, pageOne, true)
    this.commit()
  }

  page(number: PageNumber): Page {
    const page = this.#pages[number]
    if (page !== undefined) return page
    if (number < 1 || number > this.pageCount || number === this.#lockBytePage) {
      throw this.corrupt(number, 0, `no page ${number} of ${this.pageCount}`)
    }
    const empty = new Page(number, new Uint8Array(this.pageSize), false)
    this.#pages[number] = empty
    return empty
  }

  ownsHinted(): boolean {
    return false
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    return corrupt({ file: 'memory', page, offset, what })
  }

  writable(number: PageNumber): Page {
    this.editCount++
    const page = this.page(number)
    if (page.isDirty) return page
    const copy = new Page(number, page.bytes.slice(), true)
    this.#pages[number] = copy
    return copy
  }

  blank(number: PageNumber): Page {
    const page = this.writable(number)
    page.bytes.fill(0)
    page.decoded = null
    return page
  }

  grow(): Page {
    this.pageCount++
    if (this.pageCount === this.#lockBytePage) this.pageCount++
    return this.blank(pageNumber(this.pageCount))
  }

  allocate(): Page {
    return allocatePage(this)
  }

  free(number: PageNumber): void {
    freePage(this, number)
  }

  /** Pages written since the last commit. */
  get dirtyNumbers(): PageNumber[] {
    return [...this.#known()].filter((page) => page.isDirty).map((page) => page.number)
  }

  commit(): void {
    for (const page of this.#known()) {
      if (!page.isDirty) continue
      const clean = new Page(page.number, page.bytes, false)
      clean.decoded = page.decoded
      this.#pages[page.number] = clean
    }
    this.#committed = this.#pages.slice()
    this.#committedCount = this.pageCount
  }

  rollback(): void {
    this.editCount++
    this.#pages = this.#committed.slice()
    this.pageCount = this.#committedCount
  }

  /** Replaces the bytes of a page, as damage to the file would. */
  damage(number: PageNumber, change: (bytes: Uint8Array) => void): void {
    this.editCount++
    const bytes = this.page(number).bytes.slice()
    change(bytes)
    this.#pages[number] = new Page(number, bytes, false)
  }

  /** Enters a table or an index into the schema, as CREATE would. */
  addToSchema(type: 'table' | 'index', name: string, table: string, root: PageNumber, sql: string): void {
    const rowid = ++this.#schemaRows
    putRow(this, PAGE_ONE, rowid, encodeRecord([type, name, table, root, sql]), 'insert')
  }

  /** The pages that have content, and where in the file they go. */
  *filePages(): Generator<{ fileOffset: number; bytes: Uint8Array }> {
    setPageCount(this.writable(PAGE_ONE).bytes, this.pageCount)
    for (const page of this.#known()) yield { fileOffset: (page.number - 1) * this.pageSize, bytes: page.bytes }
  }

  *#known(): Generator<Page> {
    for (const page of this.#pages) if (page !== undefined) yield page
  }

  toFile(): Uint8Array {
    const file = new Uint8Array(this.pageCount * this.pageSize)
    for (const { fileOffset, bytes } of this.filePages()) file.set(bytes, fileOffset)
    return file
  }
}
