/** What the benchmark and its client processes tell each other. */
import type { LatencyCounts } from './latencies.js'
import type { PeerName } from './peers/index.js'

/** First thing a client is told; it answers `ready` when it is connected. */
export interface ClientStart {
  readonly peer: PeerName
  readonly path: string
  readonly rowCount: number
  /** Commits that wait at the same time. */
  readonly outstanding: number
  /** Tells this client's keys and values from those of the others. */
  readonly seed: number
}

/** The whistle, the same for all clients. Times are in milliseconds since 1970, fractions included. */
export interface ClientRun {
  /** The client works from here on, and nothing is counted yet. */
  readonly startTime: number
  readonly countFromTime: number
  readonly endTime: number
  /** Ends earlier, after so many counted commits. */
  readonly commitCountMax: number
}

/** Said at the end, when every commit that was begun has its outcome. */
export interface ClientResult {
  readonly kind: 'result'
  /** Commits that were done inside the counted time. */
  readonly commits: number
  /** Of the counted time, until the end or the last commit. */
  readonly elapsedMs: number
  /** Of all calls that ended after the start of the counted time and began before its end. */
  readonly latencies: LatencyCounts
  /** Calls that were told the database is busy, and repeated; the wait goes on through the repetition. */
  readonly busy: number
  /** Who committed for it in the end, if the store has several ways. */
  readonly way: string | null
}

export type FromClient = { readonly kind: 'ready' } | ClientResult
export type ToClient =
  | ({ readonly kind: 'start' } & ClientStart)
  | ({ readonly kind: 'run' } & ClientRun)
  | { readonly kind: 'stop' }
