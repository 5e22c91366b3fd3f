/**
 * What the writer and the reader processes have in common: they are told where the database is, work in
 * rounds until the time is over, and report what they have done. A second message ends them sooner, and so does the end of the
 * main process, about which they say nothing.
 */
import { type Database, open } from '../../src/index.js'
import { type CityTable, openCities } from './cities.js'
import { EventLoopStall } from './event-loop-stall.js'
import type { WorkerProgress, WorkerStart } from './messages.js'

const REPORT_INTERVAL_MS = 200

export interface Work extends WorkerStart {
  readonly db: Database
  readonly cities: CityTable
  readonly count: Counters
  readonly stall: EventLoopStall
  /** Ends the rounds before the time is over. */
  readonly ending: AbortSignal
}

export interface Counters {
  commits: number
  reads: number
  scans: number
  violations: string[]
}

/** Runs `lanes` loops of `round` at the same time in this process. */
export async function runWorker(lanes: number, round: (work: Work) => void | Promise<void>): Promise<void> {
  const ending = new AbortController()
  const start = await beTold(ending)
  if (start === null) return
  const db = await open(start.path, { create: false, writer: start.writer })
  const count: Counters = { commits: 0, reads: 0, scans: 0, violations: [] }
  const stall = new EventLoopStall()
  const work: Work = { ...start, db, cities: await openCities(db), count, stall, ending: ending.signal }
  const timer = setInterval(() => report(work, false), REPORT_INTERVAL_MS)

  stall.start()
  await Promise.all(Array.from({ length: lanes }, () => repeat(work, round)))

  clearInterval(timer)
  await report(work, true)
  await db.close()
  if (process.connected) process.disconnect()
}

/** @returns null: the main process has gone before it said anything */
function beTold(ending: AbortController): Promise<WorkerStart | null> {
  return new Promise((resolve) => {
    process.once('message', (start) => {
      process.once('message', () => ending.abort())
      resolve(start as WorkerStart)
    })
    process.once('disconnect', () => {
      ending.abort()
      resolve(null)
    })
  })
}

async function repeat(work: Work, round: (work: Work) => void | Promise<void>): Promise<void> {
  // On a machine that is busy, the time may be over before the first round.
  do {
    await round(work)
    await nextTurn()
  } while (!work.ending.aborted && Date.now() < work.endTime)
}

/** Lets everything else have the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function report({ count, db, stall }: Work, isLast: boolean): Promise<void> {
  const progress: WorkerProgress = {
    ...count,
    checkpoints: db.stats().checkpoints,
    stallMaxMs: stall.maxMs,
    stallP99Ms: stall.p99Ms,
    isLast,
  }
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    // That nobody reads it any more is no failure of ours.
    else process.send(progress, undefined, undefined, () => resolve())
  })
}

export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound)
}
