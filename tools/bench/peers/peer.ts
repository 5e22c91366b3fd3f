/**
 * What a store must offer to be measured: a new database of rows, a connection to it, and one-row durable commits.
 * Keys are texts of 16 bytes, values blobs of 100, in every store alike. A workload that asks for more
 * adds a method here and to each peer that can do it.
 */
export interface Peer {
  /** Makes a new database at `path` that holds these rows, and closes it. */
  create(path: string, rows: Iterable<Row>): Promise<void>
  open(path: string): Promise<Connection>
}

export interface Row {
  readonly key: string
  readonly value: Uint8Array
}

export interface Connection {
  /**
   * Replaces the value of a key as a commit of its own that survives power loss. A store that blocks the thread has it done when it
   * returns, the others when the promise resolves.
   * @throws (or rejects) after five seconds of waiting for a lock; `isBusy` tells this from other errors
   */
  put(key: string, value: Uint8Array): Promise<unknown> | undefined
  isBusy(error: unknown): boolean
  /** Who commits for this connection now, in the words of the store; null if it has only one way. */
  way(): string | null
  close(): Promise<void>
}

/** How long a connection waits for a lock, in each store that can be told. */
export const BUSY_TIMEOUT_MS = 5000
