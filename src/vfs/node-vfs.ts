/**
 * The real operating system: Node's file calls, the kernel's locks and maps, its clock and random numbers.
 * Holds no state but which map providers could not be loaded; every Database of a thread may share one.
 */
import { randomInt } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as timeout } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { EndmarkError, ioError } from '../errors.js'
import { NodeFile } from './node-file.js'
import { type MapProviderName, NodeMaps } from './node-map.js'
import { errorCode } from './node-system-error.js'
import { type FileSystemOptions, refuseFileSystem, refusePlatform } from './platform-guard.js'
import type { OpenFileOptions, ThreadIdentity, Vfs } from './vfs.js'

export interface NodeVfsOptions extends FileSystemOptions {
  /** The one provider of maps to use, instead of whichever can serve a request. */
  readonly mapProvider?: MapProviderName
}

const DEFAULT_MODE = 0o644

/** A timer never waits less than this, so shorter delays are one turn of the event loop. */
const TIMER_RESOLUTION_MS = 1

export class NodeVfs implements Vfs {
  readonly #maps: NodeMaps
  readonly #options: NodeVfsOptions
  /** Nobody ever wakes this; waiting for it is how a thread sleeps. */
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4))

  constructor(options: NodeVfsOptions = {}) {
    this.#options = options
    this.#maps = new NodeMaps(options.mapProvider)
  }

  open(path: string, options: OpenFileOptions): NodeFile {
    let fd: number
    try {
      fd = openSync(path, openFlags(options), options.mode ?? DEFAULT_MODE)
    } catch (error) {
      throw openError(path, options, error)
    }
    try {
      prepareOpened(fd, options)
    } catch (error) {
      closeSync(fd)
      throw ioError('open', path, error)
    }
    return new NodeFile(path, fd, this.#maps)
  }

  exists(path: string): boolean {
    try {
      // Not existsSync, which takes "may not look" for "not there": an overlooked journal would be data lost.
      return statSync(path, { throwIfNoEntry: false }) !== undefined
    } catch (error) {
      throw ioError('stat', path, error)
    }
  }

  remove(path: string): void {
    try {
      unlinkSync(path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw ioError('unlink', path, error)
    }
  }

  link(from: string, to: string): boolean {
    try {
      linkSync(from, to)
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw ioError('link', to, error)
    }
  }

  syncDirectory(folder: string): void {
    try {
      const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      throw ioError('fsync', folder, error)
    }
  }

  resolve(path: string): string {
    try {
      return realPath(path)
    } catch (error) {
      throw errorCode(error) === 'ENOENT' ? notFound(dirname(path), error) : ioError('realpath', path, error)
    }
  }

  checkFileSystem(folder: string): void {
    refusePlatform(process.platform)
    let type: number
    try {
      type = statfsSync(folder).type
    } catch (error) {
      throw errorCode(error) === 'ENOENT' ? notFound(folder, error) : ioError('statfs', folder, error)
    }
    refuseFileSystem(type, folder, this.#options)
  }

  now(): number {
    return performance.now()
  }

  wallClock(): number {
    return Date.now()
  }

  identity(): ThreadIdentity {
    return { pid: process.pid, thread: threadId }
  }

  async delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const options = signal === undefined ? {} : { signal }
    if (milliseconds < TIMER_RESOLUTION_MS) await nextTurn(undefined, options)
    else await timeout(milliseconds, undefined, options)
  }

  every(milliseconds: number, callback: () => void): () => void {
    const timer = setInterval(callback, milliseconds).unref()
    return () => clearInterval(timer)
  }

  timer(milliseconds: number, callback: () => void): () => void {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  }

  endOfTurn(callback: () => void): void {
    setImmediate(callback)
  }

  delaySync(milliseconds: number): void {
    Atomics.wait(this.#sleeper, 0, 0, milliseconds)
  }

  random32(): number {
    return randomInt(2 ** 32)
  }
}

/** The vfs that a Database uses unless it is given another. */
export function nodeVfs(options: NodeVfsOptions = {}): NodeVfs {
  return new NodeVfs(options)
}

function openFlags({ readOnly = false, create = false, exclusive = false }: OpenFileOptions): number {
  // O_NONBLOCK means nothing to a regular file and keeps the opening of a pipe from waiting for its other end.
  let flags = constants.O_NONBLOCK | (readOnly ? constants.O_RDONLY : constants.O_RDWR)
  if (create) flags |= constants.O_CREAT
  if (create && exclusive) flags |= constants.O_EXCL
  return flags
}

function prepareOpened(fd: number, options: OpenFileOptions): void {
  const stats = fstatSync(fd)
  if (!stats.isFile()) throw new Error(stats.isDirectory() ? 'it is a folder' : 'it is not a regular file')
  if (options.create && options.mode !== undefined) keepMode(fd, stats, options.mode)
}

/**
 * A file created beside the main file must be open to the same users, whatever this process' umask: otherwise
 * they could open the database and not its log. An empty file of someone else's is left as it is.
 */
function keepMode(fd: number, stats: Stats, mode: number): void {
  if (stats.size > 0 || (stats.mode & 0o777) === mode) return
  try {
    fchmodSync(fd, mode)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') throw error
  }
}

function openError(path: string, { readOnly, create }: OpenFileOptions, cause: unknown): EndmarkError {
  const code = errorCode(cause)
  if (code === 'ENOENT') return create ? notFound(dirname(path), cause) : notFound(path, cause)
  if (!readOnly && (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')) {
    return new EndmarkError('ENDMARK_READONLY', `${path} cannot be opened for writing`, { file: path, cause })
  }
  return ioError('open', path, cause)
}

function notFound(path: string, cause: unknown): EndmarkError {
  return new EndmarkError('ENDMARK_NOT_FOUND', `${path} does not exist`, { file: path, cause })
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return realPathOfMissing(path)
  }
}

/**
 * A link to a file that does not exist yet resolves to that file, since creating it goes through the link:
 * otherwise the creator would put its log beside the link and everyone after it beside the file.
 */
function realPathOfMissing(path: string): string {
  const folder = realpathSync.native(dirname(path))
  let target: string
  try {
    target = readlinkSync(path)
  } catch {
    return join(folder, basename(path))
  }
  // Joined as text: normalising would resolve '..' wrongly after a further link.
  return realPath(isAbsolute(target) ? target : `${folder}/${target}`)
}
