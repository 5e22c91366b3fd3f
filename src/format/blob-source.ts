/**
 * Blobs on their way out: as copies of parts of an array, or as those parts themselves where the array is given away.
 *
 * A copy that is handed out stays as it is. Small ones stand side by side in slabs: a buffer of their own would cost six times as
 * much, and time of the garbage collector.
 *
 * Asking an array for its buffer is a call into the runtime of V8, as expensive as a view, and Node's own `copy` does it for each piece. Here it
 * is asked once for each array, and reads that follow one another come from the same few.
 */

/** Larger copies get a buffer of their own. */
const SLAB_COPY_SIZE_MAX = 2048
/** Taken out of Node's pool, which cannot be transferred to another thread; the largest piece that comes from there. */
const SLAB_SIZE = (Buffer.poolSize >>> 1) - 1

const NOTHING = new Uint8Array(0)

let slab: Uint8Array = NOTHING
let slabBuffer: ArrayBufferLike = slab.buffer
let slabOffset = 0
let slabUsed = 0

function takeSlab(): void {
  slab = Buffer.allocUnsafe(SLAB_SIZE)
  slabBuffer = slab.buffer
  slabOffset = slab.byteOffset
  slabUsed = 0
}

/** Remembers the array it was last used with. */
export class BlobSource {
  #bytes: Uint8Array = NOTHING
  #buffer = NOTHING.buffer as ArrayBuffer
  #offset = 0

  /** A part of the array as it is, which must never change any more. */
  part(bytes: Uint8Array, start: number, size: number): Uint8Array {
    if (bytes !== this.#bytes) this.#turnTo(bytes)
    return new Uint8Array(this.#buffer, this.#offset + start, size)
  }

  /** A copy of a part; a small one shares its `ArrayBuffer`, which cannot be transferred, with others. */
  copy(bytes: Uint8Array, start: number, size: number): Uint8Array {
    const part = this.part(bytes, start, size)
    if (size === 0 || size > SLAB_COPY_SIZE_MAX) return new Uint8Array(part)
    if (size > slab.length - slabUsed) takeSlab()
    const at = slabUsed
    slabUsed = at + size
    slab.set(part, at)
    return new Uint8Array(slabBuffer as ArrayBuffer, slabOffset + at, size)
  }

  #turnTo(bytes: Uint8Array): void {
    this.#bytes = bytes
    // Cast, as the types allow a shared buffer, which pages, maps and the pool are not.
    this.#buffer = bytes.buffer as ArrayBuffer
    this.#offset = bytes.byteOffset
  }
}
