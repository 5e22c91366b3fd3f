/** What is profiled: one process at work on a database, with others beside it. */

/** A process beside the one that is profiled, until that one ends. */
export type Companion =
  /** `endmark serve`. */
  | { readonly kind: 'writer process' }
  /** So many commits under way at any time. `inline`: under the lock of this process. */
  | {
      readonly kind: 'commits'
      readonly callers: number
      readonly synchronous: 'normal' | 'full'
      readonly inline: boolean
    }

export interface Workload {
  readonly name: string
  /** In a line, for the usage. */
  readonly about: string
  readonly companions: readonly Companion[]
  /** Runs in the profiled process. @returns operations done */
  run(path: string, limits: WorkLimits): Promise<number>
}

/** For how long it works. */
export interface WorkLimits {
  /** Rows that the database begins with. */
  readonly rowCount: number
  isOver(operations: number): boolean
}
