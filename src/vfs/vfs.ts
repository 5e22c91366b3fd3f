/**
 * The one narrow door to the operating system. Everything above works on these interfaces, so that tests can
 * put a simulated disk, failing calls or step points in their place. The clock and random numbers come in
 * here too: an engine that asks nobody else for them can be replayed from a seed.
 *
 * What is durable when: `write` and `truncate` change what other processes see at once, and become
 * durable only by `datasync` of that file. A created, renamed or removed name becomes durable only by
 * `syncDirectory` of the folder it is in.
 *
 * Errors of the system are thrown as `ENDMARK_IO` with the system's error as `cause` (its `code`, such as
 * ENOSPC, stays readable there).
 */

export type LockMode = 'shared' | 'exclusive'

export interface OpenFileOptions {
  /** Open for reading only. */
  readonly readOnly?: boolean
  /** Create the file if it is missing, with these permission bits (0o644 if not given). */
  readonly create?: boolean
  readonly mode?: number
  /** With `create`: fail with cause EEXIST when the file is already there. */
  readonly exclusive?: boolean
}

/** One open file description. Locks belong to it, not to the process and not to the thread. */
export interface VfsFile {
  readonly path: string

  /** Current length of the file in bytes (a system call). */
  size(): number

  /** Permission bits of the file. */
  mode(): number

  /**
   * Reads into all of `target` from `fileOffset`, in as many system calls as that takes.
   * @returns bytes read; less than `target.length` only at the end of the file
   */
  read(target: Uint8Array, fileOffset: number): number

  /** Writes all the pieces one after the other from `fileOffset` (gathered; the file grows as needed), or throws. */
  write(pieces: readonly Uint8Array[], fileOffset: number): void

  /** Makes the contents and the length durable, off the event loop. */
  datasync(): Promise<void>

  /** The same, blocking the calling thread. */
  datasyncSync(): void

  /** Sets the length, cutting off or extending with a hole. */
  truncate(size: number): void

  /**
   * Tries to take a byte-range lock; never waits. Taking a range again in another mode converts it, and an
   * exclusive request conflicts only with *other* open file descriptions (trap (a)): use `SlotLocks` to
   * count holders inside one description.
   * @returns false if another open file description holds a conflicting lock
   */
  tryLock(offset: number, length: number, mode: LockMode): boolean

  unlock(offset: number, length: number): void

  /**
   * Whether anyone holds locks on this file that belong to a process and not, like ours, to an open file description:
   * SQLite's do. Asked while a lock of our own is held on it.
   * @returns (resolves) null if the system does not tell
   */
  hasProcessLocks(): Promise<boolean | null>

  /**
   * Maps `length` bytes from `fileOffset` (a multiple of 65536), shared with every process. The range may
   * reach past the end of the file and becomes valid as the file grows: touching a byte past the end kills
   * the process (SIGBUS), so the caller must know the length first. The map lives as long as the array is
   * reachable, also after `close`. Writing to a map that was not made `writable` kills the process too.
   */
  map(fileOffset: number, length: number, options: { readonly writable: boolean }): Uint8Array

  /** Closes the description; all its locks are released. Idempotent. */
  close(): void
}

export interface ThreadIdentity {
  readonly pid: number
  readonly thread: number
}

export interface Vfs {
  open(path: string, options: OpenFileOptions): VfsFile
  exists(path: string): boolean
  /** Removes a name; nothing happens if it is missing. */
  remove(path: string): void
  /**
   * Gives the file at `from` the additional name `to`, atomically.
   * @returns false if `to` already exists
   */
  link(from: string, to: string): boolean
  /** Makes created and removed names in this folder durable, blocking the calling thread. */
  syncDirectory(folder: string): void
  /** Absolute path with symbolic links resolved; of a missing file, that of its folder plus the name. */
  resolve(path: string): string
  /** Throws ENDMARK_UNSUPPORTED where maps or locks of this folder's file system are not coherent. */
  checkFileSystem(folder: string): void
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** Milliseconds since 1970, for people and for comparing between processes; may jump. */
  wallClock(): number
  /** Who runs this: the process, and the thread of it (0 = the main one). */
  identity(): ThreadIdentity
  /** Resolves after about that many milliseconds; rejects with AbortError when `signal` aborts. */
  delay(milliseconds: number, signal?: AbortSignal): Promise<void>
  /** Calls back every so many milliseconds until the function returned is called; keeps no process alive. */
  every(milliseconds: number, callback: () => void): () => void
  /** Calls back once, after about that many milliseconds, unless the function returned is called; the process lives so long. */
  timer(milliseconds: number, callback: () => void): () => void
  /** Calls back once the current turn of the event loop is over, before any timer of a later one. */
  endOfTurn(callback: () => void): void
  /** Blocks the calling thread for about that many milliseconds. */
  delaySync(milliseconds: number): void
  /** Unsigned 32-bit random number (for salts and jitter). */
  random32(): number
}
