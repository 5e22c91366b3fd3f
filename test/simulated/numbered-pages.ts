/**
 * Databases whose pages 2 and up hold one number each, that of the commit that wrote them, and words made of it: a page that is
 * torn or of two commits shows. A state is the list of the numbers, as text.
 */
import type { PageReader, PageWriter, WritePages } from '../../src/pager/index.js'
import { pageNumber } from '../../src/units.js'
import type { Random } from '../support/random.js'

/** Pages 2 to this one. */
const PAGES_MAX = 10

/** Writes some pages. @returns the state they make */
export function changePages(pages: WritePages, commit: number, random: Random): string {
  if (pages.pageCount < PAGES_MAX && (pages.pageCount < 4 || random.below(6) === 0)) pages.grow()
  const last = pages.pageCount
  fill(pages, last, readNumber(pages, last) || commit)
  for (let count = random.below(last - 1) + 1; count > 0; count--) {
    fill(pages, random.between(2, last), commit)
    pages.relieve()
  }
  return stateOf(pages)
}

/** The numbers in pages 2 and up. @throws if a page is not all of one commit */
export function stateOf(pages: PageReader): string {
  return Array.from({ length: pages.pageCount - 1 }, (_, i) => readNumber(pages, i + 2)).join()
}

/** The number of the commit that wrote a page. @throws if the page is not all of one commit */
export function readNumber(pages: PageReader, number: number): number {
  const { bytes } = pages.page(pageNumber(number))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const value = view.getUint32(0)
  for (let at = 4; at < bytes.length; at += 4) {
    if (view.getUint32(at) !== wordAt(at, value) >>> 0) throw new Error(`page ${number} is not all of commit ${value}`)
  }
  return value
}

function fill(pages: PageWriter, number: number, value: number): void {
  const { bytes } = pages.writable(pageNumber(number))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, wordAt(at, value))
}

/**
 * The number itself, then words that look random. Not the same number over and over: where few of its bits are set, the
 * checksum of the log is the same for zeros, and a torn frame passes for a whole one.
 */
function wordAt(at: number, value: number): number {
  return at === 0 || value === 0 ? value : Math.imul(value + at, 0x9e3779b1) ^ Math.imul(value, 0x85ebca6b)
}
