/**
 * Joining and leaving a database: opening the three files under SQLite's locks, creating or adopting the main
 * file, and cleaning up as the last one out.
 *
 * Joining, in this order: SHARED on the main file (whoever cleans up needs it exclusively, so from here on the -wal and
 * -shm cannot be removed under us); read and check the header, of the main file or, if that is damaged, of page 1 in the log; open
 * the log; DMS on the -shm, the first opener resets it; read the wal-index header, rebuilding it if need be. Nothing is written
 * to a file that is refused.
 *
 * A new database appears whole: it is written under another name, synced, and linked to its own name, so that
 * any number of processes may create it at once and no crash leaves half a header behind.
 */
import { assert } from '../assert.js'
import { corrupt, EndmarkError, unsupported } from '../errors.js'
import {
  countChange,
  DMS_LOCK_BYTE,
  decodeFileHeader,
  encodeNewDatabase,
  FILE_HEADER_SIZE,
  type FileHeader,
  getPageCount,
  isPageCountValid,
  setJournalMode,
  setPageCount,
  VERSION_WAL,
} from '../format/index.js'
import type { Synchronous } from '../units.js'
import { type Blocking, datasyncStep, runSync, type Vfs, type VfsFile, waitFor } from '../vfs/index.js'
import { backfillAll } from './checkpoint.js'
import { headerInLog } from './header-in-log.js'
import { MainLock } from './main-lock.js'
import { removeReaderRegistry } from './reader-registry.js'
import { Wal } from './wal.js'
import { WalFile } from './wal-file.js'
import { WalIndex } from './wal-index.js'
import { WalLocks } from './wal-locks.js'

/** SQLite truncates the -shm to this length when it is the first opener. */
const RESET_SHM_SIZE = 3

export interface AttachOptions {
  readonly vfs: Vfs
  readonly create: boolean
  readonly readOnly: boolean
  /** Bytes per page of a database that is created; an existing one has its own. */
  readonly pageSize: number
  readonly timeoutMs: number
}

/** One connection to a database: files, locks, and the log. */
export interface Attachment {
  readonly path: string
  readonly folder: string
  readonly header: FileHeader
  readonly wal: Wal
  readonly mainLock: MainLock
  readonly shm: VfsFile
  readonly readOnly: boolean
}

export function* attach(givenPath: string, options: AttachOptions): Blocking<Attachment> {
  const { vfs } = options
  const path = vfs.resolve(givenPath)
  const folder = folderOf(path)
  vfs.checkFileSystem(folder)
  const mayCreate = options.create && !options.readOnly
  // Beside a log of a database that is gone, the new one starts as an empty file, and the log goes under its lock.
  if (mayCreate && !vfs.exists(path) && !vfs.exists(`${path}-wal`)) createDatabase(path, options)
  const main = vfs.open(path, { readOnly: options.readOnly, create: mayCreate })
  const mainLock = new MainLock(main)
  try {
    yield* waitFor(() => mainLock.tryShared(), waitOptions(options, `the shared lock of ${path}`))
    const header = yield* adoptMain(main, mainLock, options)
    const log = vfs.open(`${path}-wal`, { create: true, mode: main.mode() })
    try {
      return yield* attachIndex({ path, folder, header, main, mainLock, log }, options)
    } catch (error) {
      if (!options.readOnly) removeUnused({ path, mainLock, log }, options)
      letGo(() => log.close())
      throw error
    }
  } catch (error) {
    letGo(
      () => mainLock.release(),
      () => main.close(),
    )
    throw error
  }
}

/** Takes away what a refused opener has made, unless others use it. The reason of the refusal is what matters. */
function removeUnused({ path, mainLock, log }: Pick<OpenFiles, 'path' | 'mainLock' | 'log'>, { vfs }: AttachOptions) {
  try {
    if (!mainLock.tryExclusive()) return
    vfs.remove(`${path}-shm`)
    if (log.size() === 0) vfs.remove(log.path)
  } catch {
    // Then they stay: both are as good as none to the next opener.
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

function waitOptions({ vfs, timeoutMs }: AttachOptions, what: string) {
  return { vfs, timeoutMs, what }
}

function createDatabase(path: string, { vfs, pageSize }: AttachOptions): void {
  const temporary = `${path}-new-${vfs.random32().toString(16)}${vfs.random32().toString(16)}`
  const file = vfs.open(temporary, { create: true, exclusive: true })
  try {
    file.write([encodeNewDatabase(pageSize)], 0)
    file.datasyncSync()
    // Somebody else may have been faster: then theirs is the database.
    vfs.link(temporary, path)
  } finally {
    file.close()
    vfs.remove(temporary)
  }
  vfs.syncDirectory(folderOf(path))
}

/** Checks the main file and brings it into WAL mode, if it may be written. */
function* adoptMain(main: VfsFile, mainLock: MainLock, options: AttachOptions): Blocking<FileHeader> {
  if (main.size() === 0 && options.create && !options.readOnly) yield* fillEmptyFile(main, mainLock, options)
  const header = readNewestHeader(main, options.vfs)
  if (header.isWal) refuseHotJournal(main, options.vfs)
  if (options.readOnly) {
    if (!header.isWal)
      throw unsupported(`${main.path}: reading a rollback-journal database without switching it to WAL`)
    return header
  }
  if (header.readOnlyReason !== null) {
    throw unsupported(`${main.path}: writing to a database with ${header.readOnlyReason}; open it with readOnly`)
  }
  if (header.isWal) return header
  yield* switchToWal(main, mainLock, options)
  return readHeader(main)
}

/**
 * Of the main file, unless that cannot be right and the log has one. A page size that could be right counts: with pages of another
 * size the log is rather one of another database.
 */
function readNewestHeader(main: VfsFile, vfs: Vfs): FileHeader {
  const path = `${main.path}-wal`
  // A log beside an empty file belongs to a database that is gone.
  if (main.size() === 0 || isUsable(main) || !vfs.exists(path)) return readHeader(main)
  const log = vfs.open(path, { readOnly: true })
  try {
    return headerInLog(new WalFile(log, vfs, folderOf(main.path)), main.path) ?? readHeader(main)
  } finally {
    log.close()
  }
}

/** Whether the header of the main file is one to read and write by. */
function isUsable(main: VfsFile): boolean {
  try {
    const { isWal, readOnlyReason } = readHeader(main)
    return isWal && readOnlyReason === null
  } catch (error) {
    if (error instanceof EndmarkError && error.code !== 'ENDMARK_IO') return false
    throw error
  }
}

function readHeader(main: VfsFile): FileHeader {
  const bytes = new Uint8Array(FILE_HEADER_SIZE)
  const length = main.read(bytes, 0)
  return decodeFileHeader(bytes.subarray(0, length), main.path)
}

/**
 * Runs `work` alone with the main file, unless others have done it meanwhile. Nobody keeps the shared lock while waiting to
 * be alone: two who did would wait for each other.
 */
function* alone(
  main: VfsFile,
  mainLock: MainLock,
  options: AttachOptions,
  { isDone, work }: { readonly isDone: () => boolean; readonly work: () => void },
): Blocking<void> {
  const attempt = () => {
    if (mainLock.mode === 'none' && !mainLock.tryShared()) return false
    if (isDone() || mainLock.tryExclusive()) return true
    mainLock.release()
    return false
  }
  yield* waitFor(attempt, waitOptions(options, `the exclusive lock of ${main.path}`))
  if (mainLock.mode === 'shared') return
  try {
    work()
    yield datasyncStep(main)
  } finally {
    mainLock.downgrade()
  }
}

/**
 * An empty file is an empty database that nobody has written to yet; a log beside it belonged to another one, and must
 * be gone for good before the file is a database.
 */
function fillEmptyFile(main: VfsFile, mainLock: MainLock, options: AttachOptions): Blocking<void> {
  const { vfs, pageSize } = options
  const isDone = () => main.size() !== 0
  const work = () => {
    vfs.remove(`${main.path}-wal`)
    vfs.syncDirectory(folderOf(main.path))
    main.write([encodeNewDatabase(pageSize)], 0)
  }
  return alone(main, mainLock, options, { isDone, work })
}

/** Sets the journal mode in the header; refused while a rollback journal waits for being rolled back. */
function switchToWal(main: VfsFile, mainLock: MainLock, options: AttachOptions): Blocking<void> {
  const isDone = () => readHeader(main).isWal
  const work = () => {
    refuseHotJournal(main, options.vfs)
    const bytes = new Uint8Array(FILE_HEADER_SIZE)
    main.read(bytes, 0)
    const pageCount = wholeFileCount(main)
    setJournalMode(bytes, VERSION_WAL)
    if (!isPageCountValid(bytes)) setPageCount(bytes, pageCount)
    else if (getPageCount(bytes) > pageCount) throw tooShort(main, getPageCount(bytes), pageCount)
    countChange(bytes)
    main.write([bytes], 0)
  }
  return alone(main, mainLock, options, { isDone, work })
}

/** Pages of a database without a log. @throws ENDMARK_CORRUPT if it does not even have its first one */
function wholeFileCount(main: VfsFile): number {
  const { pageSize } = readHeader(main)
  if (main.size() < pageSize) throw tooShort(main, 1, 0)
  return Math.ceil(main.size() / pageSize)
}

function tooShort(main: VfsFile, claimed: number, pageCount: number): EndmarkError {
  return corrupt({ file: main.path, page: 1, what: `a database of ${claimed} pages in a file of ${pageCount}` })
}

/**
 * A journal is hot, and has to be rolled back before anything else, unless it is empty or begins with zeros (as SQLite
 * leaves it in its journal modes TRUNCATE and PERSIST). A database in WAL mode has one if the switch to that mode
 * was cut short.
 */
function refuseHotJournal(main: VfsFile, vfs: Vfs): void {
  const path = `${main.path}-journal`
  if (!vfs.exists(path)) return
  const journal = vfs.open(path, { readOnly: true })
  const first = new Uint8Array(1)
  try {
    journal.read(first, 0)
  } finally {
    journal.close()
  }
  if (first[0] === 0) return
  throw unsupported(`${main.path}: rolling back ${path}; open the database once with SQLite, which does it`)
}

interface OpenFiles {
  readonly path: string
  readonly folder: string
  readonly header: FileHeader
  readonly main: VfsFile
  readonly mainLock: MainLock
  readonly log: VfsFile
}

function* attachIndex(files: OpenFiles, options: AttachOptions): Blocking<Attachment> {
  const { path, folder, header, main, mainLock, log } = files
  const { vfs, timeoutMs } = options
  const shm = vfs.open(`${path}-shm`, { create: true, mode: main.mode() })
  let checkpointFile: VfsFile | null = null
  try {
    const locks = new WalLocks(shm)
    yield* waitFor(() => tryJoinIndex(shm, locks), waitOptions(options, `the dead-man switch of ${path}`))
    const index = new WalIndex(shm)
    // Now, not with the first checkpoint: a descriptor is not told of what failed before it was opened.
    checkpointFile = vfs.open(log.path, {})
    const walFile = new WalFile(log, vfs, folder, checkpointFile)
    const wal = new Wal({ vfs, main, log: walFile, index, locks, pageSize: header.pageSize, timeoutMs })
    yield* wal.refresh()
    return { path, folder, header, wal, mainLock, shm, readOnly: options.readOnly }
  } catch (error) {
    letGo(
      () => checkpointFile?.close(),
      () => shm.close(),
    )
    throw error
  }
}

/**
 * The first opener holds DMS exclusively while it empties the -shm, so that nobody maps what a crash left there; then
 * everybody holds it shared. An exclusive attempt fails without effect while others are there.
 */
function tryJoinIndex(shm: VfsFile, locks: WalLocks): boolean {
  if (shm.tryLock(DMS_LOCK_BYTE, 1, 'exclusive')) shm.truncate(RESET_SHM_SIZE)
  // Converts our own exclusive lock, or joins the others.
  return locks.tryShared('DMS')
}

/**
 * Leaves the database. The last one out copies the log into the main file and removes -wal and -shm, as SQLite
 * does; if that fails, the files stay and the next opener recovers them. Never throws: whatever fails, all is let go.
 * @returns what failed first, of the clean-up or of closing the files, or null
 */
export function detach(attachment: Attachment, synchronous: Synchronous): unknown {
  const { wal, mainLock, shm, readOnly } = attachment
  return letGo(
    () => {
      if (!readOnly && !wal.hasFailed && mainLock.tryExclusive()) cleanUp(attachment, synchronous)
    },
    // The -shm first: its locks must be gone before the main file lets newcomers in.
    () => shm.close(),
    () => wal.log.close(),
    () => mainLock.release(),
    () => wal.main.close(),
  )
}

/**
 * Does all of it, whatever fails: the lock of a file that stays open keeps everybody else waiting (LOCK-2).
 * @returns what failed first, or null
 */
function letGo(...steps: readonly (() => void)[]): unknown {
  let failure: unknown = null
  for (const step of steps) {
    try {
      step()
    } catch (error) {
      failure ??= error
    }
  }
  return failure
}

/** @requires lock exclusive on the main file: there is no other connection */
function cleanUp({ wal, shm }: Attachment, synchronous: Synchronous): void {
  const { vfs } = wal
  removeReaderRegistry(vfs, wal.main)
  if (!runSync(backfillAll(wal, synchronous))) return
  assert(wal.index.backfill === wal.header.endMark, 'the log is removed only when all of it is in the main file')
  vfs.remove(wal.log.path)
  vfs.remove(shm.path)
}
