/**
 * Damage of a main file that knows where things stand: fields of the file header and of pages, cell pointers, varints at the start
 * of cells, numbers that look like those of pages, whole pages. By the published format, with no line of the engine.
 */
import type { Random } from '../../test/support/random.js'
import { damageBytes, damageNumber, getNumber, putNumber } from './byte-damage.js'

const FILE_HEADER_SIZE = 100
/** Offset and size: page size, versions, reserved bytes, fractions, change counter, page count, freelist, cookie and so on. */
const FILE_FIELDS = [
  ...([
    [16, 2],
    [18, 1],
    [19, 1],
    [20, 1],
    [21, 1],
    [22, 1],
    [23, 1],
  ] as const),
  ...[24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 92, 96].map((offset) => [offset, 4] as const),
]
/** Kind, first freeblock, cell count, content area, fragments, right child. */
const PAGE_FIELDS = [
  [0, 1],
  [1, 2],
  [3, 2],
  [5, 2],
  [7, 1],
  [8, 4],
] as const
const PAGE_KINDS = [2, 5, 10, 13]
const VARINT_SIZE_MAX = 9
const TRIES = 20

/** @returns the damaged file, which may have another length */
export function damageMain(original: Uint8Array, random: Random): Uint8Array {
  const bytes = original.slice()
  for (let count = random.between(1, 4); count > 0; count--) {
    if (random.below(12) === 0) return resized(bytes, random)
    if (random.below(6) === 0) damageNumber(bytes, random.pick(FILE_FIELDS), random, [pageCountOf(bytes)])
    else damageSomePage(bytes, random)
  }
  return bytes
}

/** Damages one page of the file in place. */
function damageSomePage(bytes: Uint8Array, random: Random): void {
  const size = pageSizeOf(bytes)
  const count = pageCountOf(bytes)
  const index = random.below(count)
  const page = bytes.subarray(index * size, (index + 1) * size)
  if (random.below(12) === 0) page.set(bytes.subarray(random.below(count) * size).subarray(0, size))
  else damagePage(page, index === 0 ? FILE_HEADER_SIZE : 0, count, random)
}

/**
 * @param start where its header stands: 100 on page 1
 * @param pageCount of the database: numbers up to it are taken for page numbers
 */
export function damagePage(page: Uint8Array, start: number, pageCount: number, random: Random): void {
  const cellCount = Math.min(getNumber(page, start + 3, 2), page.length / 4)
  const pointers = start + (getNumber(page, start, 1) > 5 ? 8 : 12)
  const cellPointer = pointers + 2 * random.below(Math.max(1, cellCount))
  const cell = getNumber(page, cellPointer, 2)
  switch (random.below(6)) {
    case 0: {
      const [offset, size] = random.pick(PAGE_FIELDS)
      damageNumber(page, [start + offset, size], random, offset === 0 ? PAGE_KINDS : [page.length, pageCount])
      break
    }
    case 1:
      damageNumber(page, [cellPointer, 2], random, [page.length, pointers, pointers + 2 * cellCount, cell + 1])
      break
    case 2:
      putVarint(page, cell + random.below(14), random)
      break
    case 3:
      damagePageNumber(page, pageCount, random)
      break
    case 4:
      damageNumber(page, [cell, 4], random, [0, 1, pageCount, pageCount + 1, random.below(pageCount) + 1])
      break
    default:
      damageBytes(page, random)
  }
}

/** Where four bytes look like the number of a page: children, overflow chains, trunks and their leaves. */
function damagePageNumber(page: Uint8Array, pageCount: number, random: Random): void {
  for (let tries = 0; tries < TRIES; tries++) {
    const at = random.below(page.length - 3)
    const value = getNumber(page, at, 4)
    if (value === 0 || value > pageCount) continue
    damageNumber(page, [at, 4], random, [0, 1, pageCount, pageCount + 1, random.below(pageCount) + 1])
    return
  }
}

function putVarint(page: Uint8Array, at: number, random: Random): void {
  const size = random.between(1, VARINT_SIZE_MAX)
  for (let index = 0; index < size; index++) {
    const isLast = index === size - 1 && size < VARINT_SIZE_MAX
    putNumber(page, at + index, 1, (isLast ? 0 : 0x80) | random.pick([0, 0x7f, random.below(0x80)]))
  }
}

function resized(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.below(3) > 0) return bytes.slice(0, random.below(bytes.length + 1))
  const longer = new Uint8Array(bytes.length + random.between(1, 3 * pageSizeOf(bytes)))
  longer.set(bytes)
  return longer
}

/** As the header has it, or 512 where that cannot be. */
export function pageSizeOf(main: Uint8Array): number {
  const field = getNumber(main, 16, 2)
  const size = field === 1 ? 65536 : field
  return size >= 512 && Number.isInteger(Math.log2(size)) ? size : 512
}

function pageCountOf(main: Uint8Array): number {
  return Math.max(1, Math.floor(main.length / pageSizeOf(main)))
}
