/**
 * Where the socket of a database's writer process is: beside the database as `app.db-sock`, or, if that path is too long for
 * the address of a socket, in a private folder of this user, under a name made from the path of the database. Both sides
 * come to the same answer from the resolved path of the main file alone.
 *
 * A socket is believed only if it belongs to this user (or this process is root): who can plant a socket in a folder that others
 * write to, or a private folder in /tmp, would be handed our transactions and could acknowledge them falsely.
 */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, type Stats } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EndmarkError, ioError } from '../src/errors.js'

/** Most bytes of a socket's address, less its final zero: macOS has the shortest. */
const ADDRESS_SIZE_MAX = 103

/** The server binds under this name and renames it when it is ready. */
const UNFINISHED_SUFFIX = '.new'

const PRIVATE_FOLDER_MODE = 0o700
const OTHERS_PERMISSION_BITS = 0o077
const ROOT = 0

/** Bytes of the hash that names a socket in the private folder. */
const NAME_SIZE = 16

export interface SocketPath {
  readonly path: string
  /** The private folder that it is in; null: it stands beside the database. */
  readonly privateFolder: string | null
}

/** @param databasePath the resolved path of the main file */
export function socketPathOf(databasePath: string): SocketPath {
  const beside = `${databasePath}-sock`
  if (fitsAddress(beside)) return { path: beside, privateFolder: null }
  const privateFolder = privateFolderOf(process.env.XDG_RUNTIME_DIR)
  const name = createHash('sha256')
    .update(databasePath)
    .digest('hex')
    .slice(0, NAME_SIZE * 2)
  return { path: join(privateFolder, `${name}-sock`), privateFolder }
}

/** The name under which a server binds its socket, until nobody but its user can open it. */
export function unfinishedSocketPath(path: string): string {
  return path + UNFINISHED_SUFFIX
}

function fitsAddress(path: string): boolean {
  return Buffer.byteLength(unfinishedSocketPath(path)) <= ADDRESS_SIZE_MAX
}

function privateFolderOf(runtimeFolder: string | undefined): string {
  return runtimeFolder ? join(runtimeFolder, 'endmark') : join(tmpdir(), `endmark-${userId()}`)
}

/**
 * Makes the private folder, if it is missing.
 * @throws ENDMARK_IO if it is not this user's alone
 */
export function preparePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: PRIVATE_FOLDER_MODE })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw ioError('mkdir', folder, error)
  }
  checkPrivateFolder(folder)
}

/** @throws ENDMARK_IO if the private folder is not this user's alone, or not there */
export function checkPrivateFolder(folder: string): void {
  const stats = statsOf(folder)
  if (stats === undefined) throw new EndmarkError('ENDMARK_IO', `${folder} does not exist`, { file: folder })
  const refusal = privacyRefusal(stats)
  if (refusal !== null) {
    throw new EndmarkError('ENDMARK_IO', `${folder} is not used for a socket: ${refusal}`, { file: folder })
  }
}

function privacyRefusal(stats: Stats): string | null {
  if (!stats.isDirectory()) return 'it is not a folder'
  if (stats.uid !== userId()) return `it belongs to user ${stats.uid}, not to ${userId()}`
  if ((stats.mode & OTHERS_PERMISSION_BITS) === 0) return null
  return `it is open to other users (mode ${(stats.mode & 0o777).toString(8)}, expected 700)`
}

/**
 * Whether there is a socket that a client of this database may use.
 * @throws ENDMARK_IO if there is one that must not be trusted
 */
export function socketIsThere({ path, privateFolder }: SocketPath): boolean {
  const stats = statsOf(path)
  if (stats === undefined || !stats.isSocket()) return false
  if (privateFolder !== null) checkPrivateFolder(privateFolder)
  if (stats.uid !== userId() && userId() !== ROOT) {
    throw new EndmarkError('ENDMARK_IO', `${path} is not used: it belongs to user ${stats.uid}, not to ${userId()}`, {
      file: path,
    })
  }
  return true
}

/** Of the name itself, links not followed; undefined if it is not there. */
export function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw ioError('lstat', path, error)
  }
}

function userId(): number {
  return process.geteuid?.() ?? ROOT
}
