/** What the processes of the demo tell each other. */

/** First thing a worker is told. */
export interface WorkerStart {
  readonly path: string
  /** How it commits. */
  readonly writer: 'process' | 'inline'
  /** Ids of all cities, ascending. */
  readonly cityIds: readonly number[]
  /** Inhabitants of all cities, which no transaction changes. */
  readonly total: number
  /** Milliseconds since 1970 at which the worker ends. */
  readonly endTime: number
}

/** What a worker has done since it started; sent several times a second, and a last time when it ends. */
export interface WorkerProgress {
  readonly commits: number
  /** Point reads and range reads. */
  readonly reads: number
  /** Full sums. */
  readonly scans: number
  readonly checkpoints: number
  /** How late the event loop was, in milliseconds: at most, and in 99 of 100 looks. */
  readonly stallMaxMs: number
  readonly stallP99Ms: number
  /** What must never be seen, in words. */
  readonly violations: readonly string[]
  readonly isLast: boolean
}

/** What the writer process has done since it started. */
export interface ServingProgress {
  /** Transactions that it has committed for its clients, and one for each that has left. */
  readonly commits: number
  /** The appends to the log that this took. */
  readonly batches: number
  readonly checkpoints: number
  /** Connected now. */
  readonly clients: number
}
