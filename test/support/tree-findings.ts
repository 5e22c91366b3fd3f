/** What our own integrity check says of all the pages of one state. */
import { checkFreelist, checkTree, type PageCheckHost, type PageFinding } from '../../src/btree/index.js'
import { BINARY_ORDER, lockBytePage } from '../../src/format/index.js'
import type { PageReader } from '../../src/pager/index.js'
import { type PageNumber, pageNumber } from '../../src/units.js'

export interface Roots {
  readonly tables?: readonly PageNumber[]
  readonly indexes?: readonly PageNumber[]
}

/**
 * Every finding in the schema, these trees and the freelist, and every page that none of them uses. Indexes are
 * taken to be ordered by one binary column.
 */
export function treeFindings(pages: PageReader, { tables = [], indexes = [] }: Roots): string[] {
  const host = new CheckHost()
  for (const root of [pageNumber(1), ...tables]) drain(checkTree(pages, host, { root, kind: 'table', order: null }))
  for (const root of indexes) drain(checkTree(pages, host, { root, kind: 'index', order: BINARY_ORDER }))
  drain(checkFreelist(pages, host))
  for (let number = 1; number <= pages.pageCount; number++) {
    if (host.used.has(number) || number === lockBytePage(pages.pageSize)) continue
    host.found.push(`page ${number} is lost`)
  }
  return host.found
}

/** Every finding in the freelist alone. */
export function freelistFindings(pages: PageReader): string[] {
  const host = new CheckHost()
  drain(checkFreelist(pages, host))
  return host.found
}

class CheckHost implements PageCheckHost {
  readonly found: string[] = []
  readonly used = new Set<number>()

  report({ page, what }: PageFinding): void {
    this.found.push(`page ${page}: ${what}`)
  }

  usePage(number: PageNumber): string | null {
    if (this.used.has(number)) return 'is used twice'
    this.used.add(number)
    return null
  }
}

function drain(steps: Generator<void, unknown, void>): void {
  while (!steps.next().done);
}
