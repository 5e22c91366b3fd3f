/** Memory for records that wait, in pieces of one size, shared by several runs: what one has no more use for, another takes. */

export const CHUNK_SIZE_BYTES = 1 << 18

export class ChunkPool {
  readonly #spare: Buffer[] = []
  #count = 0

  /** All that was taken and not dropped, used or not. */
  get sizeBytes(): number {
    return this.#count * CHUNK_SIZE_BYTES
  }

  take(): Buffer {
    const spare = this.#spare.pop()
    if (spare !== undefined) return spare
    this.#count++
    return Buffer.allocUnsafeSlow(CHUNK_SIZE_BYTES)
  }

  give(chunk: Buffer): void {
    this.#spare.push(chunk)
  }

  /** Lets go of what is not in use. */
  drop(): void {
    this.#count -= this.#spare.length
    this.#spare.length = 0
  }
}
