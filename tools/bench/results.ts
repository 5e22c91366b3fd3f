/** The figures of a run as they are kept in JSON: everything that the report needs, and every round. */
import type { Figures } from './figures.js'

export interface Results {
  readonly time: string
  readonly machine: Machine
  readonly options: Readonly<Record<string, unknown>>
  /** Of the stores, by the names of their packages. */
  readonly versions: Readonly<Record<string, string>>
  /** Stores that could not be measured here, and why. */
  readonly absent: readonly Absence[]
  readonly workloads: readonly WorkloadResult[]
  readonly failures: readonly Failure[]
}

/** In general terms only: what figures depend on, and nothing that tells one machine from the next of its kind. */
export interface Machine {
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly memoryMb: number
  readonly fileSystem: string
  /** Of a file of 4 KiB that is overwritten again and again: median. */
  readonly syncMs: number
}

export interface Absence {
  readonly store: string
  readonly reason: string
}

export interface Failure {
  readonly workload: string
  readonly message: string
}

export interface WorkloadResult {
  readonly workload: string
  readonly title: string
  /** What is done and how it is timed, for whoever reads the tables. */
  readonly about: string
  readonly rows: readonly ResultRow[]
  readonly series?: readonly Series[]
}

export interface ResultRow {
  readonly case: string
  /** The case as a number, where cases are points of an axis. */
  readonly x?: number
  readonly store: string
  readonly conditions: Conditions
  /** Of all rounds together. */
  readonly figures: Figures
  readonly rounds: readonly Figures[]
  /** Latencies in ms by the share of calls that took no longer: all rounds together. */
  readonly quantiles?: readonly (readonly [share: number, ms: number])[]
  readonly note?: string
}

export interface Conditions {
  readonly rows: number
  /** Size of the database file. */
  readonly dataMb: number
  /** Of the machine. */
  readonly memoryMb: number
  readonly keyBytes: number
  readonly valueBytes: number
  readonly synchronous: 'full' | 'normal'
  /** Processes, or threads where the case says so, that work at the same time. */
  readonly processes: number
  /** Calls that wait at the same time, in each process. */
  readonly outstanding: number
}

/** A curve over time. */
export interface Series {
  readonly name: string
  /** Seconds, MB. */
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Workloads of later files replace those of earlier ones. */
export function mergeResults(files: readonly Results[]): Results {
  const last = files.at(-1)
  if (last === undefined) throw new Error('no results are given')
  const workloads = new Map<string, WorkloadResult>()
  const failures = new Map<string, Failure>()
  for (const file of files) {
    for (const result of file.workloads) {
      workloads.set(result.workload, result)
      failures.delete(result.workload)
    }
    for (const failure of file.failures) failures.set(failure.workload, failure)
  }
  return { ...last, workloads: [...workloads.values()], failures: [...failures.values()] }
}
