/**
 * What is recorded of a run, outside the database.
 *
 * The data are chosen so that the record decides. Every key holds a version number and the name of the transaction that
 * wrote it, and whoever writes a key has read it before: version v + 1 is written by who saw v. So the versions of a key are one chain
 * of known writers, and who read what is known of every read. Each lane, a caller that has one transaction at a time, has a row of
 * its own that each of its transactions rewrites; it holds the records of those that may not have been reported yet. The lane's next
 * transaction finds there whether one that was cut off by a kill was committed, and settles it for good: what is still under
 * way of the old one has read the row as well, and cannot be committed after it.
 */

/** Names a transaction: `lane:number`. */
export type TransactionName = string

/** `writer` of a key that nobody has written yet. */
export const NOBODY: TransactionName = '-'

export interface KeyRead {
  readonly key: number
  readonly version: number
  readonly writer: TransactionName
}

/** What one run of a transaction, or of a snapshot, has seen and done. It stands in the row of its lane, too. */
export interface TransactionRecord {
  readonly name: TransactionName
  readonly reads: readonly KeyRead[]
  /** Keys that it wrote, each with the version after the one that it read. */
  readonly writes: readonly { readonly key: number; readonly version: number }[]
}

/**
 * A committed transaction, or a snapshot, in the order of the coordinator's clock, which counts what it sends and receives: it took
 * effect at one point between `begin` and `end`.
 */
export interface HistoryEntry extends TransactionRecord {
  readonly begin: number
  /** Null: its process was killed before it told. */
  readonly end: number | null
}

/** One key as it stands: at the start and the end of a segment of the history. */
export interface KeyState {
  readonly version: number
  readonly writer: TransactionName
}

/** A stretch of a run between two moments at which nothing was under way. */
export interface History {
  /** By key. */
  readonly before: readonly KeyState[]
  readonly after: readonly KeyState[]
  readonly entries: readonly HistoryEntry[]
}
