/** All tasks, by the name they are asked for with. */
import { bulkLoad } from './bulk-load.js'
import { commitLoop } from './commit-loop.js'
import { fullScan } from './full-scan.js'
import { getMany } from './get-many.js'
import { growLog } from './grow-log.js'
import { holdSnapshot } from './hold-snapshot.js'
import { openToRead } from './open-to-read.js'
import { partScan } from './part-scan.js'
import { pointReads } from './point-reads.js'
import { rangeScans } from './range-scans.js'
import { residentMemory } from './resident-memory.js'
import type { Task } from './task.js'
import { turnReads } from './turn-reads.js'
import { ycsb } from './ycsb.js'

const TASKS = {
  bulkLoad,
  commitLoop,
  fullScan,
  getMany,
  growLog,
  holdSnapshot,
  openToRead,
  partScan,
  pointReads,
  rangeScans,
  residentMemory,
  turnReads,
  ycsb,
}

export type TaskName = keyof typeof TASKS
export type TaskParameters<Name extends TaskName> = Parameters<(typeof TASKS)[Name]>[1]
export type TaskResult<Name extends TaskName> = Awaited<ReturnType<(typeof TASKS)[Name]>>

/** `Agent.run` has seen to it that the name and the parameters are right. */
export function taskNamed(name: string): Task<unknown, unknown> {
  return TASKS[name as TaskName] as Task<unknown, unknown>
}
