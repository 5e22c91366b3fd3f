/**
 * An open file description of a virtual process: the calls on an inode of the simulated disk, each a step of the machine.
 * It owns the locks taken through it.
 */
import { assert } from '../assert.js'
import type { SimulatedInode } from './simulated-inode.js'
import type { SimulatedFault } from './simulated-machine.js'
import type { SimulatedVfs, StepDetails } from './simulated-vfs.js'
import type { LockMode, VfsFile } from './vfs.js'

const MODE = 0o644

export class SimulatedFile implements VfsFile {
  readonly path: string
  readonly #process: SimulatedVfs
  readonly #inode: SimulatedInode
  readonly #closed: () => void
  /** Failed syncs of the file that this description has been told of, or that were before it. */
  #failedSyncs: number
  #isOpen = true

  /** @param closed told when the file is closed */
  constructor(process: SimulatedVfs, path: string, inode: SimulatedInode, closed: () => void) {
    this.path = path
    this.#process = process
    this.#inode = inode
    this.#closed = closed
    this.#failedSyncs = inode.failedSyncs
  }

  size(): number {
    return this.#step({ operation: 'size' }, () => this.#inode.size)
  }

  mode(): number {
    return MODE
  }

  read(target: Uint8Array, offset: number): number {
    const details = { operation: 'read', offset, length: target.length } as const
    return this.#step(details, () => this.#inode.read(target, offset))
  }

  write(pieces: readonly Uint8Array[], offset: number): void {
    const { disk } = this.#process.machine
    const bytes = gather(pieces)
    const write = (length: number) => this.#inode.write(bytes.subarray(0, length), offset, disk.tick())
    const details = { operation: 'write', offset, length: bytes.length } as const
    this.#step(
      details,
      () => write(bytes.length),
      ({ writtenBytes = 0 }) => write(writtenBytes),
    )
  }

  async datasync(): Promise<void> {
    const endSync = this.#beginSync()
    await this.#process.event('datasync')
    endSync()
  }

  datasyncSync(): void {
    this.#beginSync()()
  }

  /** @returns what ends it: what was written since it began is not covered, unless it fails */
  #beginSync(): () => void {
    const { disk } = this.#process.machine
    const details = { operation: 'datasync', path: this.path } as const
    this.#assertOpen()
    const fault = this.#process.before(details)
    const moment = disk.tick()
    return () => {
      if (fault !== undefined) this.#inode.failSync(disk.tick())
      if (this.#inode.failedSyncs > this.#failedSyncs) {
        this.#failedSyncs = this.#inode.failedSyncs
        throw this.#process.failure(details, fault ?? { code: 'EIO' })
      }
      // A process that is killed does not take back the order it has given to the disk.
      this.#inode.sync(moment)
      this.#process.after(details)
    }
  }

  truncate(size: number): void {
    const { disk } = this.#process.machine
    this.#step({ operation: 'truncate', offset: size }, () => this.#inode.truncate(size, disk.tick()))
  }

  tryLock(offset: number, length: number, mode: LockMode): boolean {
    const details = { operation: 'tryLock', offset, length, mode } as const
    return this.#step(details, () => this.#inode.locks.tryLock(this, offset, length, mode))
  }

  unlock(offset: number, length: number): void {
    this.#step({ operation: 'unlock', offset, length }, () => this.#inode.locks.unlock(this, offset, length))
  }

  async hasProcessLocks(): Promise<boolean> {
    return false
  }

  /** The array is as long as the file, and grows with it. */
  map(fileOffset: number, length: number, options: { readonly writable: boolean }): Uint8Array {
    assert(fileOffset === 0, () => `a simulated file is mapped from its start, not from ${fileOffset}`)
    return this.#step({ operation: 'map', offset: fileOffset, length }, () => this.#inode.map(options))
  }

  close(): void {
    if (!this.#isOpen && !this.#process.isKilled) return
    const drop = () => this.drop()
    // A close that fails has closed the file all the same, as on Linux.
    this.#step({ operation: 'close' }, drop, drop)
  }

  /** Ends the description without a step: for the end of its process. */
  drop(): void {
    this.#isOpen = false
    this.#inode.locks.release(this)
    this.#closed()
  }

  #step<T>(details: Omit<StepDetails, 'path'>, call: () => T, failed?: (fault: SimulatedFault) => void): T {
    this.#assertOpen()
    return this.#process.step({ ...details, path: this.path }, call, failed)
  }

  /** The files of a killed process are not open, and say what has become of it. */
  #assertOpen(): void {
    assert(this.#isOpen || this.#process.isKilled, 'a closed file was used')
  }
}

function gather(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let offset = 0
  for (const piece of pieces) {
    bytes.set(piece, offset)
    offset += piece.length
  }
  return bytes
}
