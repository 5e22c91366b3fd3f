/** Which file a path names at this moment: two paths, or one path at two times, may name the same file or another. */
import { statSync } from 'node:fs'
import { ioError } from '../errors.js'

/** Names one file as long as it exists. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
}

export function fileIdentityOf(path: string): FileIdentity {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return { device: dev, inode: ino }
  } catch (error) {
    throw ioError('stat', path, error)
  }
}

export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.device === other.device && one.inode === other.inode
}
