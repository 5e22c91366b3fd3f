/**
 * Where Endmark must not work: the log's index is shared memory under byte-range locks, and both have to mean
 * the same to every process that has the file open. Network and cluster file systems keep maps coherent
 * within one machine at best; some pretend to lock. A database there would be damaged sooner or later, so it
 * is refused with the file system's name.
 *
 * Pure functions over what the system reports; `node-vfs.ts` asks the system.
 */
import { unsupported } from '../errors.js'

/** Type numbers of `statfs(2)`, as the Linux headers list them. */
const REFUSED_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB2'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x01161970, 'GFS2'],
  [0x0bd00bd0, 'Lustre'],
  [0x7461636f, 'OCFS2'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
])

/** Also what virtiofs reports: it is FUSE whose other side is a virtual machine's host. */
const FUSE_TYPE = 0x65735546

export interface FileSystemOptions {
  /** Accept FUSE and virtiofs mounts; for those whose maps and locks are known to be coherent. */
  readonly allowFuse?: boolean
}

/** @throws ENDMARK_UNSUPPORTED where `type` is a file system whose maps or locks are not coherent */
export function refuseFileSystem(type: number, folder: string, { allowFuse = false }: FileSystemOptions = {}): void {
  // The field is a signed word on some platforms.
  const isFuse = type === FUSE_TYPE
  const name = REFUSED_FILE_SYSTEMS.get(type >>> 0) ?? (isFuse && !allowFuse ? 'FUSE or virtiofs' : undefined)
  if (name === undefined) return
  const coherent = isFuse
    ? 'need not be coherent: the option allowFuse is for those where they are'
    : 'are not coherent'
  throw unsupported(`${folder} is on a ${name} file system, where shared maps or locks ${coherent}`, { file: folder })
}

/**
 * Open-file-description locks on byte ranges exist on Linux (and Android, the same kernel). The lock calls
 * available on macOS cover whole files only; on Windows the bytes of a locked range cannot be read.
 * @throws ENDMARK_UNSUPPORTED elsewhere
 */
export function refusePlatform(platform: string): void {
  if (platform === 'linux' || platform === 'android') return
  throw unsupported(`platform ${platform} has no byte-range locks that belong to an open file`)
}
