/**
 * Frames without a commit mark behind the end of the log: changed pages of a batch that memory has no room for. They exist for
 * nobody else. The batch's last frames follow them, and the commit mark on the last of all commits the spilled ones too; a
 * batch that is given up, or a process that dies, leaves frames that the next one to commit overwrites.
 *
 * Written at once and never synced alone: the sync of the commit makes them durable with everything else (DUR-1). Called in the
 * middle of a transaction's function, so whatever has to wait blocks the thread.
 *
 * Locks: WRITE, since before the first frame until the batch is published.
 */
import { assert } from '../assert.js'
import { FRAME_HEADER_SIZE, frameOffset, readFrameChecksum, type WalChecksum } from '../format/index.js'
import { type FrameNumber, frameNumber, type PageNumber } from '../units.js'
import type { IndexHeader } from './index-header.js'
import type { FramePage } from './log-append.js'
import type { Wal } from './wal.js'

/** Writes pages as frames behind `end` and carries the checksum on. */
export type WriteFrames = (pages: readonly FramePage[], end: FrameNumber, sums: WalChecksum) => void

export class LogSpill {
  /** As it was before the first frame, or that of the new generation which these frames begin. */
  readonly header: IndexHeader
  /** Up to the last frame. */
  readonly sums: WalChecksum
  readonly #wal: Wal
  readonly #writeFrames: WriteFrames
  readonly #pages: PageNumber[] = []

  constructor(wal: Wal, header: IndexHeader, sums: WalChecksum, writeFrames: WriteFrames) {
    this.#wal = wal
    this.header = header
    this.sums = sums
    this.#writeFrames = writeFrames
  }

  get count(): number {
    return this.#pages.length
  }

  /** The last frame so far. */
  get end(): FrameNumber {
    return frameNumber(this.header.endMark + this.#pages.length)
  }

  frame(index: number): FrameNumber {
    return frameNumber(this.header.endMark + 1 + index)
  }

  pageNumber(index: number): PageNumber {
    return this.#pages[index]!
  }

  /** @throws ENDMARK_IO: the log ends where it did before */
  append(pages: readonly FramePage[]): void {
    this.#wal.locks.assertHeld('WRITE')
    const { s0, s1 } = this.sums
    try {
      this.#writeFrames(pages, this.end, this.sums)
    } catch (error) {
      this.sums.set(s0, s1)
      throw error
    }
    for (const { number } of pages) this.#pages.push(number)
  }

  rewind(count: number): void {
    assert(count <= this.count, () => `${this.count} spilled frames, back to ${count}`)
    if (count === this.count) return
    this.#pages.length = count
    if (count === 0) this.sums.set(this.header.frameChecksum1, this.header.frameChecksum2)
    else this.sums.set(...this.#checksumOf(this.end))
  }

  page(number: PageNumber, frame: FrameNumber): Uint8Array {
    const { log, pageSize } = this.#wal
    return log.page(frame, number, pageSize)
  }

  #checksumOf(frame: FrameNumber): [number, number] {
    const { log, pageSize } = this.#wal
    const bytes = new Uint8Array(FRAME_HEADER_SIZE)
    log.file.read(bytes, frameOffset(frame, pageSize))
    return readFrameChecksum(bytes)
  }
}
