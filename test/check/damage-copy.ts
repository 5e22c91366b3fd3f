/** Random damage to a copy of a database: in most cases small, and more often than not where pages describe themselves. */
import type { Random } from '../support/random.js'
import type { SoundDatabase } from './corpus.js'

const FILE_HEADER_SIZE = 100

const FRAME_HEADER_SIZE = 24

/** @returns the damaged copy, and what was done to it in words; of one with a log mostly the log is damaged */
export function damagedCopy({ main, log, pageSize }: SoundDatabase, random: Random) {
  const isLog = log !== null && random.below(4) > 0
  const damage = isLog
    ? new Damage(new Uint8Array(log), FRAME_HEADER_SIZE + pageSize, random)
    : new Damage(new Uint8Array(main), pageSize, random)
  for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count--) damage.once()
  const { bytes, changes } = damage
  return isLog ? { main, log: bytes, changes } : { main: bytes, log, changes }
}

class Damage {
  bytes: Uint8Array
  readonly changes: string[] = []
  readonly #pageSize: number
  readonly #random: Random

  constructor(bytes: Uint8Array, pageSize: number, random: Random) {
    this.bytes = bytes
    this.#pageSize = pageSize
    this.#random = random
  }

  once(): void {
    const random = this.#random
    const pageCount = Math.floor(this.bytes.length / this.#pageSize)
    const kind = random.below(40)
    if (kind === 0) this.#swapPages(random.below(pageCount), random.below(pageCount))
    else if (kind === 1) this.#copyPage(random.below(pageCount), random.below(pageCount))
    else if (kind === 2) this.#fill(random.below(pageCount) * this.#pageSize, this.#pageSize, 0)
    else if (kind === 3) this.#truncate(random.between(1, pageCount))
    else if (kind < 20) this.#smallAt(this.#inDescription(pageCount))
    else this.#smallAt(random.below(this.bytes.length))
  }

  /** An offset in the file header, or in the header and the cell pointers of a page. */
  #inDescription(pageCount: number): number {
    const random = this.#random
    if (random.below(8) === 0) return random.below(FILE_HEADER_SIZE + 12)
    return random.below(pageCount) * this.#pageSize + random.below(random.pick([12, 40]))
  }

  #smallAt(at: number): void {
    const random = this.#random
    const kind = random.below(5)
    if (kind === 0) this.#set(at, this.bytes[at]! ^ (1 << random.below(8)))
    else if (kind === 1) this.#set(at, random.below(256))
    else if (kind === 2) this.#set(at, this.bytes[at]! + random.pick([-1, 1]))
    else if (kind === 3) this.#fill(at, random.between(1, 8), random.below(2) * 255)
    else this.#copy(random.below(this.bytes.length - 64), at, random.between(1, 64))
  }

  #set(at: number, value: number): void {
    this.changes.push(`byte ${at}: ${this.bytes[at]} to ${value & 255}`)
    this.bytes[at] = value
  }

  #fill(at: number, length: number, value: number): void {
    this.changes.push(`${length} bytes from ${at} to ${value}`)
    this.bytes.fill(value, at, at + length)
  }

  #copy(from: number, to: number, length: number): void {
    this.changes.push(`${length} bytes from ${from} to ${to}`)
    this.bytes.copyWithin(to, from, from + length)
  }

  #copyPage(from: number, to: number): void {
    this.#copy(from * this.#pageSize, to * this.#pageSize, this.#pageSize)
  }

  #swapPages(a: number, b: number): void {
    const size = this.#pageSize
    const kept = this.bytes.slice(a * size, (a + 1) * size)
    this.changes.push(`pages ${a + 1} and ${b + 1} swapped`)
    this.bytes.copyWithin(a * size, b * size, (b + 1) * size)
    this.bytes.set(kept, b * size)
  }

  #truncate(pageCount: number): void {
    this.changes.push(`cut to ${pageCount} pages`)
    this.bytes = this.bytes.slice(0, pageCount * this.#pageSize)
  }
}
