/**
 * Read-only views of a growing file. The file is mapped in windows of 64 MiB, each made when it is first needed and
 * kept; a window may reach past the end of the file and fills up as the file grows. The first windows of a small file
 * are shorter, and are made again twice as long when it outgrows them: a map counts as memory for the garbage collector,
 * so that a large one makes it run. Views of a window that was replaced stay valid, as they keep their map.
 *
 * Invariant MAP-1: no byte past the known length of the file is ever touched (it would kill the process), and the
 * length is asked for again only when a view needs more than is known. When the file may have become shorter,
 * `forgetSize` must be called before the next view.
 */
import type { VfsFile } from './vfs.js'

const WINDOW_SHIFT = 26
const WINDOW_SIZE_BYTES = 2 ** WINDOW_SHIFT
/** Windows overlap by more than the largest page, so that no page of the log straddles two of them. */
const OVERLAP_SIZE_BYTES = 2 ** 17
const FIRST_SIZE_BYTES = 2 ** 20

export class MapWindows {
  readonly #file: VfsFile
  readonly #windows: Uint8Array[] = []
  #knownSize = 0

  constructor(file: VfsFile) {
    this.#file = file
  }

  get path(): string {
    return this.#file.path
  }

  /** A view of `length` bytes, or null if the file ends before that. */
  view(fileOffset: number, length: number): Uint8Array | null {
    const end = fileOffset + length
    if (end > this.#knownSize) {
      this.#knownSize = this.#file.size()
      if (end > this.#knownSize) return null
    }
    const index = Math.floor(fileOffset / WINDOW_SIZE_BYTES)
    const windowOffset = fileOffset - index * WINDOW_SIZE_BYTES
    let window = this.#windows[index]
    if (window === undefined || windowOffset + length > window.length) window = this.#open(index, windowOffset + length)
    return new Uint8Array(window.buffer, windowOffset, length)
  }

  /** Length of the file now, in bytes. */
  size(): number {
    this.#knownSize = this.#file.size()
    return this.#knownSize
  }

  forgetSize(): void {
    this.#knownSize = 0
  }

  /** Maps a window that reaches at least that far, and as far as the file does now. */
  #open(index: number, length: number): Uint8Array {
    const wanted = Math.max(length, this.#knownSize - index * WINDOW_SIZE_BYTES)
    let size = FIRST_SIZE_BYTES
    while (size < wanted && size < WINDOW_SIZE_BYTES) size *= 2
    if (size === WINDOW_SIZE_BYTES) size += OVERLAP_SIZE_BYTES
    const window = this.#file.map(index * WINDOW_SIZE_BYTES, size, { writable: false })
    this.#windows[index] = window
    return window
  }
}
