/** What our own integrity check says of all the pages of one state. */
import { checkFreelist, checkTree } from '../../src/btree/index.js'
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
  const found: string[] = []
  const seen = new Set<PageNumber>()
  const report = (finding: { page: number; what: string }) => found.push(`page ${finding.page}: ${finding.what}`)
  const visit = (number: PageNumber) => !seen.has(number) && seen.add(number) !== undefined
  for (const root of [pageNumber(1), ...tables]) checkTree(pages, root, 'table', null, report, visit)
  for (const root of indexes) checkTree(pages, root, 'index', BINARY_ORDER, report, visit)
  checkFreelist(pages, report, visit)
  for (let number = 1; number <= pages.pageCount; number++) {
    if (!seen.has(pageNumber(number)) && number !== lockBytePage(pages.pageSize)) found.push(`page ${number} is lost`)
  }
  return found
}
