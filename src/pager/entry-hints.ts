/**
 * Where entries of leaves lie that are read again and again: a hash from an entry to the place of its cell. A look-up in a
 * large tree is nearly all waiting for memory; this way it waits for a slot here and for the cell, without the descent.
 *
 * Nothing here is more than a hint. Whoever follows one compares the whole key where it leads, and searches as usual if that
 * is another entry. Two things must hold (HINT-1). A hint leads to the start of a cell: it belongs to a `Page`, which is one
 * version of a page and never changes, and ends with it; pages are named by an id that is never given twice. And that page is
 * still in its tree: a leaf that was merged into another one is given to the freelist as it is, so nothing shows at the leaf
 * itself, but its parent has changed then. So each page is known together with its parent, up to the root, and a hint counts only
 * as long as all of these are the versions that they were. The next look-up on the usual way renews the chain.
 *
 * An entry may take the slots of its bucket or of the one beside it: a cache line, or two. They fill up as leaves are read, and
 * give way in turn. All hints end, and are soon made again, when the table grows and when the ids have become too many.
 */
import { assert } from '../assert.js'
import { NO_PAGE, type PageNumber } from '../units.js'
import type { Page } from './page.js'

// A slot: the id of a page (0: empty), then 16 bits of the hash and the offset of the cell.
const SLOT_WORDS = 2
const BUCKET_SLOTS = 4
const BUCKET_WORDS = BUCKET_SLOTS * SLOT_WORDS
const BUCKET_BYTES = BUCKET_WORDS * 4
const TAG_MASK = 0xffff0000 | 0
const OFFSET_MASK = 0xffff

const BUCKETS_MIN = 1 << 8
/** More of them would run into the bits of the tag. */
const BUCKETS_MAX = 1 << 20
/** Entries per bucket, on average, at which the table grows. */
const FILL_MAX = 2.5

// What is known of a page, by its id, apart from the pages themselves: fewer lines to wait for.
const PLACE_WORDS = 6
const PLACE_ROOT = 0
const PLACE_NUMBER = 1
const PLACE_WHOLE = 2
const PLACE_START = 3
/** The id of the parent, 0 of a root. */
const PLACE_PARENT = 4
/** The epoch in which the way up to the root was found to be there. */
const PLACE_CHECKED = 5
/** Pages start at multiples of this, in maps and in the log as well. */
const START_UNIT = 8
const IDS_MIN = 1 << 8
/** With the reference to the page. */
const ID_BYTES = PLACE_WORDS * 4 + 8
/** Ids are given out up to a power of two: as many as the pages of the smallest cache, and then some. */
const IDS_MAX_MIN = 1 << 12
const IDS_MAX_MAX = 1 << 20
/** More levels than any tree has: only in a damaged file a page is its own ancestor. */
const LEVELS_MAX = 32

export class EntryHints {
  readonly #bucketsMax: number
  readonly #idsMax: number
  #slots = new Int32Array(BUCKETS_MIN * BUCKET_WORDS)
  #mask = BUCKETS_MIN - 1
  #entryCount = 0
  #places = new Int32Array(IDS_MIN * PLACE_WORDS)
  /** By id; id 0 is never given. */
  #pages: (Page | undefined)[] = [undefined]
  /** The arrays that pages are parts of, one for each buffer. */
  readonly #wholes: Uint8Array[] = []
  #turn = 0
  /** Ends whenever a page does: what was found of the ways up has to be found again. Epoch 0 never is. */
  #epoch = 1

  // What `find` has found last.
  /** All of the buffer that the cell lies in: the same for all pages of a map, and so always at hand. */
  whole: Uint8Array = new Uint8Array(0)
  /** Where the page starts in `whole`, and the cell. */
  pageStart = 0
  cellStart = 0
  /** The id of that page. */
  id = 0

  /** @param limitBytes a third of it is for the ids of pages; some kilobytes are always taken */
  constructor(limitBytes: number) {
    const idsBytes = limitBytes / 3
    this.#bucketsMax = powerWithin((limitBytes - idsBytes) / BUCKET_BYTES, BUCKETS_MIN, BUCKETS_MAX)
    this.#idsMax = powerWithin(idsBytes / ID_BYTES, IDS_MAX_MIN, IDS_MAX_MAX)
  }

  /** Whether there is a hint to an entry with this hash in the tree with this root; then the fields say where. */
  find(hash: number, root: PageNumber): boolean {
    const start = (hash & this.#mask) * BUCKET_WORDS
    return this.#findInBucket(start, hash, root) || this.#findInBucket(start ^ BUCKET_WORDS, hash, root)
  }

  #findInBucket(start: number, hash: number, root: PageNumber): boolean {
    const slots = this.#slots
    const places = this.#places
    for (let at = start; at < start + BUCKET_WORDS; at += SLOT_WORDS) {
      const slot = slots[at + 1]!
      if (((slot ^ hash) & TAG_MASK) !== 0) continue
      const id = slots[at]!
      const place = id * PLACE_WORDS
      if (places[place + PLACE_ROOT] !== (root | 0)) continue
      if (places[place + PLACE_CHECKED] !== this.#epoch && !this.#isInTree(place, root)) continue
      this.whole = this.#wholes[places[place + PLACE_WHOLE]!]!
      this.pageStart = places[place + PLACE_START]! * START_UNIT
      this.cellStart = this.pageStart + (slot & OFFSET_MASK)
      this.id = id
      return true
    }
    return false
  }

  /** Reads what `find` will wait for, so that many such waits overlap. @returns part of it, to be used for something */
  touch(hash: number): number {
    return this.#slots[(hash & this.#mask) * BUCKET_WORDS + 1]!
  }

  numberOf(id: number): PageNumber {
    return (this.#places[id * PLACE_WORDS + PLACE_NUMBER]! >>> 0) as PageNumber
  }

  /** The id of the parent, 0 of a root. */
  parentOf(id: number): number {
    return this.#places[id * PLACE_WORDS + PLACE_PARENT]!
  }

  /** Makes a clean page of the tree with this root known, below its parent: null for the root itself. */
  admit(page: Page, root: PageNumber, parent: Page | null): void {
    if (page.hintId === 0) {
      if (this.#pages.length >= this.#idsMax) this.#clear()
      page.hintId = this.#pages.push(page) - 1
      if (this.#pages.length * PLACE_WORDS > this.#places.length) this.#growPlaces()
      this.#enter(page, root)
    }
    // A parent that is not known (any more) keeps the page from being one of the tree.
    if (parent !== null && parent.hintId === 0) this.drop(page)
    else this.#places[page.hintId * PLACE_WORDS + PLACE_PARENT] = parent === null ? 0 : parent.hintId
  }

  /** Adds a hint to an admitted page, unless the table has to begin anew. `offset`: of the cell, from the start of the page. */
  put(hash: number, page: Page, offset: number): void {
    if (this.#entryCount > (this.#mask + 1) * FILL_MAX && this.#mask + 1 < this.#bucketsMax) this.#grow()
    if (page.hintId === 0) return
    const slots = this.#slots
    const at = this.#slotFor(hash)
    slots[at] = page.hintId
    slots[at + 1] = (hash & TAG_MASK) | offset
  }

  /** Ends the hints to a page. */
  drop(page: Page): void {
    const { hintId } = page
    if (hintId === 0) return
    page.hintId = 0
    this.#pages[hintId] = undefined
    this.#places[hintId * PLACE_WORDS + PLACE_ROOT] = NO_PAGE
    this.#epoch = (this.#epoch + 1) | 0
    if (this.#epoch === 0) this.#clear()
  }

  /** The hints to `page` lead to `next` from now on, which has the same bytes. */
  move(page: Page, next: Page): void {
    const { hintId } = page
    if (hintId === 0) return
    page.hintId = 0
    next.hintId = hintId
    this.#pages[hintId] = next
    this.#enter(next, this.#rootOf(hintId))
  }

  /** Whether the page at `place`, and all above it, are known in the tree with this root. */
  #isInTree(place: number, root: PageNumber): boolean {
    const places = this.#places
    let at = place
    for (let level = 0; level < LEVELS_MAX; level++) {
      if (places[at + PLACE_ROOT] !== (root | 0)) return false
      const parent = places[at + PLACE_PARENT]!
      if (parent === 0) {
        places[place + PLACE_CHECKED] = this.#epoch
        return true
      }
      at = parent * PLACE_WORDS
    }
    return false
  }

  #rootOf(hintId: number): PageNumber {
    return (this.#places[hintId * PLACE_WORDS + PLACE_ROOT]! >>> 0) as PageNumber
  }

  #enter({ hintId, number, bytes }: Page, root: PageNumber): void {
    const place = hintId * PLACE_WORDS
    assert(bytes.byteOffset % START_UNIT === 0, () => `a page starts at byte ${bytes.byteOffset} of its buffer`)
    this.#places[place + PLACE_ROOT] = root
    this.#places[place + PLACE_NUMBER] = number
    this.#places[place + PLACE_WHOLE] = this.#wholeOf(bytes)
    this.#places[place + PLACE_START] = bytes.byteOffset / START_UNIT
    this.#places[place + PLACE_CHECKED] = 0
  }

  #wholeOf({ buffer }: Uint8Array): number {
    const known = this.#wholes.findLastIndex((whole) => whole.buffer === buffer)
    return known >= 0 ? known : this.#wholes.push(new Uint8Array(buffer)) - 1
  }

  /** A slot that is free in the bucket or the one beside it, else any of the bucket. */
  #slotFor(hash: number): number {
    const start = (hash & this.#mask) * BUCKET_WORDS
    const own = this.#freeSlot(start, hash)
    if (own >= 0) return own
    const beside = this.#freeSlot(start ^ BUCKET_WORDS, hash)
    if (beside >= 0) return beside
    this.#turn = (this.#turn + 1) % BUCKET_SLOTS
    return start + this.#turn * SLOT_WORDS
  }

  /** An empty slot, or one with the same tag or of a page that is gone; -1 if there is none. */
  #freeSlot(start: number, hash: number): number {
    const slots = this.#slots
    for (let at = start; at < start + BUCKET_WORDS; at += SLOT_WORDS) {
      if (slots[at] === 0) this.#entryCount++
      else if (((slots[at + 1]! ^ hash) & TAG_MASK) !== 0 && this.#rootOf(slots[at]!) !== NO_PAGE) continue
      return at
    }
    return -1
  }

  #grow(): void {
    this.#clear()
    this.#slots = new Int32Array(this.#slots.length * 2)
    this.#mask = this.#mask * 2 + 1
  }

  #growPlaces(): void {
    const grown = new Int32Array(this.#places.length * 2)
    grown.set(this.#places)
    this.#places = grown
  }

  #clear(): void {
    for (const page of this.#pages) if (page !== undefined) page.hintId = 0
    this.#pages = [undefined]
    this.#epoch = 1
    this.#wholes.length = 0
    this.#slots.fill(0)
    this.#entryCount = 0
  }
}

/** The greatest power of two up to `count`, within these bounds. */
function powerWithin(count: number, min: number, max: number): number {
  return Math.min(2 ** Math.floor(Math.log2(Math.max(count, min))), max)
}
