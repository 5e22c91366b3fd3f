/**
 * The write path: one batch of changed pages becomes frames at the end of the log, then durable, then visible.
 *
 * Order, each step for a reason: (1) a new log's header, durable before any frame overwrites an old one, else a
 * power loss could leave an old header in front of old frames that were valid once (WAL-2); (2) all frames,
 * the last with the commit mark; (3) sync as the mode asks (DUR-1); (4) hash slots; (5) header. A crash before (5)
 * leaves frames past the end mark, which do not exist for anyone; a failure makes them unreadable besides, so that no
 * recovery takes a batch that was rejected for committed.
 *
 * The frames of a next batch may be written while this one syncs: they stand behind its own, their checksums go on from
 * there, and they are synced and published after it. Should this one fail, so has the next.
 */
import { assert } from '../assert.js'
import { FRAME_HEADER_SIZE, isNativeBigEndian, sealFrame, WalChecksum } from '../format/index.js'
import { type FrameNumber, frameNumber, NO_FRAME, type PageNumber, type Synchronous } from '../units.js'
import { type Blocking, runSync } from '../vfs/index.js'
import { IndexHeader } from './index-header.js'
import { LogSpill } from './log-spill.js'
import type { Wal } from './wal.js'
import { WalFile } from './wal-file.js'

export interface FramePage {
  readonly number: PageNumber
  readonly bytes: Uint8Array
}

export interface CommitBatch {
  readonly pages: readonly FramePage[]
  /** Pages of the database after the commit. */
  readonly pageCount: number
  readonly synchronous: Synchronous
}

/** A batch whose frames stand in the log and that is not published yet. */
export interface AppendedBatch extends CommitBatch {
  /** As it will be published. */
  readonly header: IndexHeader
  /** Of what was spilled, or else of `pages`, which follow. */
  readonly first: FrameNumber
  readonly spill: LogSpill | null
}

export interface WrittenBefore {
  /** The batch that this one is prepared behind. */
  readonly before: AppendedBatch | null
  /** What this batch has written already. */
  readonly spill: LogSpill | null
}

interface FramePlace {
  /** The frame behind which to write. */
  readonly end: FrameNumber
  /** The header of their generation. */
  readonly header: IndexHeader
  /** Of the last one. */
  readonly commitMark: number
}

const BUFFER_SIZE_BYTES = 1 << 20
/**
 * The file grows to a multiple of this, with zeros behind the frames: a sync of space that was written before takes half as long as
 * one that has to allocate it, and zeros are no frame.
 */
const GROWTH_SIZE_BYTES = 1 << 16

export class LogAppender {
  readonly #wal: Wal
  /** Frames are put together here, as many as fit, and written in one call. */
  #buffer = new Uint8Array(0)
  /** Headers of the batches under way, two at most, in turn. */
  readonly #headers = [new IndexHeader(), new IndexHeader()] as const
  #turn: 0 | 1 = 0
  /** Length of the log as it was when it was last asked for; it may have been cut since. */
  #knownSize = 0

  constructor(wal: Wal) {
    this.#wal = wal
  }

  /**
   * Writes the frames of a batch behind the log, behind those of the batch before it, which is not published yet, or behind those
   * that the batch has spilled.
   * @requires lock WRITE, with `wal.header` up to date
   * @throws ENDMARK_IO: nothing of the batch is visible or will be
   */
  *write(batch: CommitBatch, { before, spill }: WrittenBefore): Blocking<AppendedBatch> {
    const wal = this.#wal
    wal.locks.assertHeld('WRITE')
    wal.assertHealthy()
    const { pages, pageCount, synchronous } = batch
    assert(pages.length > 0, 'a commit without pages')
    // A copy: until everything is durable the connection's own header stays what is published.
    this.#turn = this.#turn === 0 ? 1 : 0
    const header = this.#headers[this.#turn]
    assert(header !== before?.header, 'there are at most two batches under way')
    header.copyFrom(spill?.header ?? before?.header ?? wal.header)
    if (spill === null && header.endMark === NO_FRAME) yield* this.#startLog(header, synchronous)
    const first = frameNumber(header.endMark + 1)
    const end = spill?.end ?? header.endMark
    const last = frameNumber(end + pages.length)
    const sums = spill?.sums ?? sumsBehind(header)
    try {
      spill?.seal()
      this.#writeFrames(pages, { end, header, commitMark: pageCount }, sums)
      this.#growPast(last)
    } catch (error) {
      this.#eraseFrame(first)
      throw error
    }
    header.setFrameChecksum(sums.s0, sums.s1)
    header.advance(last, pageCount)
    // Field by field: a spread of the batch costs microseconds, since it gives objects of ever new shapes.
    return { pages, pageCount, synchronous, header, first, spill }
  }

  /**
   * A place for changed pages of a batch that memory has no room for, behind the log or the batch before.
   * @requires lock WRITE, with `wal.header` up to date
   * @throws ENDMARK_IO
   */
  spill(before: AppendedBatch | null): LogSpill {
    const wal = this.#wal
    wal.locks.assertHeld('WRITE')
    wal.assertHealthy()
    const header = (before?.header ?? wal.header).clone()
    // As for the strongest mode: nobody knows yet which one the batch will have.
    if (header.endMark === NO_FRAME) runSync(this.#startLog(header, 'full'))
    return new LogSpill(wal, header, sumsBehind(header), (pages, end, sums) =>
      this.#writeFrames(pages, { end, header, commitMark: 0 }, sums),
    )
  }

  /**
   * Makes what was written durable, as the mode asks.
   * @throws ENDMARK_IO: nothing of the batch, or of one behind it, is visible or will be
   */
  *sync(batch: AppendedBatch, options: { readonly syncInline: boolean }): Blocking<void> {
    if (batch.synchronous !== 'full' && batch.synchronous !== 'extra') return
    try {
      yield* this.#wal.syncLog(options)
    } catch (error) {
      this.#eraseFrame(batch.first)
      throw error
    }
  }

  /**
   * Makes a batch visible to everyone.
   * @requires lock WRITE, held since the batch was written
   * @throws ENDMARK_IO, ENDMARK_CORRUPT: as `sync`
   */
  publish({ header, first, pages, synchronous, spill }: AppendedBatch): void {
    const wal = this.#wal
    wal.locks.assertHeld('WRITE')
    assert(wal.header.endMark === first - 1, () => `frame ${first} is published behind ${wal.header.endMark}`)
    try {
      const spilledCount = spill?.count ?? 0
      for (let i = 0; i < spilledCount; i++)
        wal.index.addFrame(frameNumber(first + i), spill!.pageOf(frameNumber(first + i)))
      const behind = first + spilledCount
      for (let i = 0; i < pages.length; i++) wal.index.addFrame(frameNumber(behind + i), pages[i]!.number)
    } catch (error) {
      this.#eraseFrame(first)
      throw error
    }
    wal.index.publish(header)
    wal.header.copyFrom(header)
    if (synchronous !== 'off') wal.hasDurableCommits = true
  }

  /**
   * Makes the first frame of a batch that failed unreadable: its frames may all stand in the log, commit mark included, and a
   * recovery would take what was rejected for committed. A log that cannot be written even so leaves it in doubt.
   */
  #eraseFrame(frame: FrameNumber): void {
    const wal = this.#wal
    try {
      wal.log.writeFrames(new Uint8Array(FRAME_HEADER_SIZE), frame, wal.pageSize)
    } catch {
      // The failure that brought us here is the one to report.
    }
  }

  /** Writes the header of a new generation with the salts that were published for it. */
  *#startLog(header: IndexHeader, synchronous: Synchronous): Blocking<void> {
    const wal = this.#wal
    // SQLite publishes zeros for a log that never had a frame, and draws the salts when it writes the first.
    const isUnsalted = header.salt1 === 0 && header.salt2 === 0
    const salt1 = isUnsalted ? wal.vfs.random32() : header.salt1
    const salt2 = isUnsalted ? wal.vfs.random32() : header.salt2
    const { checksum1, checksum2 } = wal.log.writeHeader({
      isBigEndian: isNativeBigEndian,
      pageSize: wal.pageSize,
      checkpointSequence: ((wal.log.readHeader()?.checkpointSequence ?? -1) + 1) >>> 0,
      salt1,
      salt2,
    })
    header.reset(wal.pageSize, isNativeBigEndian)
    header.copyChangeOf(wal.header)
    header.setSalts(salt1, salt2)
    header.setFrameChecksum(checksum1, checksum2)
    if (synchronous !== 'off' || wal.hasDurableCommits) yield* wal.syncLog()
  }

  #writeFrames(pages: readonly FramePage[], { end, header, commitMark }: FramePlace, sums: WalChecksum): void {
    const wal = this.#wal
    const { pageSize } = wal
    const frameSize = FRAME_HEADER_SIZE + pageSize
    const buffer = this.#reserve(pages.length * frameSize, frameSize)
    const fields = { pageNumber: 0, commitMark: 0, salt1: header.salt1, salt2: header.salt2 }
    let frame = end + 1
    let used = 0
    for (let i = 0; i < pages.length; i++) {
      const page = pages[i]!
      fields.pageNumber = page.number
      fields.commitMark = i === pages.length - 1 ? commitMark : 0
      buffer.set(page.bytes, used + FRAME_HEADER_SIZE)
      sealFrame(buffer, used, pageSize, fields, sums)
      used += frameSize
      if (used + frameSize <= buffer.length && i < pages.length - 1) continue
      wal.log.writeFrames(buffer.subarray(0, used), frameNumber(frame), pageSize)
      frame += used / frameSize
      used = 0
    }
  }

  /** Room for the next batches behind the frame that was just written, if it is the last that the file holds. */
  #growPast(frame: FrameNumber): void {
    const { log, pageSize } = this.#wal
    const end = WalFile.sizeUpTo(frame, pageSize)
    if (end < this.#knownSize) return
    this.#knownSize = log.file.size()
    const missing = Math.ceil(end / GROWTH_SIZE_BYTES) * GROWTH_SIZE_BYTES - end
    if (end < this.#knownSize || missing === 0) return
    try {
      log.file.write([new Uint8Array(missing)], end)
      this.#knownSize = end + missing
    } catch {
      // A disk that is full has no room for the next batches; this one is written.
    }
  }

  #reserve(wanted: number, frameSize: number): Uint8Array {
    const size = Math.min(wanted, Math.floor(BUFFER_SIZE_BYTES / frameSize) * frameSize)
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size)
    return this.#buffer
  }
}

function sumsBehind(header: IndexHeader): WalChecksum {
  const sums = new WalChecksum(header.isBigEndianChecksum)
  sums.set(header.frameChecksum1, header.frameChecksum2)
  return sums
}
