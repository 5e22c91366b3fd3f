/**
 * Frames without a commit mark behind the end of the log: changed pages of a batch that memory has no room for. They exist for
 * nobody else. The batch's last frames follow them, and the commit mark on the last of all commits the spilled ones too; a
 * batch that is given up, or a process that dies, leaves frames that the next one to commit overwrites.
 *
 * A frame may be overwritten with a newer version of its page. The checksums from there on are wrong then, and are made right
 * before the commit, since each goes on from the one before.
 *
 * Written at once and never synced alone: the sync of the commit makes them durable with everything else (DUR-1). Called in the
 * middle of a transaction's function, so whatever has to wait blocks the thread.
 *
 * Locks: WRITE, since before the first frame until the batch is published.
 */
import { assert } from '../assert.js'
import { corrupt } from '../errors.js'
import { FRAME_HEADER_SIZE, frameOffset, readFrameChecksum, sealFrame, type WalChecksum } from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME, type PageNumber } from '../units.js'
import type { IndexHeader } from './index-header.js'
import type { FramePage } from './log-append.js'
import type { Wal } from './wal.js'

/** Writes pages as frames behind `end` and carries the checksum on. */
export type WriteFrames = (pages: readonly FramePage[], end: FrameNumber, sums: WalChecksum) => void

const NUMBERS_MIN = 256
/** Frames are put right so many bytes at a time. */
const RESEAL_SIZE_BYTES = 1 << 20

export class LogSpill {
  /** As it was before the first frame, or that of the new generation which these frames begin. */
  readonly header: IndexHeader
  /** Up to the last frame once it is sealed. */
  readonly sums: WalChecksum
  readonly #wal: Wal
  readonly #writeFrames: WriteFrames
  /** The page of each frame, from the first on. */
  #numbers = new Uint32Array(NUMBERS_MIN)
  #count = 0
  /** The first of the frames whose checksums are wrong; `NO_FRAME`: all are right. */
  #firstOverwritten: FrameNumber = NO_FRAME
  /** `sums` go up to a frame that was forgotten. */
  #areSumsPast = false

  constructor(wal: Wal, header: IndexHeader, sums: WalChecksum, writeFrames: WriteFrames) {
    this.#wal = wal
    this.header = header
    this.sums = sums
    this.#writeFrames = writeFrames
  }

  get count(): number {
    return this.#count
  }

  /** The frame behind which it begins. */
  get base(): FrameNumber {
    return this.header.endMark
  }

  /** The last frame so far. */
  get end(): FrameNumber {
    return frameNumber(this.base + this.#count)
  }

  pageOf(frame: FrameNumber): PageNumber {
    return this.#numbers[frame - this.base - 1] as PageNumber
  }

  /** @throws ENDMARK_IO: the log ends where it did before */
  append(pages: readonly FramePage[]): void {
    this.#wal.locks.assertHeld('WRITE')
    this.#turnSumsBack()
    const { s0, s1 } = this.sums
    try {
      this.#writeFrames(pages, this.end, this.sums)
    } catch (error) {
      this.sums.set(s0, s1)
      throw error
    }
    this.#reserve(this.#count + pages.length)
    for (const { number } of pages) this.#numbers[this.#count++] = number
  }

  /** @throws ENDMARK_IO */
  overwrite({ number, bytes }: FramePage, frame: FrameNumber): void {
    const { locks, log, pageSize } = this.#wal
    locks.assertHeld('WRITE')
    assert(frame > this.base && frame <= this.end && this.pageOf(frame) === number, () => `page ${number} in ${frame}`)
    // First: a write that fails may have changed a part of it.
    if (this.#firstOverwritten === NO_FRAME || frame < this.#firstOverwritten) this.#firstOverwritten = frame
    log.file.write([bytes], frameOffset(frame, pageSize) + FRAME_HEADER_SIZE)
  }

  /** Reads nothing, since undoing must not fail half-way. */
  rewind(end: FrameNumber): void {
    assert(end >= this.base && end <= this.end, () => `spilled frames up to ${this.end}, back to ${end}`)
    if (end === this.end) return
    this.#count = end - this.base
    if (this.#firstOverwritten > end) this.#firstOverwritten = NO_FRAME
    this.#areSumsPast = true
  }

  /** Makes all checksums right. Called before the last frames of the batch are written. @throws ENDMARK_IO */
  seal(): void {
    if (this.#firstOverwritten === NO_FRAME) {
      this.#turnSumsBack()
      return
    }
    const { log, pageSize } = this.#wal
    const frameSize = FRAME_HEADER_SIZE + pageSize
    const framesAtOnce = Math.max(1, Math.floor(RESEAL_SIZE_BYTES / frameSize))
    const buffer = new Uint8Array(framesAtOnce * frameSize)
    const { salt1, salt2 } = this.header
    const fields = { pageNumber: 0, commitMark: 0, salt1, salt2 }
    this.sums.set(...this.#checksumOf(frameNumber(this.#firstOverwritten - 1)))
    for (let frame: number = this.#firstOverwritten; frame <= this.end; ) {
      const count = Math.min(framesAtOnce, this.end - frame + 1)
      const bytes = buffer.subarray(0, count * frameSize)
      const read = log.file.read(bytes, frameOffset(frameNumber(frame), pageSize))
      if (read < bytes.length)
        throw corrupt({ file: log.path, what: `${read} bytes of ${bytes.length} at frame ${frame}` })
      for (let i = 0; i < count; i++) {
        fields.pageNumber = this.pageOf(frameNumber(frame + i))
        sealFrame(bytes, i * frameSize, pageSize, fields, this.sums)
      }
      log.writeFrames(bytes, frameNumber(frame), pageSize)
      frame += count
    }
    this.#firstOverwritten = NO_FRAME
    this.#areSumsPast = false
  }

  page(number: PageNumber, frame: FrameNumber): Uint8Array {
    const { log, pageSize } = this.#wal
    return log.page(frame, number, pageSize)
  }

  #turnSumsBack(): void {
    if (!this.#areSumsPast) return
    this.sums.set(...this.#checksumOf(this.end))
    this.#areSumsPast = false
  }

  #checksumOf(frame: FrameNumber): [number, number] {
    const { header } = this
    if (frame === this.base) return [header.frameChecksum1, header.frameChecksum2]
    const { log, pageSize } = this.#wal
    const bytes = new Uint8Array(FRAME_HEADER_SIZE)
    const read = log.file.read(bytes, frameOffset(frame, pageSize))
    if (read < bytes.length) throw corrupt({ file: log.path, what: `the log ends before frame ${frame}` })
    return readFrameChecksum(bytes)
  }

  #reserve(count: number): void {
    if (count <= this.#numbers.length) return
    const grown = new Uint32Array(Math.max(count, this.#numbers.length * 2))
    grown.set(this.#numbers)
    this.#numbers = grown
  }
}
