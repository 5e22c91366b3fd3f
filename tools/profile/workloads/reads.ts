/** Reads, each by itself in the newest state; the event loop gets its turn between slices of them. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { open } from '../engine.js'
import { mapOf, RandomKeys } from '../rows.js'
import type { Workload } from './workload.js'

const READS_PER_TURN = 1000
const KEYS_PER_CALL = 64
/** Beside a writer: each turn finds a newer state. */
const READS_PER_STATE = 50

type Map = Awaited<ReturnType<typeof mapOf>>

function reads(readSome: (map: Map, keys: RandomKeys) => number): Workload['run'] {
  return async (path, limits) => {
    const db = await open(path, { writer: 'inline' })
    const map = await mapOf(db)
    const keys = new RandomKeys(limits.rowCount)
    let count = 0
    for (; !limits.isOver(count); await nextTurn()) count += readSome(map, keys)
    await db.close()
    return count
  }
}

function getEach(count: number) {
  return (map: Map, keys: RandomKeys): number => {
    for (let read = 0; read < count; read++) requireFound(map.get(keys.next()))
    return count
  }
}

function getMany(map: Map, keys: RandomKeys): number {
  for (let read = 0; read < READS_PER_TURN; read += KEYS_PER_CALL) {
    for (const value of map.getMany(keys.take(KEYS_PER_CALL))) requireFound(value)
  }
  return READS_PER_TURN
}

function scan(map: Map): number {
  let count = 0
  for (const [, value] of map.entries()) {
    requireFound(value)
    count++
  }
  return count
}

function requireFound(value: Uint8Array | undefined): void {
  if (value === undefined) throw new Error('a row is missing')
}

export const pointReads: Workload = {
  name: 'point-reads',
  about: 'random point reads, each by itself',
  companions: [],
  run: reads(getEach(READS_PER_TURN)),
}

export const manyReads: Workload = {
  name: 'get-many',
  about: `random reads, ${KEYS_PER_CALL} keys in one getMany`,
  companions: [],
  run: reads(getMany),
}

export const fullScan: Workload = {
  name: 'full-scan',
  about: 'for…of over all entries',
  companions: [],
  run: reads(scan),
}

export const readerUnderWriter: Workload = {
  name: 'reader-under-writer',
  about: `random point reads, ${READS_PER_STATE} in each turn, beside a process that commits all the time (normal)`,
  companions: [{ kind: 'commits', callers: 64, synchronous: 'normal', inline: true }],
  run: reads(getEach(READS_PER_STATE)),
}
