/** All workloads, in the order in which they run: those that leave the common database as it was come first. */
import type { Workload } from '../bench.js'
import { durableCommits } from './durable-commits.js'
import { fairness } from './fairness.js'
import { fullScanWorkload } from './full-scan.js'
import { getManyWorkload } from './get-many.js'
import { normalCommits } from './normal-commits.js'
import { parallelScan } from './parallel-scan.js'
import { pointReadsWorkload } from './point-reads.js'
import { rangeScansWorkload } from './range-scans.js'
import { scaling } from './scaling.js'

export const WORKLOADS: readonly Workload[] = [
  pointReadsWorkload,
  getManyWorkload,
  rangeScansWorkload,
  fullScanWorkload,
  scaling,
  parallelScan,
  durableCommits,
  normalCommits,
  fairness,
]
