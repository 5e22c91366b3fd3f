/**
 * Endmark: an embedded, transactional storage engine. Many processes and threads share one SQLite database file; readers
 * never block, and all who wait commit together.
 *
 * The composition root: the only file that knows which vfs and which committer a Database gets.
 */
import { Database } from './database.js'
import { invalidArgument } from './errors.js'
import { type OpenOptions, resolveOptions } from './options.js'
import { nodeVfs } from './vfs/index.js'
import { attach, detach, runAsync } from './wal/index.js'

/**
 * Opens a database, and creates it if it is missing. A rollback-journal database is switched to WAL unless it is opened
 * with `readOnly`. Do not open the same file with a SQLite library in the same process: closing it there drops locks.
 *
 * @param path the main file; -wal and -shm lie beside it
 * @throws (rejects) ENDMARK_NOT_FOUND if it is missing and `create` is false, or its folder is missing;
 *   ENDMARK_NOT_A_DATABASE; ENDMARK_CORRUPT; ENDMARK_UNSUPPORTED for what is not understood, by name; ENDMARK_BUSY if
 *   another connection kept it locked past `timeout`; ENDMARK_READONLY; ENDMARK_IO; ENDMARK_INVALID_ARGUMENT
 */
export async function open(path: string, options?: OpenOptions): Promise<Database> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    const given = typeof path === 'string' ? JSON.stringify(path) : typeof path
    throw invalidArgument(`path is a string without NUL that is not empty, not ${given}`)
  }
  const resolved = resolveOptions(options)
  const attachment = await runAsync(
    attach(path, {
      vfs: nodeVfs(),
      create: resolved.create,
      readOnly: resolved.readOnly,
      pageSize: resolved.pageSize,
      timeoutMs: resolved.timeout,
    }),
  )
  try {
    return new Database(attachment, resolved)
  } catch (error) {
    // Refused: as if only for reading, so that the file stays as it was.
    detach({ ...attachment, readOnly: true }, resolved.synchronous)
    throw error
  }
}

export type { CheckpointReport, CheckpointRequest, Database } from './database.js'
export { EndmarkError, ERROR_CODES, type ErrorCode } from './errors.js'
export type { OpenOptions } from './options.js'
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
  StoreInfo,
  Table,
  TableKey,
  TableOptions,
} from './store/index.js'
export type { Snapshot, Transaction } from './txn/index.js'
export type { Synchronous } from './units.js'
