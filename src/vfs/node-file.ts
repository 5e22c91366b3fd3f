/**
 * One open file of the real file system. Short reads, short writes, the kernel's limit on gathered pieces and
 * interrupted calls are handled here and nowhere else; what goes wrong in the system becomes ENDMARK_IO with
 * the system's error as cause. Using a file after `close` is a mistake of the caller (AssertionError): its
 * descriptor number may be another file's by then.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
  writevSync,
} from 'node:fs'
import { assert } from '../assert.js'
import { EndmarkError, ioError } from '../errors.js'
import { hasProcessLocks } from './node-lock-table.js'
import type { NodeMaps } from './node-map.js'
import { tryLockRange, unlockRange } from './node-range-lock.js'
import { errorCode } from './node-system-error.js'
import type { LockMode, VfsFile } from './vfs.js'

/** Most pieces one gathered write takes: IOV_MAX of Linux. */
const PIECE_COUNT_MAX = 1024

/** Most bytes asked for in one read: stays clear of the 31-bit sizes on the way to the kernel. */
const READ_SIZE_MAX = 2 ** 30

const PERMISSION_BITS = 0o777

/** Largest page size of the memory of any platform Linux runs on: map offsets are multiples of it. */
const MAP_ALIGNMENT = 65536

const CLOSED = -1

/** Length of a byte range that has no end. */
const TO_THE_END = 0

export class NodeFile implements VfsFile {
  readonly path: string
  readonly #maps: NodeMaps
  #fd: number
  /** For maps that are only read; opened by the first of them. */
  #readFd = CLOSED
  #datasyncsRunning = 0
  #closeAfterDatasync = false
  #hasLocked = false

  /** Takes over the descriptor `fd`. */
  constructor(path: string, fd: number, maps: NodeMaps) {
    this.path = path
    this.#fd = fd
    this.#maps = maps
  }

  size(): number {
    const fd = this.#open()
    try {
      return fstatSync(fd).size
    } catch (error) {
      throw ioError('fstat', this.path, error)
    }
  }

  mode(): number {
    const fd = this.#open()
    try {
      return fstatSync(fd).mode & PERMISSION_BITS
    } catch (error) {
      throw ioError('fstat', this.path, error)
    }
  }

  read(target: Uint8Array, fileOffset: number): number {
    const fd = this.#open()
    let done = 0
    while (done < target.length) {
      const wanted = Math.min(target.length - done, READ_SIZE_MAX)
      try {
        const count = readSync(fd, target, done, wanted, fileOffset + done)
        if (count === 0) break
        done += count
      } catch (error) {
        // libuv repeats every other interrupted call by itself.
        if (errorCode(error) !== 'EINTR') throw ioError('read', this.path, error)
      }
    }
    return done
  }

  write(pieces: readonly Uint8Array[], fileOffset: number): void {
    const fd = this.#open()
    try {
      if (pieces.length === 1) writeAll(fd, pieces[0]!, fileOffset)
      else writeGathered(fd, pieces, fileOffset)
    } catch (error) {
      throw ioError('write', this.path, error)
    }
  }

  datasync(): Promise<void> {
    const fd = this.#open()
    this.#datasyncsRunning++
    return new Promise((resolve, reject) => {
      fdatasync(fd, (error) => {
        this.#datasyncsRunning--
        if (this.#closeAfterDatasync) this.close()
        if (error) reject(ioError('fdatasync', this.path, error))
        else resolve()
      })
    })
  }

  datasyncSync(): void {
    const fd = this.#open()
    try {
      fdatasyncSync(fd)
    } catch (error) {
      throw ioError('fdatasync', this.path, error)
    }
  }

  truncate(size: number): void {
    const fd = this.#open()
    try {
      ftruncateSync(fd, size)
    } catch (error) {
      throw ioError('ftruncate', this.path, error)
    }
  }

  tryLock(offset: number, length: number, mode: LockMode): boolean {
    const fd = this.#open()
    this.#hasLocked = true
    try {
      return tryLockRange(fd, offset, length, mode)
    } catch (error) {
      throw this.#nativeFailure('lock', error)
    }
  }

  unlock(offset: number, length: number): void {
    const fd = this.#open()
    try {
      unlockRange(fd, offset, length)
    } catch (error) {
      throw this.#nativeFailure('unlock', error)
    }
  }

  hasProcessLocks(): Promise<boolean | null> {
    const fd = this.#open()
    let inode: number
    try {
      inode = fstatSync(fd).ino
    } catch (error) {
      throw ioError('fstat', this.path, error)
    }
    return hasProcessLocks(inode)
  }

  map(fileOffset: number, length: number, { writable }: { readonly writable: boolean }): Uint8Array {
    assert(fileOffset % MAP_ALIGNMENT === 0, () => `map offset ${fileOffset} is not a multiple of ${MAP_ALIGNMENT}`)
    assert(length > 0, () => `map length ${length}`)
    this.#open()
    try {
      const fd = writable ? this.#fd : this.#readOnlyFd()
      return this.#maps.map({ fd, fileOffset, length, writable })
    } catch (error) {
      throw this.#nativeFailure('mmap', error)
    }
  }

  close(): void {
    if (this.#fd === CLOSED) return
    // Closing now could hand the number to another file before the pool's thread gets to sync it.
    this.#closeAfterDatasync = this.#datasyncsRunning > 0
    if (this.#closeAfterDatasync) return
    const fd = this.#fd
    const readFd = this.#readFd
    this.#fd = CLOSED
    this.#readFd = CLOSED
    try {
      try {
        // A map keeps the open file description alive, and with it the locks, until it is collected: end them here.
        if (this.#hasLocked) unlockRange(fd, 0, TO_THE_END)
      } finally {
        try {
          closeSync(fd)
        } finally {
          if (readFd !== CLOSED) closeSync(readFd)
        }
      }
    } catch (error) {
      throw ioError('close', this.path, error)
    }
  }

  /**
   * A descriptor through which nothing can be written, for maps: of a page that is mapped through one that could, the kernel looks
   * through the page tables of every process that has it mapped whenever it writes the page to the disk. Where none can be had (no right
   * to open the file any more, no descriptor free) the other one does, only more slowly.
   */
  #readOnlyFd(): number {
    if (this.#readFd !== CLOSED) return this.#readFd
    try {
      this.#readFd = openSync(`/proc/self/fd/${this.#fd}`, constants.O_RDONLY)
    } catch {
      return this.#fd
    }
    return this.#readFd
  }

  /** An add-on that cannot be loaded has said so already, in an error of ours. */
  #nativeFailure(operation: string, error: unknown): EndmarkError {
    return error instanceof EndmarkError ? error : ioError(operation, this.path, error)
  }

  #open(): number {
    assert(this.#fd !== CLOSED && !this.#closeAfterDatasync, 'a closed file was used')
    return this.#fd
  }
}

function writeAll(fd: number, piece: Uint8Array, fileOffset: number): void {
  let done = 0
  while (done < piece.length) done += writeSync(fd, piece, done, piece.length - done, fileOffset + done)
}

function writeGathered(fd: number, pieces: readonly Uint8Array[], fileOffset: number): void {
  let offset = fileOffset
  for (let first = 0; first < pieces.length; first += PIECE_COUNT_MAX) {
    const isWhole = first === 0 && pieces.length <= PIECE_COUNT_MAX
    const group = isWhole ? pieces : pieces.slice(first, first + PIECE_COUNT_MAX)
    const size = totalSize(group)
    const written = size === 0 ? 0 : writevSync(fd, group, offset)
    if (written < size) writeRest(fd, group, written, offset)
    offset += size
  }
}

/** Finishes a gathered write of which the kernel took only the first `written` bytes. */
function writeRest(fd: number, pieces: readonly Uint8Array[], written: number, fileOffset: number): void {
  let pieceStart = 0
  for (const piece of pieces) {
    const skip = Math.min(Math.max(written - pieceStart, 0), piece.length)
    if (skip < piece.length) writeAll(fd, piece.subarray(skip), fileOffset + pieceStart + skip)
    pieceStart += piece.length
  }
}

function totalSize(pieces: readonly Uint8Array[]): number {
  let size = 0
  for (let index = 0; index < pieces.length; index++) size += pieces[index]!.length
  return size
}
