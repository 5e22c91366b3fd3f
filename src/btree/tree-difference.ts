/**
 * In which entries two states of one tree differ, found from the pages that were written between them.
 *
 * Each side begins with those of its pages that were written. To them come pages that were not written but are in only one of the
 * two trees: a leaf that was freed, or everything below an interior page that was. Such a page is the child of a written
 * one on its own side and not on the other. A page that is on both sides unwritten cancels out, wherever it hangs, and if
 * only one side has taken it in, the other does so too (WATCH-4).
 *
 * Entries are compared as the bytes of their cells without the child in front: they move between pages as they are. A cell
 * names the first page of its overflow chain, whose content is not looked at: whether a page of it was written decides.
 */
import { Cell, CHILD_SIZE, cellOffset, cellSize, INDEX_INTERIOR, readCell, TABLE_INTERIOR } from '../format/index.js'
import type { Page, PageReader } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { readPayload } from './overflow-chain.js'
import { Payload } from './payload.js'
import { childNumber, leafKindOf, type Rowid, type TreeKind, treePage } from './tree-page.js'
import { CHAIN_PAGES_MAX, chainOfCell } from './unowned-pages.js'

/** One state of the tree. */
export interface TreeSide {
  readonly pages: PageReader
  /** Those of its pages that were written between the two states. */
  readonly written: readonly PageNumber[]
}

export interface DifferenceOptions {
  readonly kind: TreeKind
  /** Pages that both sides may take together. */
  readonly pagesMax: number
  /** Entries of a side that are compared. */
  readonly entriesMax: number
  /** Pages of the later state that were written and are no b-tree pages: parts of overflow chains, for one. */
  readonly rewritten: ReadonlySet<PageNumber>
  /**
   * Takes an entry that only one side has, or whose chain was rewritten; with its key twice if both have an entry of that key. The
   * payload is valid during the call; of a row it need not be whole.
   */
  readonly differs: (payload: Payload, rowid: Rowid) => void
}

interface Place {
  readonly page: Page
  readonly index: number
}

const cell = new Cell()
const payload = new Payload()

/**
 * @returns false, with some entries told, if there is more to compare than allowed
 * @throws ENDMARK_CORRUPT
 */
export function differingEntries(before: TreeSide, after: TreeSide, options: DifferenceOptions): boolean {
  const leafKind = leafKindOf(options.kind)
  const old = new Side(before, leafKind)
  const young = new Side(after, leafKind)
  const { pagesMax, entriesMax } = options
  while (old.takeMissing(young, pagesMax) || young.takeMissing(old, pagesMax)) {}
  if (old.found.size + young.found.size > pagesMax) return false
  const gone = old.entries(young, options)
  const come = young.entries(old, options)
  if (gone.size > entriesMax || come.size > entriesMax) return false
  const chains = new WrittenChains(after.pages, options.rewritten)
  for (const [bytes, place] of come) {
    const counterpart = gone.get(bytes)
    gone.delete(bytes)
    if (counterpart !== undefined && !chains.has(place)) continue
    tell(after.pages, place, options)
    // Its chain may have been another entry's: of an index, then, the key need not be the same.
    if (counterpart !== undefined) tell(before.pages, counterpart, options)
  }
  for (const place of gone.values()) tell(before.pages, place, options)
  return !chains.areTooLong
}

/** Whether chains were written to, as far as they are looked at. */
class WrittenChains {
  readonly #pages: PageReader
  readonly #written: ReadonlySet<PageNumber>
  #walked = 0

  constructor(pages: PageReader, written: ReadonlySet<PageNumber>) {
    this.#pages = pages
    this.#written = written
  }

  get areTooLong(): boolean {
    return this.#walked > CHAIN_PAGES_MAX
  }

  has({ page, index }: Place): boolean {
    if (this.#written.size === 0 || this.areTooLong) return false
    const chain = chainOfCell(this.#pages, page, index)
    this.#walked += chain.length
    return chain.some((number) => this.#written.has(number))
  }
}

function tell(pages: PageReader, { page, index }: Place, { kind, differs }: DifferenceOptions): void {
  const decoded = page.decoded!
  readCell(page.bytes, cellOffset(page.bytes, decoded, index), decoded, cell)
  const { rowid } = cell
  // Of a row the rowid will do, of an index entry the chain may be needed for the key.
  if (kind === 'table') payload.set(page.bytes, cell.payloadStart, cell.localLength)
  else readPayload(pages, page, cell, payload)
  differs(payload, rowid)
}

class Side {
  readonly found = new Map<PageNumber, Page>()
  readonly #pages: PageReader
  readonly #leafKind: number
  readonly #children = new Set<PageNumber>()

  constructor({ pages, written }: TreeSide, leafKind: number) {
    this.#pages = pages
    this.#leafKind = leafKind
    for (const number of written) this.#take(number)
  }

  /** Takes in what is below pages of this side and is not on both unwritten. @returns whether there were pages */
  takeMissing(other: Side, pagesMax: number): boolean {
    const missing = [...this.#children].filter(
      (number) => !this.found.has(number) && (!other.#children.has(number) || other.found.has(number)),
    )
    for (const number of missing) {
      if (this.found.size + other.found.size > pagesMax) return false
      this.#take(number)
    }
    return missing.length > 0
  }

  /** Each entry by the bytes of its cell; without those that are alike at both ends of a page that is on both sides. */
  entries(other: Side, { rewritten, entriesMax }: DifferenceOptions): Map<string, Place> {
    const entries = new Map<string, Place>()
    for (const page of this.found.values()) {
      const { kind, cellCount } = page.decoded!
      if (kind === TABLE_INTERIOR) continue
      if (entries.size > entriesMax) break
      const counterpart = rewritten.size === 0 ? other.found.get(page.number) : undefined
      const head = counterpart === undefined ? 0 : commonHead(page, counterpart)
      const tail = counterpart === undefined ? 0 : commonTail(page, counterpart, head)
      for (let index = head; index < cellCount - tail; index++) entries.set(cellBytes(page, index), { page, index })
    }
    return entries
  }

  #take(number: PageNumber): void {
    // The level is not known; whoever is on a circle is taken once.
    const page = treePage(this.#pages, number, this.#leafKind, 0)
    this.found.set(number, page)
    const { isLeaf, cellCount } = page.decoded!
    if (isLeaf) return
    for (let index = 0; index <= cellCount; index++) this.#children.add(childNumber(page, index))
  }
}

/** How many cells from the first on are alike. */
function commonHead(a: Page, b: Page): number {
  const count = Math.min(a.decoded!.cellCount, b.decoded!.cellCount)
  let index = 0
  while (index < count && isSameCell(a, index, b, index)) index++
  return index
}

/** How many cells from the last one back, beside those of the head. */
function commonTail(a: Page, b: Page, head: number): number {
  const aCount = a.decoded!.cellCount
  const bCount = b.decoded!.cellCount
  const count = Math.min(aCount, bCount) - head
  let tail = 0
  while (tail < count && isSameCell(a, aCount - 1 - tail, b, bCount - 1 - tail)) tail++
  return tail
}

function isSameCell(a: Page, aIndex: number, b: Page, bIndex: number): boolean {
  if (a.decoded!.kind !== b.decoded!.kind) return false
  const skipped = a.decoded!.kind === INDEX_INTERIOR ? CHILD_SIZE : 0
  const aOffset = cellOffset(a.bytes, a.decoded!, aIndex)
  const bOffset = cellOffset(b.bytes, b.decoded!, bIndex)
  const size = cellSize(a.bytes, aOffset, a.decoded!)
  if (cellSize(b.bytes, bOffset, b.decoded!) !== size) return false
  for (let i = skipped; i < size; i++) if (a.bytes[aOffset + i] !== b.bytes[bOffset + i]) return false
  return true
}

function cellBytes(page: Page, index: number): string {
  const decoded = page.decoded!
  const { bytes } = page
  readCell(bytes, cellOffset(bytes, decoded, index), decoded, cell)
  const start = cell.offset + (decoded.kind === INDEX_INTERIOR ? CHILD_SIZE : 0)
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, cell.offset + cell.size - start).toString('latin1')
}
