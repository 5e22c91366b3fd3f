/**
 * What a store must offer to be measured. Keys are texts of 16 bytes (or the same as blobs, for whole scans), values blobs of
 * 100, in every store alike. A workload that asks for more adds a method here and to each peer.
 */
export interface Peer {
  /** How the two kinds of commits are asked for, in the words of the store. */
  readonly settings: Readonly<Record<Durability, string>>
  /** Opens the database at `path`; makes it, with nothing in it, if the settings say so. */
  open(path: string, settings: OpenSettings): Promise<Connection>
}

/** `full`: an acknowledged commit survives power loss. `normal`: it survives the death of its process, power loss may take the newest. */
export type Durability = 'full' | 'normal'

export interface OpenSettings {
  readonly create?: boolean
  readonly keys: 'text' | 'blob'
  readonly synchronous: Durability
  /** Frames of the log after which a checkpoint starts, 0 for never; the store's default if absent. Only where there is such a log. */
  readonly autoCheckpoint?: number
  /** Endmark only. */
  readonly walLimit?: number
  readonly snapshotTimeout?: number
}

export interface Row {
  readonly key: string
  readonly value: Uint8Array
}

export interface Scanned {
  readonly rows: number
  readonly bytes: number
}

/** One committed state, until it is closed. */
export interface State {
  get(key: string): Uint8Array | undefined
  close(): void
}

export interface Connection {
  /** The value in the newest committed state, copied out. */
  get(key: string): Uint8Array | undefined
  /** The values of many keys in the way that is fastest for the store without further thought. */
  getMany(keys: readonly string[]): readonly (Uint8Array | undefined)[] | Promise<readonly (Uint8Array | undefined)[]>
  snapshot(): State
  /** Goes over all rows in the store's own loop, keys and values as Buffers if the keys are blobs. */
  scanAll(): Scanned | Promise<Scanned>
  /** From `start` (inclusive) to `end` (exclusive). */
  scanBetween(start: string, end: string): Scanned | Promise<Scanned>
  /** Up to `limit` rows from `start` (inclusive) on, in either direction. */
  scanForward(start: string, limit: number): Scanned | Promise<Scanned>
  scanBackward(start: string, limit: number): Scanned | Promise<Scanned>
  /**
   * Replaces the value of a key as a commit of its own. A store that blocks the thread has it done when it returns, the others when
   * the promise resolves.
   * @throws (or rejects) after five seconds of waiting for a lock; `isBusy` tells this from other errors
   */
  put(key: string, value: Uint8Array): Promise<unknown> | undefined
  /** Reads a value and puts another in its place, in one transaction where the store has any. */
  modify(key: string, change: (value: Uint8Array | undefined) => Uint8Array): Promise<unknown> | undefined
  /** Puts all rows in one atomic commit. A value may be overwritten by the next of the iterator once that is asked for. */
  load(rows: Iterable<Row>): Promise<void>
  isBusy(error: unknown): boolean
  /** Who commits for this connection now, in the words of the store; null if it has only one way. */
  way(): string | null
  close(): Promise<void>
}

/** How long a connection waits for a lock, in each store that can be told. */
export const BUSY_TIMEOUT_MS = 5000

/** A key as it is stored. */
export function storedKey(key: string, { keys }: OpenSettings): string | Buffer {
  return keys === 'blob' ? Buffer.from(key, 'latin1') : key
}
