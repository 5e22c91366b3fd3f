/**
 * Look-ups by key in leaves that are read again and again. Nearly all of their time goes into waiting for memory, line
 * after line, so what they need of a leaf is put into one flat array of numbers: for each cell, in the order of the
 * keys, part of its key and where it lies. A look-up then goes from the page to that array and from there straight to the
 * cell, without the page's memo, its cell pointers or its view.
 *
 * Each number is `part * 65536 + offset of the cell + 0.5`. The part is the rowid, counted from the page's first, or the
 * four bytes of the first key column behind those that all keys of the page begin with. The half keeps the arrays flat:
 * engines store them as plain doubles.
 *
 * Only clean pages get keys, and those never change. What is found is compared whole; whatever is not found this way
 * (equal parts, keys of other types, damage) is left to the careful search.
 */
import {
  bytesPart,
  Cell,
  cellOffset,
  compareBytes,
  type DecodedPage,
  getVarint,
  readCell,
  type SearchKey,
  TABLE_LEAF,
  varintSize,
} from '../format/index.js'
import type { Page } from '../pager/index.js'
import { Leading, readLeading, sharedLength } from './leading-column.js'
import type { Payload } from './payload.js'
import type { Rowid } from './tree-page.js'

const PART_UNIT = 0x10000
const PART_END = 2 ** 32

// Kinds of keys; those of an index are the lowest bit of the serial type of the first column.
const KEYS_OF_BLOBS = 0
const KEYS_OF_ROWIDS = 2
/** No keys, and no more attempts. */
const NO_KEYS = Number.MIN_SAFE_INTEGER

/** Looks a record up in the keys of a page. False says nothing. */
export function findByKeys(page: Page, usableSize: number, key: SearchKey, into: Payload): boolean {
  if (page.keyKind < KEYS_OF_BLOBS || page.keyKind !== key.leadingParity) return false
  const offset = offsetOf(page.keys, key.leadingPart(page.keyBase))
  if (offset < 0) return false
  const bytes = page.whole
  const at = page.wholeOffset + offset
  const length = getVarint(bytes, at)
  const start = at + varintSize(bytes, at)
  if (start + length > page.wholeOffset + usableSize) return false
  try {
    if (key.compareRecord(bytes, start, length) !== 0) return false
  } catch {
    // Damaged: the careful search says where.
    return false
  }
  into.set(bytes, start, length)
  return true
}

/** Looks a row up in the keys of a page. False says nothing. */
export function findByRowids(page: Page, usableSize: number, rowid: Rowid, into: Payload): boolean {
  if (page.keyKind !== KEYS_OF_ROWIDS || typeof rowid !== 'number') return false
  const offset = offsetOf(page.keys, rowid - page.keyBase)
  if (offset < 0) return false
  const bytes = page.whole
  const at = page.wholeOffset + offset
  const length = getVarint(bytes, at)
  const rowidAt = at + varintSize(bytes, at)
  const start = rowidAt + varintSize(bytes, rowidAt)
  if (start + length > page.wholeOffset + usableSize) return false
  into.set(bytes, start, length)
  return true
}

/** Offset of the first cell with this part, or -1. */
function offsetOf(keys: readonly number[], part: number): number {
  const wanted = part * PART_UNIT
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < wanted) low = middle + 1
    else high = middle
  }
  if (low === keys.length) return -1
  const offset = keys[low]! - wanted
  return offset < PART_UNIT ? offset | 0 : -1
}

/**
 * Counts a look-up in a leaf, and gives it keys when they are worth it.
 * @returns whether it is still too early for that: then nothing else is worth making for the page either
 */
export function countLookup(page: Page, decoded: DecodedPage): boolean {
  if (page.isDirty || page.keyKind >= KEYS_OF_BLOBS || page.keyKind === NO_KEYS) return false
  if (++page.keyKind === 0) makeKeys(page, decoded)
  return true
}

function makeKeys(page: Page, decoded: DecodedPage): void {
  page.keyKind = NO_KEYS
  const keys = new Array<number>(decoded.cellCount)
  const isMade = decoded.kind === TABLE_LEAF ? putRowids(page, decoded, keys) : putParts(page, decoded, keys)
  if (!isMade) return
  page.keys = keys
  page.whole = wholeOf(page.bytes)
  page.wholeOffset = page.bytes.byteOffset
}

const cell = new Cell()
const first = new Leading()
const other = new Leading()

/** Fills in the keys of an index leaf whose first columns are all texts or all blobs and lie on the page. */
function putParts(page: Page, decoded: DecodedPage, keys: number[]): boolean {
  const { bytes } = page
  const { length } = keys
  if (length === 0 || !readLeading(bytes, decoded, 0, first) || !readLeading(bytes, decoded, length - 1, other))
    return false
  const skip = sharedLength(bytes, first, other)
  for (let index = 0; index < length; index++) {
    if (!readLeading(bytes, decoded, index, other) || other.parity !== first.parity || !other.isWhole) return false
    // Keys between the first and the last one share what those share, unless the page is damaged.
    if (other.length < skip || compareBytes(bytes, other.start, skip, bytes, first.start, skip) !== 0) return false
    keys[index] = bytesPart(bytes, other.start + skip, other.length - skip) * PART_UNIT + other.cellOffset + 0.5
  }
  page.keyKind = first.parity
  page.keyBase = skip
  return true
}

/** Fills in the keys of a table leaf whose rowids are safe integers and not too far apart. */
function putRowids(page: Page, decoded: DecodedPage, keys: number[]): boolean {
  const { bytes } = page
  const { length } = keys
  if (length === 0) return false
  const base = readCell(bytes, cellOffset(bytes, decoded, 0), decoded, cell).rowid
  if (typeof base !== 'number') return false
  for (let index = 0; index < length; index++) {
    const { rowid, offset, localLength, payloadLength } = readCell(
      bytes,
      cellOffset(bytes, decoded, index),
      decoded,
      cell,
    )
    const part = typeof rowid === 'number' ? rowid - base : -1
    if (part < 0 || part >= PART_END || localLength !== payloadLength) return false
    keys[index] = part * PART_UNIT + offset + 0.5
  }
  page.keyKind = KEYS_OF_ROWIDS
  page.keyBase = base
  return true
}

/** One array over all of a buffer, the same for all pages in it. */
const wholes = new WeakMap<ArrayBufferLike, Uint8Array>()

function wholeOf({ buffer }: Uint8Array): Uint8Array {
  let whole = wholes.get(buffer)
  if (whole === undefined) {
    whole = new Uint8Array(buffer)
    wholes.set(buffer, whole)
  }
  return whole
}
