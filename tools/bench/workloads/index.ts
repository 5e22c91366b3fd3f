/** All workloads, in the order in which they run: those that leave the common database as it was come first. */
import type { Workload } from '../bench.js'
import { bulkLoadWorkload } from './bulk-load.js'
import { checkpointCommits } from './checkpoint-commits.js'
import { databaseGrowth } from './database-growth.js'
import { durableCommits, durableCommitsOfFewRows } from './durable-commits.js'
import { eventLoopStall } from './event-loop-stall.js'
import { fairness } from './fairness.js'
import { fullScanWorkload } from './full-scan.js'
import { getManyWorkload } from './get-many.js'
import { logGrowth } from './log-growth.js'
import { logSize } from './log-size.js'
import { memory } from './memory.js'
import { normalCommits } from './normal-commits.js'
import { openToRead } from './open-to-read.js'
import { parallelScan } from './parallel-scan.js'
import { pointReadsWorkload } from './point-reads.js'
import { rangeScansWorkload } from './range-scans.js'
import { readerLatency } from './reader-latency.js'
import { scaling } from './scaling.js'
import { ycsbWorkload } from './ycsb.js'

export const WORKLOADS: readonly Workload[] = [
  pointReadsWorkload,
  getManyWorkload,
  rangeScansWorkload,
  fullScanWorkload,
  scaling,
  parallelScan,
  openToRead,
  memory,
  databaseGrowth,
  bulkLoadWorkload,
  durableCommits,
  durableCommitsOfFewRows,
  normalCommits,
  ycsbWorkload,
  readerLatency,
  checkpointCommits,
  eventLoopStall,
  logGrowth,
  logSize,
  fairness,
]
