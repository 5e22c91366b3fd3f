/**
 * The -shm file as the probe sees it: its first bytes, read by a call of the system (which sees what the maps of others hold), and
 * locks on it. By the published format, with no line of the engine. The file may vanish and come back at any time.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { IndexContents } from '../../test/support/independent-wal-reader.js'

/** The part of fs-native-extensions used here; the package brings no types. */
interface NativeLocks {
  tryLock(fd: number, offset: number, length: number, options: { readonly shared: boolean }): boolean
  unlock(fd: number, offset: number, length: number): void
}

const native = createRequire(import.meta.url)('fs-native-extensions') as NativeLocks

/** Two copies of the header, backfill and read marks. */
const SIGHT_SIZE = 136
const HEADER_SIZE = 48

/** One published state: the header was sound, and the same before and after the rest was read. */
export interface Sight {
  /** Counts the files that have been opened under this name. */
  readonly file: number
  /** All bytes of the header. */
  readonly header: string
  /** The salts. */
  readonly generation: string
  readonly endMark: number
  readonly backfill: number
  readonly readMarks: readonly number[]
}

export class ShmWatch {
  readonly #path: string
  readonly #bytes = Buffer.alloc(SIGHT_SIZE)
  #fd: number | null = null
  #file = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Whether the file has been removed: the last one to close has cleaned up. */
  get isGone(): boolean {
    return this.#open() === null
  }

  /** @returns null if there is no file now, or its header is being written or not sound */
  look(): Sight | null {
    const before = this.#read()
    if (before === null) return null
    const after = this.#read()
    return after !== null && after.header === before.header && after.file === before.file ? before : null
  }

  /** @returns false if somebody has it, or there is no file */
  tryLock(byte: number, isShared: boolean): boolean {
    const fd = this.#open()
    return fd !== null && native.tryLock(fd, byte, 1, { shared: isShared })
  }

  unlock(byte: number): void {
    if (this.#fd !== null) native.unlock(this.#fd, byte, 1)
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #read(): Sight | null {
    const fd = this.#open()
    if (fd === null || readSync(fd, this.#bytes, 0, SIGHT_SIZE, 0) < SIGHT_SIZE) return null
    const contents = new IndexContents(this.#bytes)
    if (!contents.isSound) return null
    const { endMark, backfill, readMarks } = contents
    const header = this.#bytes.toString('hex', 0, HEADER_SIZE)
    return { file: this.#file, header, generation: contents.salts.join('/'), endMark, backfill, readMarks }
  }

  #open(): number | null {
    // A file that was removed has no name left: what happens to it matters to nobody.
    if (this.#fd !== null && fstatSync(this.#fd).nlink === 0) this.close()
    if (this.#fd !== null) return this.#fd
    try {
      this.#fd = openSync(this.#path, 'r+')
      this.#file++
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    return this.#fd
  }
}
