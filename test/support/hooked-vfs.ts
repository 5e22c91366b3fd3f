/**
 * A vfs that calls a hook before and after every operation on another vfs, synchronously. A hook that throws
 * makes the operation fail (`failOn` builds such hooks); one that runs another connection's whole operation
 * forces a schedule: "between this lock and that write, somebody restarts the log".
 *
 * An `after` event means that the operation returned; one that threw has only its `before`. The hook may be
 * replaced at any time, and is not called for what it does itself through the same HookedVfs only if it
 * guards against that: recursion is sometimes wanted.
 */
import { getSystemErrorName } from 'node:util'
import { ioError } from '../../src/errors.js'
import type { LockMode, OpenFileOptions, ThreadIdentity, Vfs, VfsFile } from '../../src/vfs/index.js'

export type Operation =
  | 'open'
  | 'read'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'tryLock'
  | 'unlock'
  | 'remove'
  | 'link'
  | 'syncDirectory'
  | 'close'

export interface VfsEvent {
  readonly when: 'before' | 'after'
  readonly operation: Operation
  /** The file, or the new name of a `link`. */
  readonly path: string
  /** Bytes from the start of the file: of a read, write or lock, and the new size of a `truncate`. */
  readonly offset?: number
  /** Bytes read into, written or locked. */
  readonly length?: number
  readonly mode?: LockMode
  /** What the operation returned; only after it. */
  readonly result?: unknown
}

export type Hook = (event: VfsEvent) => void

type EventDetails = Omit<VfsEvent, 'when' | 'result'>

export class HookedVfs implements Vfs {
  readonly #vfs: Vfs
  hook: Hook

  constructor(vfs: Vfs, hook: Hook = () => {}) {
    this.#vfs = vfs
    this.hook = hook
  }

  /** Runs `call` between the two events of one operation. */
  around<T>(details: EventDetails, call: () => T): T {
    this.hook({ when: 'before', ...details })
    const result = call()
    this.hook({ when: 'after', ...details, result })
    return result
  }

  open(path: string, options: OpenFileOptions): VfsFile {
    return this.around({ operation: 'open', path }, () => new HookedFile(this, this.#vfs.open(path, options)))
  }

  remove(path: string): void {
    this.around({ operation: 'remove', path }, () => this.#vfs.remove(path))
  }

  link(from: string, to: string): boolean {
    return this.around({ operation: 'link', path: to }, () => this.#vfs.link(from, to))
  }

  syncDirectory(folder: string): void {
    this.around({ operation: 'syncDirectory', path: folder }, () => this.#vfs.syncDirectory(folder))
  }

  exists(path: string): boolean {
    return this.#vfs.exists(path)
  }

  resolve(path: string): string {
    return this.#vfs.resolve(path)
  }

  checkFileSystem(folder: string): void {
    this.#vfs.checkFileSystem(folder)
  }

  now(): number {
    return this.#vfs.now()
  }

  wallClock(): number {
    return this.#vfs.wallClock()
  }

  identity(): ThreadIdentity {
    return this.#vfs.identity()
  }

  delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return this.#vfs.delay(milliseconds, signal)
  }

  every(milliseconds: number, callback: () => void): () => void {
    return this.#vfs.every(milliseconds, callback)
  }

  timer(milliseconds: number, callback: () => void): () => void {
    return this.#vfs.timer(milliseconds, callback)
  }

  endOfTurn(callback: () => void): void {
    this.#vfs.endOfTurn(callback)
  }

  delaySync(milliseconds: number): void {
    this.#vfs.delaySync(milliseconds)
  }

  random32(): number {
    return this.#vfs.random32()
  }
}

class HookedFile implements VfsFile {
  readonly path: string
  readonly #vfs: HookedVfs
  readonly #file: VfsFile

  constructor(vfs: HookedVfs, file: VfsFile) {
    this.path = file.path
    this.#vfs = vfs
    this.#file = file
  }

  size(): number {
    return this.#file.size()
  }

  mode(): number {
    return this.#file.mode()
  }

  read(target: Uint8Array, fileOffset: number): number {
    return this.#around({ operation: 'read', offset: fileOffset, length: target.length }, () =>
      this.#file.read(target, fileOffset),
    )
  }

  write(pieces: readonly Uint8Array[], fileOffset: number): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.#around({ operation: 'write', offset: fileOffset, length }, () => this.#file.write(pieces, fileOffset))
  }

  async datasync(): Promise<void> {
    const details = { operation: 'datasync', path: this.path } as const
    this.#vfs.hook({ when: 'before', ...details })
    await this.#file.datasync()
    this.#vfs.hook({ when: 'after', ...details })
  }

  datasyncSync(): void {
    this.#around({ operation: 'datasync' }, () => this.#file.datasyncSync())
  }

  truncate(size: number): void {
    this.#around({ operation: 'truncate', offset: size }, () => this.#file.truncate(size))
  }

  tryLock(offset: number, length: number, mode: LockMode): boolean {
    return this.#around({ operation: 'tryLock', offset, length, mode }, () => this.#file.tryLock(offset, length, mode))
  }

  unlock(offset: number, length: number): void {
    this.#around({ operation: 'unlock', offset, length }, () => this.#file.unlock(offset, length))
  }

  hasProcessLocks(): Promise<boolean | null> {
    return this.#file.hasProcessLocks()
  }

  map(fileOffset: number, length: number, options: { readonly writable: boolean }): Uint8Array {
    return this.#file.map(fileOffset, length, options)
  }

  close(): void {
    this.#around({ operation: 'close' }, () => this.#file.close())
  }

  #around<T>(details: Omit<EventDetails, 'path'>, call: () => T): T {
    return this.#vfs.around({ ...details, path: this.path }, call)
  }
}

export interface FailOptions {
  /** Which of the matching events fails, counted from 1; all from there on with `andLater`. */
  readonly nth?: number
  readonly andLater?: boolean
  /** `after`: the operation takes place and its result is lost. */
  readonly when?: 'before' | 'after'
  /** Number of the system error, ENOSPC and its like; EIO if not given. */
  readonly errno?: number
}

/** Numbers of `os.constants.errno` are what `errno` takes. */
const EIO = 5

/** A hook that makes an operation fail as the real vfs does: ENDMARK_IO with the system's error as cause. */
export function failOn(predicate: (event: VfsEvent) => boolean, options: FailOptions = {}): Hook {
  const { nth = 1, andLater = false, when = 'before', errno = EIO } = options
  let matches = 0
  return (event) => {
    if (event.when !== when || !predicate(event)) return
    matches++
    if (matches === nth || (andLater && matches > nth)) throw ioError(event.operation, event.path, injected(errno))
  }
}

function injected(errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: injected by a test`), { code, errno: -errno })
}
