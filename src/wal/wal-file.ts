/**
 * The log as a file: header, frames, syncing. It knows where frames lie and nothing of transactions.
 *
 * Invariant WAL-5: a new name in the folder is durable before the first commit that relies on it: the first sync
 * through this object also syncs the folder, whoever created the file.
 */

import { assert } from '../assert.js'
import { corrupt } from '../errors.js'
import {
  commitFrameFields,
  decodeWalHeader,
  encodeWalHeader,
  FRAME_HEADER_SIZE,
  frameCommitMark,
  frameCountOf,
  frameOffset,
  framePageNumber,
  type NewWalHeader,
  WAL_HEADER_SIZE,
  type WalHeader,
} from '../format/index.js'
import { type FrameNumber, NO_FRAME, type PageNumber } from '../units.js'
import { type Blocking, datasyncStep, MapWindows, type Vfs, type VfsFile } from '../vfs/index.js'

interface LogSync {
  /** Block the calling thread, also in an asynchronous run. */
  readonly syncInline: boolean
  readonly forCheckpoint: boolean
}

export class WalFile {
  readonly file: VfsFile
  readonly windows: MapWindows
  readonly #vfs: Vfs
  readonly #folder: string
  #isFolderSynced = false
  readonly #checkpointFile: VfsFile | null

  /** @param checkpointFile the same file by another descriptor, closed with it; without one no checkpoint may be made */
  constructor(file: VfsFile, vfs: Vfs, folder: string, checkpointFile: VfsFile | null = null) {
    this.file = file
    this.#checkpointFile = checkpointFile
    this.windows = new MapWindows(file)
    this.#vfs = vfs
    this.#folder = folder
  }

  get path(): string {
    return this.file.path
  }

  /** The log's header, or null where the file holds none that verifies: an empty log. */
  readHeader(): WalHeader | null {
    const bytes = new Uint8Array(WAL_HEADER_SIZE)
    if (this.file.read(bytes, 0) < WAL_HEADER_SIZE) return null
    const header = decodeWalHeader(bytes)
    return 'invalid' in header ? null : header
  }

  writeHeader(header: NewWalHeader): WalHeader {
    const bytes = new Uint8Array(WAL_HEADER_SIZE)
    const written = encodeWalHeader(bytes, header)
    this.file.write([bytes], 0)
    return written
  }

  /** Writes sealed frames that follow one another, starting with `first`. */
  writeFrames(frames: Uint8Array, first: FrameNumber, pageSize: number): void {
    this.file.write([frames], frameOffset(first, pageSize))
  }

  /**
   * The image of `page` in a frame, straight from the map.
   * @throws ENDMARK_CORRUPT if the file ends before it does, or if the frame is one of another page
   */
  page(frame: FrameNumber, page: PageNumber, pageSize: number): Uint8Array {
    const bytes = this.#view(frame, FRAME_HEADER_SIZE + pageSize, pageSize)
    this.#checkPage(bytes, frame, page)
    return new Uint8Array(bytes.buffer, bytes.byteOffset + FRAME_HEADER_SIZE, pageSize)
  }

  /** @throws ENDMARK_CORRUPT if the frame is not one of `page`, as the wal-index says it is */
  checkPage(frame: FrameNumber, page: PageNumber, pageSize: number): void {
    this.#checkPage(this.#view(frame, FRAME_HEADER_SIZE, pageSize), frame, page)
  }

  /** Pages of the database after this frame; 0: it is no commit frame. */
  commitMark(frame: FrameNumber, pageSize: number): number {
    return frameCommitMark(this.#view(frame, FRAME_HEADER_SIZE, pageSize))
  }

  /** What the header of this frame says of the state that ends with it. */
  commitFields(frame: FrameNumber, pageSize: number): ReturnType<typeof commitFrameFields> {
    return commitFrameFields(this.#view(frame, FRAME_HEADER_SIZE, pageSize))
  }

  #view(frame: FrameNumber, length: number, pageSize: number): Uint8Array {
    const bytes = this.windows.view(frameOffset(frame, pageSize), length)
    if (bytes === null) throw corrupt({ file: this.path, what: `the log ends before frame ${frame}` })
    return bytes
  }

  /** The wal-index carries no checksum of its frames: a damaged one must not hand out, or back up, a wrong page. */
  #checkPage(header: Uint8Array, frame: FrameNumber, page: PageNumber): void {
    const written = framePageNumber(header)
    if (written === page) return
    throw corrupt({ file: this.path, page, what: `frame ${frame} is one of page ${written}: the wal-index is damaged` })
  }

  /** Complete frames the file has room for, valid or not. */
  frameCapacity(pageSize: number): number {
    return frameCountOf(this.file.size(), pageSize)
  }

  /** Bytes of a frame, header and page image. */
  static frameSize(pageSize: number): number {
    return FRAME_HEADER_SIZE + pageSize
  }

  /** Length of a log that ends with this frame. */
  static sizeUpTo(frame: FrameNumber, pageSize: number): number {
    return frame === NO_FRAME ? WAL_HEADER_SIZE : frameOffset(frame, pageSize) + WalFile.frameSize(pageSize)
  }

  /**
   * Makes everything written so far durable, and the file's own name with it. A descriptor is told once of a failed write-back,
   * whichever of its syncs asks first; so a checkpoint, which may sync while a commit does, has one of its own: else one of the two
   * would succeed without having saved anything (DUR-3).
   */
  *sync({ syncInline, forCheckpoint }: LogSync): Blocking<void> {
    if (!this.#isFolderSynced) {
      this.#vfs.syncDirectory(this.#folder)
      this.#isFolderSynced = true
    }
    const file = forCheckpoint ? this.#checkpointFile : this.file
    assert(file !== null, 'a checkpoint without a descriptor of its own')
    if (syncInline) file.datasyncSync()
    else yield datasyncStep(file)
  }

  close(): void {
    try {
      this.#checkpointFile?.close()
    } finally {
      this.file.close()
    }
  }
}
