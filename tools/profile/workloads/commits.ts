/** One-row durable commits (`full`). */
import { open, startWriter } from '../engine.js'
import { mapOf, nextValue, RandomKeys } from '../rows.js'
import type { Companion, WorkLimits, Workload } from './workload.js'

const CALLERS = 64
const LOOK_MS = 10
const CLIENT: Companion = { kind: 'commits', callers: CALLERS, synchronous: 'full', inline: false }

function commits(callers: number, writer: 'inline' | 'auto'): Workload['run'] {
  return async (path, limits) => {
    const db = await open(path, { writer, synchronous: 'full' })
    const map = await mapOf(db)
    const keys = new RandomKeys(limits.rowCount)
    let count = 0
    const caller = async () => {
      for (; !limits.isOver(count); count++) await map.put(keys.next(), nextValue())
    }
    await Promise.all(Array.from({ length: callers }, caller))
    await db.close()
    return count
  }
}

/** The writer process itself, until its time is over. */
async function serve(path: string, limits: WorkLimits): Promise<number> {
  const writer = await startWriter(path)
  let count = 0
  const timer = setInterval(() => {
    if (writer.isEnding) return
    count = writer.stats().transactions
    if (limits.isOver(count)) void writer.stop('the profile is complete')
  }, LOOK_MS)
  await writer.ended
  clearInterval(timer)
  return count
}

export const loneCommits: Workload = {
  name: 'lone-commits',
  about: 'durable one-row commits of one caller',
  companions: [],
  run: commits(1, 'inline'),
}

export const manyCallers: Workload = {
  name: 'callers-64',
  about: `durable one-row commits of ${CALLERS} callers in one process`,
  companions: [],
  run: commits(CALLERS, 'inline'),
}

export const clientProcess: Workload = {
  name: 'client',
  about: `durable one-row commits of 4 processes with ${CALLERS} callers each through a writer process: one of the clients`,
  companions: [{ kind: 'writer process' }, CLIENT, CLIENT, CLIENT],
  run: commits(CALLERS, 'auto'),
}

export const writerProcess: Workload = {
  name: 'writer-process',
  about: 'the same: the writer process',
  companions: [CLIENT, CLIENT, CLIENT, CLIENT],
  run: serve,
}
