/**
 * The log as a file: header, frames, syncing. It knows where frames lie and nothing of transactions.
 *
 * Invariant WAL-5: a new name in the folder is durable before the first commit that relies on it: the first sync
 * through this object also syncs the folder, whoever created the file.
 */

import {
  decodeWalHeader,
  encodeWalHeader,
  FRAME_HEADER_SIZE,
  frameCountOf,
  frameOffset,
  framePageOffset,
  type NewWalHeader,
  WAL_HEADER_SIZE,
  type WalHeader,
} from '../format/index.js'
import { type FrameNumber, NO_FRAME } from '../units.js'
import { type Blocking, datasyncStep, MapWindows, type Vfs, type VfsFile } from '../vfs/index.js'

export class WalFile {
  readonly file: VfsFile
  readonly windows: MapWindows
  readonly #vfs: Vfs
  readonly #folder: string
  #isFolderSynced = false

  constructor(file: VfsFile, vfs: Vfs, folder: string) {
    this.file = file
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

  /** The page image of a frame, straight from the map; null if the file ends before it does. */
  page(frame: FrameNumber, pageSize: number): Uint8Array | null {
    return this.windows.view(framePageOffset(frame, pageSize), pageSize)
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

  /** Makes everything written so far durable, and the file's own name with it. */
  *sync({ syncInline }: { readonly syncInline: boolean }): Blocking<void> {
    if (!this.#isFolderSynced) {
      this.#vfs.syncDirectory(this.#folder)
      this.#isFolderSynced = true
    }
    if (syncInline) this.file.datasyncSync()
    else yield datasyncStep(this.file)
  }
}
