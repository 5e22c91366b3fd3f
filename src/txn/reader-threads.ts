/**
 * The threads behind a `ReaderPool`, as the engine sees them, and what they are asked to do. Types only: threads are started
 * in workers/, which the engine knows by this interface alone.
 */
import type { HandedState } from '../wal/index.js'

export interface ReaderThreadsOptions {
  /** How many; undefined: as many as the machine runs at once. */
  readonly count: number | undefined
  /** How long a thread waits for a lock. */
  readonly timeoutMs: number
  /** Bytes that decoded pages may take, in all threads together. */
  readonly cacheLimitBytes: number
}

/** Starts threads that have the database open when it resolves; rejects with what kept one of them from that. */
export type OpenReaderThreads = (path: string, options: ReaderThreadsOptions) => Promise<ReaderThreads>

export interface ReaderThreads {
  readonly count: number
  /** Threads that took the place of one that ended. */
  readonly restarts: number
  /** Why the last of these ended by itself, or null if none did. */
  readonly failure: unknown
  /**
   * Has a thread do it. At most `count` at once.
   * @returns what the task is described to give
   * @throws (rejects) what was thrown in the thread; ENDMARK_IO if the thread has ended; ENDMARK_CLOSED
   */
  run(task: ReadTask): Promise<unknown>
  /** The same; an abort ends the thread at whatever it is doing, and another takes its place. */
  runUntil(task: ReadTask, signal: AbortSignal): Promise<unknown>
  /** Ends all threads at whatever they are doing; resolves when they have ended. Idempotent. */
  close(): Promise<void>
}

/** Which state to read; null: the newest when the thread begins. */
export type TaskState = HandedState | null

/** A store by what a thread needs to open it. */
export interface StoreAddress {
  readonly kind: 'map' | 'table'
  readonly name: string
}

/** Plain data, copied to the thread. */
export type ReadTask =
  /** Opens the database; gives nothing. */
  | { readonly kind: 'open' }
  /** Gives the values in the order of the keys. */
  | {
      readonly kind: 'getMany'
      readonly state: TaskState
      readonly store: StoreAddress
      readonly keys: readonly unknown[]
    }
  /** Gives what the module's function returned. */
  | { readonly kind: 'run'; readonly state: TaskState; readonly module: string; readonly args: unknown }
  /** Gives a `PartResult`. */
  | {
      readonly kind: 'scan'
      readonly state: TaskState
      readonly module: string
      readonly args: unknown
      readonly store: StoreAddress
      readonly range: object
      /** 0-based. */
      readonly part: number
    }
  /** Gives what the module's `merge` returned. */
  | { readonly kind: 'merge'; readonly module: string; readonly args: unknown; readonly results: readonly unknown[] }

/** What a scan made of one part. */
export interface PartResult {
  readonly result: unknown
  /** The module exports `merge`. */
  readonly merges: boolean
}
