/**
 * Reads a log and a wal-index by the published format, with no code of the engine: the second opinion on what the engine
 * wrote. Slow and plain on purpose. Source: SQLite "Database File Format", section 4, and "WAL-mode File Format".
 */
import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'

export interface LogFrame {
  readonly page: number
  readonly commitMark: number
  /** The page image. */
  readonly image: Buffer
}

export interface LogContents {
  readonly isBigEndian: boolean
  readonly pageSize: number
  readonly checkpointSequence: number
  readonly salt1: number
  readonly salt2: number
  /** The frames that verify, up to the last commit. */
  readonly frames: readonly LogFrame[]
  /** Frames that verify behind the last commit. */
  readonly uncommittedCount: number
  /** Database size after the last commit, 0 without one. */
  readonly pageCount: number
}

/** The log in `file`, or null if its header does not verify. */
export function readLogFile(file: string): LogContents | null {
  return parseLog(readFileSync(file))
}

export function parseLog(bytes: Buffer): LogContents | null {
  if (bytes.length < 32) return null
  const magic = bytes.readUInt32BE(0)
  if (magic >>> 1 !== 0x377f0682 >>> 1) return null
  const isBigEndian = (magic & 1) === 1
  let sums = checksum(bytes.subarray(0, 24), isBigEndian, [0n, 0n])
  if (!matches(sums, bytes, 24) || bytes.readUInt32BE(4) !== 3007000) return null
  const pageSize = bytes.readUInt32BE(8)
  const frames: LogFrame[] = []
  let committedCount = 0
  let pageCount = 0
  for (let at = 32; at + 24 + pageSize <= bytes.length; at += 24 + pageSize) {
    const header = bytes.subarray(at, at + 24)
    const image = bytes.subarray(at + 24, at + 24 + pageSize)
    if (header.compare(bytes, 16, 24, 8, 16) !== 0) break
    sums = checksum(image, isBigEndian, checksum(header.subarray(0, 8), isBigEndian, sums))
    if (!matches(sums, header, 16)) break
    frames.push({ page: header.readUInt32BE(0), commitMark: header.readUInt32BE(4), image })
    if (header.readUInt32BE(4) === 0) continue
    committedCount = frames.length
    pageCount = header.readUInt32BE(4)
  }
  return {
    isBigEndian,
    pageSize,
    checkpointSequence: bytes.readUInt32BE(12),
    salt1: bytes.readUInt32BE(16),
    salt2: bytes.readUInt32BE(20),
    frames: frames.slice(0, committedCount),
    uncommittedCount: frames.length - committedCount,
    pageCount,
  }
}

export type Sums = readonly [bigint, bigint]

/** Continues the two sums over the 32-bit words of `bytes`, in unbounded arithmetic cut to 32 bits. */
export function checksum(bytes: Buffer, isBigEndian: boolean, [first, second]: Sums): Sums {
  const word = (at: number) => BigInt(isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))
  let s0 = first
  let s1 = second
  for (let at = 0; at < bytes.length; at += 8) {
    s0 = (s0 + word(at) + s1) % 2n ** 32n
    s1 = (s1 + word(at + 4) + s0) % 2n ** 32n
  }
  return [s0, s1]
}

function matches([s0, s1]: Sums, bytes: Buffer, at: number): boolean {
  return s0 === BigInt(bytes.readUInt32BE(at)) && s1 === BigInt(bytes.readUInt32BE(at + 4))
}

/** Frames per block: the first loses 136 bytes of page numbers to the header. */
const FIRST_BLOCK_FRAMES = 4062
const BLOCK_FRAMES = 4096
const BLOCK_BYTES = 32768
const SLOTS = 8192

export class IndexContents {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Whether the two header copies agree, are initialised and carry the right checksum. */
  get isSound(): boolean {
    const copy = this.#bytes.subarray(0, 48)
    const sums = checksum(copy.subarray(0, 40), endianness() === 'BE', [0n, 0n])
    const isSummed = BigInt(this.#u32(40)) === sums[0] && BigInt(this.#u32(44)) === sums[1]
    return copy.equals(this.#bytes.subarray(48, 96)) && isSummed && copy[12] === 1 && this.#u32(0) === 3007000
  }

  get endMark(): number {
    return this.#u32(16)
  }

  get pageCount(): number {
    return this.#u32(20)
  }

  /** As they stand in the log: big-endian in every case. */
  get salts(): readonly [number, number] {
    return [this.#bytes.readUInt32BE(32), this.#bytes.readUInt32BE(36)]
  }

  get backfill(): number {
    return this.#u32(96)
  }

  get readMarks(): number[] {
    return [0, 1, 2, 3, 4].map((slot) => this.#u32(100 + slot * 4))
  }

  /** The newest frame of a page up to `endMark` as SQLite finds it: block by block from the last, by the hash alone. */
  frameOf(page: number, endMark: number): number {
    for (let block = blockOf(endMark); block >= 0; block--) {
      const before = block === 0 ? 0 : FIRST_BLOCK_FRAMES + (block - 1) * BLOCK_FRAMES
      const found = this.#lookUp(block, before, page, endMark)
      if (found > 0) return found
    }
    return 0
  }

  #lookUp(block: number, before: number, page: number, endMark: number): number {
    const base = block * BLOCK_BYTES
    const numbers = base + (block === 0 ? 136 : 0)
    let newest = 0
    let slot = (page * 383) % SLOTS
    for (let probes = 0; probes < SLOTS; probes++, slot = (slot + 1) % SLOTS) {
      const at = base + BLOCK_BYTES / 2 + slot * 2
      const position = endianness() === 'BE' ? this.#bytes.readUInt16BE(at) : this.#bytes.readUInt16LE(at)
      if (position === 0) break
      if (before + position <= endMark && this.#u32(numbers + (position - 1) * 4) === page) {
        newest = Math.max(newest, before + position)
      }
    }
    return newest
  }

  #u32(at: number): number {
    return endianness() === 'BE' ? this.#bytes.readUInt32BE(at) : this.#bytes.readUInt32LE(at)
  }
}

export function readIndexFile(file: string): IndexContents {
  return new IndexContents(readFileSync(file))
}

function blockOf(frame: number): number {
  return frame <= FIRST_BLOCK_FRAMES ? 0 : 1 + Math.floor((frame - FIRST_BLOCK_FRAMES - 1) / BLOCK_FRAMES)
}
