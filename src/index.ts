/**
 * Endmark: an embedded, transactional storage engine. Many processes and threads share one SQLite database file; readers
 * and writers do not wait for each other, and all who wait commit together.
 *
 * The composition root: the only file that knows which vfs and which committer a Database gets.
 */
import { Database } from './database.js'
import { invalidArgument } from './errors.js'
import { type OpenOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { LazyLink, type OpenReaderThreads, type OpenWriterLink } from './txn/index.js'
import { fileIdentityOf, nodeVfs } from './vfs/index.js'
import { attach, detach, runAsync } from './wal/index.js'

/**
 * Opens a database, and creates it if it is missing. A rollback-journal database is switched to WAL unless it is opened
 * with `readOnly`. Do not open the same file with a SQLite library in the same process: closing it there drops locks.
 *
 * @param path the main file; -wal and -shm lie beside it
 * @throws (rejects) ENDMARK_NOT_FOUND if it is missing and `create` is false, or its folder is missing;
 *   ENDMARK_NOT_A_DATABASE; ENDMARK_CORRUPT; ENDMARK_UNSUPPORTED for what is not understood, by name; ENDMARK_BUSY if
 *   another connection kept it locked past `timeout`, or no writer process that was asked for came up by then;
 *   ENDMARK_READONLY; ENDMARK_IO; ENDMARK_INVALID_ARGUMENT
 */
export async function open(path: string, options?: OpenOptions): Promise<Database> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    const given = typeof path === 'string' ? JSON.stringify(path) : typeof path
    throw invalidArgument(`path is a string without NUL that is not empty, not ${given}`)
  }
  const resolved = resolveOptions(options)
  const opener = await linkOpener(resolved)
  const database = await openDatabase(path, resolved, opener?.openLink)
  try {
    await opener?.ready(resolved.timeout)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

async function openDatabase(path: string, options: ResolvedOptions, openLink?: OpenWriterLink): Promise<Database> {
  const { create, readOnly, pageSize, timeout: timeoutMs, synchronous, allowFuse } = options
  const vfs = nodeVfs({ allowFuse })
  const attachment = await runAsync(attach(path, { vfs, create, readOnly, pageSize, timeoutMs }))
  try {
    return new Database(attachment, options, openLink, readerThreadsOpener(options))
  } catch (error) {
    // Refused: as if only for reading, so that the file stays as it was.
    detach({ ...attachment, readOnly: true }, synchronous)
    throw error
  }
}

/** Piscina and the threads are loaded with the first pool. */
function readerThreadsOpener({ allowFuse }: ResolvedOptions): OpenReaderThreads {
  return async (path, options) => {
    const { openReaderThreads } = await import('../workers/reader-threads.js')
    return openReaderThreads(path, { ...options, allowFuse })
  }
}

interface LinkOpener {
  readonly openLink: OpenWriterLink
  /** Resolves once the Database may be used; rejects if it must not be without a writer process. */
  readonly ready: (timeoutMs: number) => Promise<void>
}

/** How a Database with these options finds a writer process; null: not at all. */
async function linkOpener(options: ResolvedOptions): Promise<LinkOpener | null> {
  const { writer, readOnly } = options
  if (readOnly || writer === 'inline') return null
  return writer === 'auto' ? lazyOpener(options) : startingOpener(options)
}

/** Sockets and messages are loaded when there are traces of a writer process beside the database. */
function lazyOpener({ timeout: timeoutMs }: ResolvedOptions): LinkOpener {
  const vfs = nodeVfs()
  const openLink: OpenWriterLink = (path, handlers) => {
    // Now: by the time that there is a writer process, another file may stand under this name.
    const file = fileIdentityOf(path)
    return new LazyLink(path, handlers, {
      now: () => vfs.now(),
      mayExist: () => vfs.exists(`${path}-writer`),
      load: async () => {
        const { openWriterLink } = await import('../ipc/client.js')
        return (...link) => openWriterLink(...link, { file, timeoutMs })
      },
    })
  }
  return { openLink, ready: async () => {} }
}

/** A writer process is started whenever none can be reached. */
async function startingOpener(options: ResolvedOptions): Promise<LinkOpener> {
  const { autoCheckpoint, walLimit, snapshotTimeout, allowFuse, timeout: timeoutMs } = options
  const [{ openWriterLink }, { spawnWriter }] = await Promise.all([
    import('../ipc/client.js'),
    import('../workers/spawn.js'),
  ])
  let link: ReturnType<typeof openWriterLink> | undefined
  const openLink: OpenWriterLink = (path, handlers) => {
    link = openWriterLink(path, handlers, {
      timeoutMs,
      start: () => spawnWriter(path, { autoCheckpoint, walLimit, snapshotTimeout, allowFuse }),
    })
    return link
  }
  return { openLink, ready: async (timeoutMs) => link?.ready(timeoutMs) }
}

export type { CheckOptions, CheckProgress, CheckReport, Finding } from './check/index.js'
export type { Database } from './database.js'
export { EndmarkError, ERROR_CODES, type ErrorCode } from './errors.js'
export type { OpenOptions, PoolOptions, SnapshotOptions, WatchOptions } from './options.js'
export type { DatabaseStats } from './stats.js'
export type {
  ColumnType,
  ColumnValue,
  CommitOptions,
  KeyBound,
  KeyType,
  MapChange,
  MapOptions,
  OrderedMap,
  RangeOptions,
  StoreChange,
  StoreInfo,
  Table,
  TableKey,
  TableOptions,
} from './store/index.js'
export type {
  Change,
  Changes,
  CheckpointReport,
  CheckpointRequest,
  LongReader,
  PartToScan,
  PoolCallOptions,
  PoolStats,
  ReaderPool,
  ScanOptions,
  Snapshot,
  Transaction,
  Transfer,
} from './txn/index.js'
export { transfer } from './txn/index.js'
export type { Synchronous } from './units.js'
export type { ReaderInfo } from './wal/index.js'
