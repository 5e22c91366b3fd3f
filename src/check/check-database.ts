/**
 * The integrity of a whole database, in one committed state: header, freelist, schema, every tree, every page, and the log.
 * As complete as SQLite's integrity_check, and stricter where docs/internals/testing.md says so.
 *
 * Reads only, by pages of a held state. Runs in steps: between two of them other work may run, and whoever takes the next
 * step makes sure that the state is still held (SNAP-1, MAP-1). Memory: one bit a page, the pages looked at last, and the
 * largest record.
 */
import { checkFreelist, findingOf } from '../btree/index.js'
import { FILE_HEADER_OFFSETS, get32 } from '../format/index.js'
import type { HeldPages } from '../pager/index.js'
import { pageNumber } from '../units.js'
import { checkLog, type Wal } from '../wal/index.js'
import { checkHeader } from './check-header.js'
import { checkSchema } from './check-schema.js'
import { checkRecords, checkTable } from './check-table.js'
import { type Finding, Findings, LimitReached } from './findings.js'
import { FreshPages } from './fresh-pages.js'
import { PageUse } from './page-use.js'

const PAGE_ONE = pageNumber(1)

export class DatabaseCheck {
  readonly #wal: Wal
  readonly #held: HeldPages
  readonly #findings: Findings
  readonly #pageCountMax: number
  readonly #pages: FreshPages
  readonly #use: PageUse

  /** @throws ENDMARK_CORRUPT if not even page 1 can be read */
  constructor(wal: Wal, held: HeldPages, limit: number) {
    const { pages, snapshot } = held
    this.#wal = wal
    this.#held = held
    this.#findings = new Findings(pages, limit)
    this.#pageCountMax = Math.ceil(wal.mainWindows.size() / pages.pageSize) + snapshot.endMark
    this.#pages = new FreshPages(pages, this.#pageCountMax)
    const hasPointerMap = get32(pages.page(PAGE_ONE).bytes, FILE_HEADER_OFFSETS.largestRoot) !== 0
    this.#use = new PageUse(this.#pages, hasPointerMap, (finding) => this.#findings.addOfPage(finding))
  }

  get findings(): readonly Finding[] {
    return this.#findings.all
  }

  get pageCount(): number {
    return this.#pages.pageCount
  }

  /** Pages whose use is known. */
  get usedCount(): number {
    return this.#use.usedCount
  }

  *run(): Generator<void, void, void> {
    try {
      yield* this.#checkAll()
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error
    }
  }

  *#checkAll(): Generator<void, void, void> {
    const parts = { pages: this.#pages, use: this.#use, findings: this.#findings }
    checkHeader(this.#held.pages, this.#pageCountMax, this.#findings)
    yield* checkFreelist(this.#pages, this.#use)
    const { tables, others } = yield* checkSchema(parts)
    for (const { definition, indexes } of tables) yield* checkTable(parts, definition, indexes)
    for (const root of others) yield* checkRecords(parts, root)
    this.#checkLargestRoot()
    for (const finding of yield* checkLog(this.#wal, this.#held.snapshot)) this.#findings.add(finding)
    // Last: below a page that is damaged all others seem unused.
    yield* this.#use.reportUnused()
  }

  /** In an auto-vacuum database the header names the highest root. */
  #checkLargestRoot(): void {
    try {
      const recorded = get32(this.#pages.page(PAGE_ONE).bytes, FILE_HEADER_OFFSETS.largestRoot)
      if (recorded === 0 || recorded === this.#use.rootMax) return
      const what = `the largest root page is ${this.#use.rootMax}, not ${recorded}`
      this.#use.report({ page: PAGE_ONE, offset: FILE_HEADER_OFFSETS.largestRoot, what })
    } catch (error) {
      this.#use.report(findingOf(error, PAGE_ONE, 0))
    }
  }
}
