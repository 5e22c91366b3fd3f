/**
 * The cumulative checksum of the log: two 32-bit sums over pairs of 32-bit words. Source: SQLite "Database File
 * Format", section 4.2. The words are read big-endian or little-endian as the log's magic says; each frame
 * continues the sums of the one before, so a log is valid up to its first damaged frame and no further.
 *
 * `WalChecksum` keeps the two running sums in place.
 */
import { assert } from '../assert.js'
import { BLOCK_SIZE_UNIT, BlockSums } from './block-sums.js'

const isNativeLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Shorter pieces are summed word by word. */
const BLOCK_SIZE_MIN = 128

/** Made here, and not when a log is read or written first: that is done under locks. */
const blockSums = BlockSums.create()

export class WalChecksum {
  /** First and second sum, unsigned 32-bit. */
  s0 = 0
  s1 = 0
  readonly isBigEndian: boolean

  constructor(isBigEndian: boolean) {
    this.isBigEndian = isBigEndian
  }

  set(s0: number, s1: number): void {
    this.s0 = s0 >>> 0
    this.s1 = s1 >>> 0
  }

  /** Continues the sums over `length` bytes (a multiple of 8) from `start`. */
  add(bytes: Uint8Array, start: number, length: number): void {
    assert((length & 7) === 0, () => `checksum over ${length} bytes`)
    const inBlocks = length >= BLOCK_SIZE_MIN ? this.#addBlocks(bytes, start, length & -BLOCK_SIZE_UNIT) : 0
    if (this.isBigEndian) this.#addBigEndian(bytes, start + inBlocks, length - inBlocks)
    else this.#addLittleEndian(bytes, start + inBlocks, length - inBlocks)
  }

  /** @returns how many bytes were summed: none if the words are big-endian */
  #addBlocks(bytes: Uint8Array, start: number, length: number): number {
    if (this.isBigEndian || blockSums === null) return 0
    blockSums.add(bytes, start, length, this)
    return length
  }

  #addBigEndian(bytes: Uint8Array, start: number, length: number): void {
    let { s0, s1 } = this
    for (let i = start; i < start + length; i += 8) {
      s0 = (s0 + ((bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!) + s1) | 0
      s1 = (s1 + ((bytes[i + 4]! << 24) | (bytes[i + 5]! << 16) | (bytes[i + 6]! << 8) | bytes[i + 7]!) + s0) | 0
    }
    this.set(s0, s1)
  }

  #addLittleEndian(bytes: Uint8Array, start: number, length: number): void {
    let { s0, s1 } = this
    for (let i = start; i < start + length; i += 8) {
      s0 = (s0 + ((bytes[i + 3]! << 24) | (bytes[i + 2]! << 16) | (bytes[i + 1]! << 8) | bytes[i]!) + s1) | 0
      s1 = (s1 + ((bytes[i + 7]! << 24) | (bytes[i + 6]! << 16) | (bytes[i + 5]! << 8) | bytes[i + 4]!) + s0) | 0
    }
    this.set(s0, s1)
  }
}

/** Whether this machine's own byte order is big-endian: the order a new log is written in. */
export const isNativeBigEndian = !isNativeLittleEndian
