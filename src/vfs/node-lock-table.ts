/**
 * The kernel's table of file locks, /proc/locks: who else locks a file, and in which way. Ours belong to open file
 * descriptions ("OFDLCK"); those of SQLite belong to processes ("POSIX"), so that the table tells the two apart.
 *
 * Read off the event loop: for each reader of the table the kernel waits until all processors have passed a quiet state, which
 * takes 8 to 20 ms while locks are in use.
 *
 * Only where it can be relied on: processes in other containers are left out of the table that a container sees, so it counts in
 * the first namespace of processes only; and there must be a line for a lock of our own, since some file systems number their
 * files otherwise than `fstat` does.
 */
import { readFile, readlink } from 'node:fs/promises'

/** The number that Linux gives to the first namespace of processes. */
const FIRST_PROCESS_NAMESPACE = 'pid:[4026531836]'

let seesAllProcesses: boolean | null = null

/** @returns whether a process holds a lock of the kind that belongs to processes; null if that cannot be told */
export async function hasProcessLocks(inode: number): Promise<boolean | null> {
  try {
    seesAllProcesses ??= (await readlink('/proc/self/ns/pid')) === FIRST_PROCESS_NAMESPACE
    return seesAllProcesses ? searchLockTable(await readFile('/proc/locks', 'utf8'), inode) : null
  } catch {
    return null
  }
}

/** Lines such as `3: POSIX  ADVISORY  READ 4711 fd:00:131099 128 128`. */
export function searchLockTable(table: string, inode: number): boolean | null {
  let seesOurs = false
  for (const line of table.split('\n')) {
    if (!line.includes(`:${inode} `)) continue
    if (line.includes(' POSIX ')) return true
    seesOurs ||= line.includes(' OFDLCK ')
  }
  return seesOurs ? false : null
}
