/**
 * Byte-range locks of the kernel on an open file description (F_OFD_SETLK): they end with the description,
 * so a process that dies leaves none behind, and they conflict with the POSIX locks that SQLite takes in
 * other processes. Within one description nothing conflicts (trap (a)): see `slot-locks.ts`.
 *
 * Never the package's waiting calls: each parks a thread of libuv's pool (trap (c)): see `lock-wait.ts`.
 *
 * The native part is loaded by the first lock, so that a machine without it gets a typed error from `open`
 * and not a failing `import`.
 */
import { createRequire } from 'node:module'
import { unsupported } from '../errors.js'
import { keptAlive } from './node-thread-gate.js'
import type { LockMode } from './vfs.js'

/** The part of fs-native-extensions used here; the package brings no types. */
interface NativeLocks {
  tryLock(fd: number, offset: number, length: number, options: { readonly shared: boolean }): boolean
  unlock(fd: number, offset: number, length: number): void
}

const SHARED = { shared: true }
const EXCLUSIVE = { shared: false }

let native: NativeLocks | undefined

/** @returns false if another description holds a conflicting lock; throws the system's error otherwise */
export function tryLockRange(fd: number, offset: number, length: number, mode: LockMode): boolean {
  native ??= loadNative()
  return native.tryLock(fd, offset, length, mode === 'shared' ? SHARED : EXCLUSIVE)
}

export function unlockRange(fd: number, offset: number, length: number): void {
  native ??= loadNative()
  native.unlock(fd, offset, length)
}

function loadNative(): NativeLocks {
  try {
    return keptAlive(() => createRequire(import.meta.url)('fs-native-extensions') as NativeLocks)
  } catch (cause) {
    throw unsupported(`byte-range locks: fs-native-extensions cannot be loaded on this platform`, { cause })
  }
}
