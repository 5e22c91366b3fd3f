/** What the coordinator and its processes say to each other over the pipes that Node opens for them. */
import type { OpenOptions } from '../../src/index.js'
import type { KeyRead } from './history.js'
import type { WriteResult } from './workload.js'

/** Command line of a worker, as JSON. */
export interface WorkerSettings {
  readonly path: string
  readonly options: Pick<OpenOptions, 'writer' | 'synchronous' | 'autoCheckpoint'>
}

/** One transaction: reads `keys`, writes the first `writeCount` of them. */
export interface WriteCommand {
  readonly type: 'write'
  readonly id: number
  readonly lane: number
  /** Of this transaction in its lane. */
  readonly number: number
  /** What became of the lane's transactions up to this one is known. */
  readonly knownUpTo: number
  readonly keys: readonly number[]
  readonly writeCount: number
  /** That the first key gives to each other one that is written. */
  readonly amount: number
  /** Throws at its end, and must leave no trace. */
  readonly isAborted: boolean
}

/** One snapshot, read at once and again after a while; `keys` null: all of them, by a range. */
export interface SnapshotCommand {
  readonly type: 'snapshot'
  readonly id: number
  readonly keys: readonly number[] | null
  readonly holdMs: number
}

export interface CheckpointCommand {
  readonly type: 'checkpoint'
  readonly id: number
  readonly mode: 'passive' | 'full' | 'restart' | 'truncate'
}

export interface EndCommand {
  readonly type: 'end'
  readonly id: number
}

export type Command = WriteCommand | SnapshotCommand | CheckpointCommand | EndCommand

export type Answer =
  /** It has the database open. */
  | { readonly type: 'ready' }
  /** The snapshot is taken; what it shows is read later. */
  | { readonly type: 'pinned'; readonly id: number }
  | { readonly type: 'written'; readonly id: number; readonly result: WriteResult }
  /** The transaction that was to throw has. */
  | { readonly type: 'aborted'; readonly id: number }
  | { readonly type: 'seen'; readonly id: number; readonly reads: readonly KeyRead[] }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }

/** What the probe has seen since it started. */
export interface ProbeReport {
  /** Looks at the header. */
  readonly looks: number
  /** Looks that found it changed since the one before. */
  readonly changes: number
  /** Generations of the log. */
  readonly generations: number
  /** Moments for which it held a lock and nothing could be allowed to change. */
  readonly holds: number
  readonly breaches: readonly string[]
}

/** What SQLite finds at the end. */
export interface RefereeReport {
  readonly integrity: string
  /** Keys and texts of `cells` and of `lanes`, in order. */
  readonly cells: readonly (readonly [number, string])[]
  readonly lanes: readonly (readonly [number, string])[]
}
