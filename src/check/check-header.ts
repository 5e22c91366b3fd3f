/**
 * The file header of the state that is checked, as far as it says something that can be compared: with the files, with the
 * log, and with itself. What only other checks can tell (freelist, largest root) is left to them.
 */
import { EndmarkError, whatOf } from '../errors.js'
import { decodeFileHeader, FILE_HEADER_OFFSETS, get32, getPageCount, isPageCountValid } from '../format/index.js'
import type { CommittedPages } from '../pager/index.js'
import { pageNumber } from '../units.js'
import type { Findings } from './findings.js'

const PAGE_ONE = pageNumber(1)

/** @param pageCountMax pages that the main file and the log can hold at most */
export function checkHeader(pages: CommittedPages, pageCountMax: number, findings: Findings): void {
  const { bytes } = pages.page(PAGE_ONE)
  const report = (offset: number, what: string) => findings.addOfPage({ page: PAGE_ONE, offset, what })
  checkFields(pages, bytes, findings)
  const { pageCount } = FILE_HEADER_OFFSETS
  if (pages.pageCount > pageCountMax) {
    report(pageCount, `${pages.pageCount} pages, of which the files hold ${pageCountMax} at most`)
  }
  // A count of 0 stands for the length of the file.
  if (isPageCountValid(bytes) && getPageCount(bytes) > 0 && getPageCount(bytes) !== pages.pageCount) {
    report(pageCount, `${getPageCount(bytes)} pages, where the log says ${pages.pageCount}`)
  }
  const { incrementalVacuum, largestRoot } = FILE_HEADER_OFFSETS
  if (get32(bytes, incrementalVacuum) !== 0 && get32(bytes, largestRoot) === 0) {
    report(incrementalVacuum, 'incremental vacuum without auto-vacuum')
  }
}

function checkFields(pages: CommittedPages, bytes: Uint8Array, findings: Findings): void {
  const { file } = pages.placeOf(PAGE_ONE)
  try {
    const { pageSize, usableSize } = decodeFileHeader(bytes, file)
    if (pageSize === pages.pageSize && usableSize === pages.usableSize) return
    const what = `pages of ${pageSize} bytes, ${usableSize} usable, in a database of ${pages.pageSize}, ${pages.usableSize}`
    findings.addOfPage({ page: PAGE_ONE, offset: FILE_HEADER_OFFSETS.pageSize, what })
  } catch (error) {
    if (!(error instanceof EndmarkError)) throw error
    findings.addOfPage({ page: PAGE_ONE, offset: error.offset ?? 0, what: whatOf(error) })
  }
}
