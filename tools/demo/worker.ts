/**
 * What the writer and the reader processes have in common: they are told where the database is, work in
 * rounds until the time is over, and report what they have done.
 */
import { once } from 'node:events'
import { type Database, open } from '../../src/index.js'
import { type CityTable, openCities } from './cities.js'
import type { WorkerProgress, WorkerStart } from './messages.js'

const REPORT_INTERVAL_MS = 200

export interface Work extends WorkerStart {
  readonly db: Database
  readonly cities: CityTable
  readonly count: Counters
}

export interface Counters {
  commits: number
  reads: number
  scans: number
  violations: string[]
}

/** Runs `lanes` loops of `round` at the same time in this process. */
export async function runWorker(lanes: number, round: (work: Work) => void | Promise<void>): Promise<void> {
  const [start] = (await once(process, 'message')) as [WorkerStart]
  const db = await open(start.path, { create: false })
  const count: Counters = { commits: 0, reads: 0, scans: 0, violations: [] }
  const work: Work = { ...start, db, cities: await openCities(db), count }
  const timer = setInterval(() => report(work, false), REPORT_INTERVAL_MS)

  await Promise.all(Array.from({ length: lanes }, () => repeat(work, round)))

  clearInterval(timer)
  await report(work, true)
  await db.close()
  process.disconnect()
}

async function repeat(work: Work, round: (work: Work) => void | Promise<void>): Promise<void> {
  while (Date.now() < work.endTime) {
    await round(work)
    await new Promise(setImmediate)
  }
}

function report({ count, db }: Work, isLast: boolean): Promise<void> {
  const progress: WorkerProgress = { ...count, checkpoints: db.stats().checkpoints, isLast }
  return new Promise((resolve) => process.send?.(progress, undefined, undefined, () => resolve()))
}

export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound)
}
