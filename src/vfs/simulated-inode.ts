/**
 * A file of a simulated disk, under whatever names: its live image, which everybody sees at once, and what of it is
 * durable, by 512-byte sectors, which power losses do not tear. A cut is there after a power loss or it is not, as a
 * whole: file systems free the space of a file only once its new length is durable, and write what comes later to
 * other places.
 *
 * Maps are views of the live image itself. Its buffer is as long as the file, rounded up to a whole memory page, so that
 * a view past the end cannot be made: where a real process would die of SIGBUS, a test fails with a RangeError. The
 * contents of a file that was mapped for writing (the -shm) are never durable: a power loss leaves any bytes.
 */
import { type Kept, type RandomNumbers, SimulatedDurable, type Span } from './simulated-durable.js'
import { SimulatedLocks } from './simulated-locks.js'

export const SECTOR_SIZE = 512
const MEMORY_PAGE_SIZE = 4096
/** Address space set aside for each file; simulated databases are small. */
const FILE_SIZE_MAX = 1 << 24

/** Contents of a sector; null: zeros. */
type Sector = Uint8Array | null

interface Cut {
  readonly moment: number
  readonly size: number
}

export class SimulatedInode {
  readonly locks = new SimulatedLocks()
  readonly #buffer = new ArrayBuffer(0, { maxByteLength: FILE_SIZE_MAX })
  /** Follows the length of the buffer. */
  readonly #live = new Uint8Array(this.#buffer)
  readonly #sectors = new Map<number, SimulatedDurable<Sector>>()
  readonly #length = new SimulatedDurable(0)
  readonly #cuts: Cut[] = []
  #failedSyncs = 0
  #size = 0
  #isMemory = false

  get size(): number {
    return this.#size
  }

  /** How many there were: the system tells each descriptor that was open then, at its next sync. */
  get failedSyncs(): number {
    return this.#failedSyncs
  }

  read(target: Uint8Array, offset: number): number {
    const count = Math.max(0, Math.min(target.length, this.#size - offset))
    target.set(this.#live.subarray(offset, offset + count))
    return count
  }

  write(bytes: Uint8Array, offset: number, moment: number): void {
    if (bytes.length === 0) return
    if (offset + bytes.length > this.#size) this.#resize(offset + bytes.length, moment)
    // After a failed sync: what is written anew, and synced, takes the length with it.
    else if (this.#length.isInDoubt) this.#length.give(this.#size, moment)
    this.#live.set(bytes, offset)
    this.#remember(offset, offset + bytes.length, moment)
  }

  truncate(size: number, moment: number): void {
    const before = this.#size
    if (size < before) {
      this.#live.fill(0, size)
      this.#cuts.push({ moment, size })
    }
    this.#resize(size, moment)
    if (size < before) this.#remember(size, before, moment)
  }

  /** All of the file, now and as it grows. */
  map({ writable }: { readonly writable: boolean }): Uint8Array {
    this.#isMemory ||= writable
    return this.#live
  }

  sync(moment: number): void {
    this.#length.sync(moment)
    for (const sector of this.#sectors.values()) sector.sync(moment)
  }

  failSync(moment: number): void {
    this.#failedSyncs++
    this.#length.failSync(moment)
    for (const sector of this.#sectors.values()) sector.failSync(moment)
  }

  /** The file as a power loss leaves it, all of that durable. */
  survivor(random: RandomNumbers, kept: Kept): SimulatedInode {
    const after = new SimulatedInode()
    if (this.#isMemory) {
      after.write(this.#garbage(random), 0, 0)
    } else {
      const { value: size, moment } = this.#length.survivor(random, kept)
      for (const [number, sector] of this.#sectors) {
        const start = number * SECTOR_SIZE
        const { value: bytes } = sector.survivor(random, kept, this.#spanOf(start, moment))
        if (bytes !== null) after.write(bytes.subarray(0, Math.max(0, size - start)), start, 0)
      }
      after.truncate(size, 0)
    }
    after.sync(0)
    return after
  }

  /** When that can have been written which the sector holds if the length is of this moment. */
  #spanOf(start: number, lengthMoment: number): Span {
    const cuts = this.#cuts.filter(({ size }) => size <= start).map(({ moment }) => moment)
    const from = cuts.findLast((moment) => moment <= lengthMoment) ?? 0
    return { from, before: cuts.find((moment) => moment > lengthMoment) ?? Number.POSITIVE_INFINITY }
  }

  /** Anything: what was there, with sectors of noise and zeros, or nothing. */
  #garbage(random: RandomNumbers): Uint8Array {
    const bytes = this.#live.slice(0, random.below(3) === 0 ? 0 : this.#size)
    const sectorsSpared = random.below(4)
    for (let start = 0; start < bytes.length; start += SECTOR_SIZE) {
      if (random.below(4) < sectorsSpared) continue
      bytes.fill(random.below(2) * random.below(256), start, start + SECTOR_SIZE)
    }
    return bytes
  }

  #resize(size: number, moment: number): void {
    if (size > FILE_SIZE_MAX) throw new RangeError(`a simulated file has ${FILE_SIZE_MAX} bytes at most, not ${size}`)
    if (size === this.#size) return
    this.#buffer.resize(Math.ceil(size / MEMORY_PAGE_SIZE) * MEMORY_PAGE_SIZE)
    this.#size = size
    if (!this.#isMemory) this.#length.give(size, moment)
  }

  /** The sectors of this range have new contents. */
  #remember(from: number, to: number, moment: number): void {
    if (this.#isMemory) return
    for (let number = Math.floor(from / SECTOR_SIZE); number * SECTOR_SIZE < to; number++) {
      let sector = this.#sectors.get(number)
      if (sector === undefined) {
        sector = new SimulatedDurable<Sector>(null)
        this.#sectors.set(number, sector)
      }
      const start = number * SECTOR_SIZE
      sector.give(
        start < this.#size ? this.#live.slice(start, start + SECTOR_SIZE) : new Uint8Array(SECTOR_SIZE),
        moment,
      )
    }
  }
}
