import { bulkLoadRandom, bulkLoadSorted } from './bulk-loads.js'
import { clientProcess, loneCommits, manyCallers, writerProcess } from './commits.js'
import { fullScan, manyReads, pointReads, readerUnderWriter } from './reads.js'
import type { Workload } from './workload.js'

export const WORKLOADS: readonly Workload[] = [
  pointReads,
  manyReads,
  fullScan,
  bulkLoadSorted,
  bulkLoadRandom,
  loneCommits,
  manyCallers,
  clientProcess,
  writerProcess,
  readerUnderWriter,
]

export type { Companion, WorkLimits, Workload } from './workload.js'
