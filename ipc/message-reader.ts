/**
 * Cuts the chunks of a socket into messages. A message that lies within one chunk is decoded where it lies; only what is
 * spread over several is put together, in a buffer that doubles, so that reading takes time in proportion to
 * the bytes, and a peer that only announces a long message costs nothing. The announced length is compared with the limit as
 * soon as it is there.
 *
 * Bytes that were given out as part of a message are never written to again: the views in it stay good.
 */
import { assert } from '../src/assert.js'
import { decodeBody, LENGTH_SIZE, ProtocolError, type Scalar } from './message-codec.js'
import { PRELUDE_SIZE, parsePrelude, startsLikePrelude } from './protocol.js'

export class MessageReader {
  /** What has arrived and was not read yet: from `#start` to `#end`. */
  #bytes = new Uint8Array(0)
  #start = 0
  #end = 0
  /** `#bytes` is a buffer of ours, with room after `#end`, and not a chunk. */
  #isOwn = false

  /** Bytes that wait to be read. */
  get size(): number {
    return this.#end - this.#start
  }

  /** Takes over the chunk: nobody may write to it any more, unless `letGo` is called before. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      // A plain view: what is cut from a Buffer would be a Buffer again, whose `slice` does not copy.
      this.#bytes = new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length)
      this.#start = 0
      this.#end = chunk.length
      this.#isOwn = false
      return
    }
    if (!this.#isOwn || this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length)
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Copies what of the chunk was not read yet: it is written to again. Only where no message has bytes, whose views would lie in it. */
  letGo(): void {
    if (!this.#isOwn && this.size > 0) this.#makeRoom(0)
  }

  /**
   * The version in the prelude of the peer; null until all of it is there.
   * @throws ProtocolError if these are not the bytes of an Endmark peer
   */
  prelude(): number | null {
    const bytes = this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + PRELUDE_SIZE))
    if (!startsLikePrelude(bytes)) throw new ProtocolError('the first bytes are not those of an Endmark peer')
    if (bytes.length < PRELUDE_SIZE) return null
    this.#start += PRELUDE_SIZE
    return parsePrelude(bytes)
  }

  /**
   * The values of the next message; null until all of it is there.
   * @throws ProtocolError if it is longer than `sizeMax`, or not well formed
   */
  next(sizeMax: number): Scalar[] | null {
    const available = this.#end - this.#start
    if (available < LENGTH_SIZE) return null
    const length = this.#announcedLength()
    if (length > sizeMax) throw new ProtocolError(`a message of ${length} bytes, where ${sizeMax} are allowed`)
    if (available < LENGTH_SIZE + length) return null
    const bodyStart = this.#start + LENGTH_SIZE
    this.#start = bodyStart + length
    return decodeBody(this.#bytes, bodyStart, this.#start)
  }

  #announcedLength(): number {
    const bytes = this.#bytes
    const at = this.#start
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }

  /** A new buffer for what is there and `size` bytes more; twice as large as that if the message needs it. */
  #makeRoom(size: number): void {
    const kept = this.#end - this.#start
    const needed = kept + size
    const wanted = kept < LENGTH_SIZE ? 0 : LENGTH_SIZE + this.#announcedLength()
    const bytes = new Uint8Array(Math.max(needed, Math.min(wanted, needed * 2)))
    bytes.set(this.#bytes.subarray(this.#start, this.#end))
    this.#bytes = bytes
    this.#start = 0
    this.#end = kept
    this.#isOwn = true
    assert(this.#end + size <= bytes.length, 'there is room for the chunk')
  }
}
