/**
 * A database in memory for tests of the stores alone: states of pages, one after the other, without files, maps, log
 * and locks. It can begin with the bytes of a SQLite file and write itself out as one, so that SQLite can be asked.
 */
import { writeFileSync } from 'node:fs'
import { corrupt, EndmarkError } from '../../src/errors.js'
import { countChange, encodeNewDatabase, getSchemaCookie, lockBytePage, setPageCount } from '../../src/format/index.js'
import { EntryHints } from '../../src/pager/entry-hints.js'
import { type FreelistHost, Page, type PageReader, type PageWriter } from '../../src/pager/index.js'
import { allocatePage, freePage } from '../../src/pager/page-allocator.js'
import {
  applyOperation,
  createOperation,
  type NewStore,
  type Operation,
  type OperationResult,
  type PinnedPages,
  type Schema,
  SchemaCache,
  type StoreHost,
} from '../../src/store/index.js'
import { type PageNumber, pageNumber } from '../../src/units.js'

const JOURNAL_VERSION_OFFSET = 18
const HINTS_LIMIT_BYTES = 1 << 16

/** One state; what is written to it stays in it. Pages are shared with the state it was made from until written. */
class StatePages implements PageWriter, FreelistHost {
  readonly pageSize: number
  readonly usableSize: number
  readonly pages: Page[]
  /** Only of the newest state. */
  hints: EntryHints | null
  editCount = 0

  constructor(pages: readonly Page[], reserved: number, hints: EntryHints | null) {
    this.hints = hints
    this.pages = [...pages]
    this.pageSize = pages[0]!.bytes.length
    this.usableSize = this.pageSize - reserved
  }

  get pageCount(): number {
    return this.pages.length
  }

  get schemaCookie(): number {
    return getSchemaCookie(this.pages[0]!.bytes)
  }

  page(number: PageNumber): Page {
    const page = this.pages[number - 1]
    if (page === undefined) throw this.corrupt(number, 0, `no page ${number} of ${this.pageCount}`)
    return page
  }

  ownsHinted(): boolean {
    return this.hints !== null
  }

  corrupt(page: PageNumber, offset: number, what: string): EndmarkError {
    return corrupt({ file: 'memory', page, offset, what })
  }

  writable(number: PageNumber): Page {
    this.editCount++
    const page = this.page(number)
    if (page.isDirty) return page
    const copy = new Page(number, new Uint8Array(page.bytes), true)
    this.pages[number - 1] = copy
    return copy
  }

  blank(number: PageNumber): Page {
    const page = this.writable(number)
    page.bytes.fill(0)
    page.decoded = null
    return page
  }

  grow(): Page {
    const number = pageNumber(this.pageCount + 1)
    if (number === lockBytePage(this.pageSize)) throw new Error('too large for a test in memory')
    this.pages.push(new Page(number, new Uint8Array(this.pageSize), true))
    return this.blank(number)
  }

  allocate(): Page {
    return allocatePage(this)
  }

  free(number: PageNumber): void {
    freePage(this, number)
  }
}

export class MemoryDatabase implements StoreHost {
  readonly #schemas = new SchemaCache()
  readonly #reserved: number
  #state: StatePages
  /** States that are pinned, for tests of who lets go of them. */
  pinCount = 0

  constructor(image: Uint8Array = encodeNewDatabase(4096)) {
    const field = (image[16]! << 8) | image[17]!
    const pageSize = field === 1 ? 65536 : field
    this.#reserved = image[20]!
    const pages: Page[] = []
    for (let at = 0; at < image.length; at += pageSize) {
      pages.push(new Page(pageNumber(pages.length + 1), image.slice(at, at + pageSize), false))
    }
    this.#state = new StatePages(pages, this.#reserved, new EntryHints(HINTS_LIMIT_BYTES))
  }

  pages(): PageReader {
    return this.#state
  }

  pin(): PinnedPages {
    this.pinCount++
    let isPinned = true
    const release = (): void => {
      if (isPinned) this.pinCount--
      isPinned = false
    }
    const assertOpen = (): void => {
      if (!isPinned) throw new EndmarkError('ENDMARK_CLOSED', 'this pinned state was released')
    }
    return { pages: this.#state, release, assertOpen }
  }

  newestSchema(): Schema {
    return this.schema(this.pages())
  }

  schema(pages: PageReader): Schema {
    return this.#schemas.of(pages)
  }

  async submit(operations: readonly Operation[]): Promise<OperationResult[]> {
    return this.apply(operations)
  }

  async write(operations: readonly Operation[]): Promise<void> {
    this.apply(operations)
  }

  /** Applies all operations, or none if one of them fails. */
  apply(operations: readonly Operation[]): OperationResult[] {
    const next = new StatePages(this.#state.pages, this.#reserved, null)
    const schemas = new SchemaCache(this.schema(this.#state))
    const results = operations.map((operation) => applyOperation(next, schemas.of(next), operation))
    const pages = next.pages.map((page) => (page.isDirty ? new Page(page.number, page.bytes, false) : page))
    this.#become(new StatePages(pages, this.#reserved, this.#state.hints))
    return results
  }

  /** The hints go on with the next state, less those to changed pages. */
  #become(next: StatePages): void {
    const { hints, pages } = this.#state
    for (const page of pages) if (next.pages[page.number - 1] !== page) hints?.drop(page)
    this.#state.hints = null
    this.#state = next
  }

  create(store: NewStore): OperationResult {
    return this.apply([createOperation(store)])[0]!
  }

  /** The state as a file in rollback-journal mode, which SQLite opens without any other file. */
  toFile(): Uint8Array {
    const file = Buffer.concat(this.#state.pages.map((page) => page.bytes))
    file.fill(1, JOURNAL_VERSION_OFFSET, JOURNAL_VERSION_OFFSET + 2)
    setPageCount(file, this.#state.pageCount)
    countChange(file)
    return file
  }

  writeTo(path: string): void {
    writeFileSync(path, this.toFile())
  }

  get schemaNow(): Schema {
    return this.schema(this.#state)
  }
}
