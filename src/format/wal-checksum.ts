/**
 * The cumulative checksum of the log: two 32-bit sums over pairs of 32-bit words. Source: SQLite "Database File
 * Format", section 4.2. The words are read big-endian or little-endian as the log's magic says; each frame
 * continues the sums of the one before, so a log is valid up to its first damaged frame and no further.
 *
 * `WalChecksum` keeps the two running sums in place: computing a checksum allocates nothing.
 */
import { assert } from '../assert.js'

const isNativeLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

const NO_WORDS: Uint32Array = new Uint32Array(0)
const NO_BYTES: Uint8Array = new Uint8Array(0)

export class WalChecksum {
  /** First and second sum, unsigned 32-bit. */
  s0 = 0
  s1 = 0
  readonly isBigEndian: boolean
  /**
   * What was summed last, where that lies in its buffer, and the native words of all of that: a commit sums one array again and
   * again, and asking an array for its buffer is a call into the runtime.
   */
  #bytes = NO_BYTES
  #offset = 0
  #words: Uint32Array = NO_WORDS

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
    if (bytes !== this.#bytes) this.#turnTo(bytes)
    const offset = this.#offset + start
    if ((offset & 3) === 0 && this.isBigEndian !== isNativeLittleEndian) this.#addNative(offset, length)
    else if (this.isBigEndian) this.#addBigEndian(bytes, start, length)
    else this.#addLittleEndian(bytes, start, length)
  }

  #turnTo(bytes: Uint8Array): void {
    const { buffer } = bytes
    this.#bytes = bytes
    this.#offset = bytes.byteOffset
    if (this.#words.buffer !== buffer) this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2)
  }

  #addNative(offset: number, length: number): void {
    const words = this.#words
    let s0 = this.s0 | 0
    let s1 = this.s1 | 0
    const end = (offset + length) >>> 2
    for (let i = offset >>> 2; i < end; i += 2) {
      s0 = (s0 + words[i]! + s1) | 0
      s1 = (s1 + words[i + 1]! + s0) | 0
    }
    this.set(s0, s1)
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
