/** What `db.stats()` reports: the shared state as it is now, and counts of this Database. */
import type { CommittedPages } from './pager/index.js'
import type { ReaderInfo, Wal } from './wal/index.js'

export interface DatabaseStats {
  /** Bytes per page. */
  readonly pageSize: number
  /** Pages of the newest committed state. */
  readonly pageCount: number
  /** Frames in the log: the newest end mark (SQLite's mxFrame). */
  readonly logFrames: number
  /** Length of the -wal file in bytes; a restarted log keeps its length. */
  readonly logSizeBytes: number
  /** Frames of the log that are in the main file already. */
  readonly backfilled: number
  /** The five read marks; null where no reader may use the slot. Slot 0 stands for the main file alone. */
  readonly readMarks: readonly (number | null)[]
  /** Snapshots and iterators that this Database holds open. */
  readonly openSnapshots: number
  /**
   * Snapshots of all processes that are older than a second, the oldest first. Not among them: readers of SQLite, and those of
   * a thread that has not come back to its event loop since.
   */
  readonly readers: readonly ReaderInfo[]
  /** Checkpoints that this Database has started by itself and completed. */
  readonly checkpoints: number
  /** Why the last of them failed, or null. Nothing is lost: the log keeps every frame until a later one succeeds. */
  readonly checkpointFailure: unknown
  /** Who commits for this Database now. */
  readonly writer: WriterStats
}

export interface WriterStats {
  /**
   * `inline`: this Database by itself, there is no writer process; `direct`: by itself although a writer process is
   * connected, as that is faster for someone who is alone; `remote`: the writer process.
   */
  readonly mode: 'inline' | 'direct' | 'remote'
  /** Process id of the writer process that is connected, or null. */
  readonly pid: number | null
  /** Why the last attempt to start or reach a writer process failed, or the last connection broke; null if none did. */
  readonly failure: unknown
}

export type OwnCounts = Pick<
  DatabaseStats,
  'checkpoints' | 'checkpointFailure' | 'openSnapshots' | 'readers' | 'writer'
>

export function collectStats(wal: Wal, pages: CommittedPages, own: OwnCounts): DatabaseStats {
  return {
    pageSize: pages.pageSize,
    pageCount: pages.pageCount,
    logFrames: pages.endMark,
    logSizeBytes: wal.log.file.size(),
    backfilled: Math.min(wal.index.backfill, pages.endMark),
    readMarks: wal.index.readMarks(),
    ...own,
  }
}
