/** What a process keeps in memory: connected and idle, after point reads, after a scan. */
import { setTimeout as delay } from 'node:timers/promises'
import { type MemoryUse, memoryUse } from '../memory.js'
import { xorshift32 } from '../random.js'
import { keyOf, requireValue } from '../rows.js'
import { requireAllRows } from './scanned.js'
import type { Subject } from './task.js'

export interface ResidentMemory {
  readonly rowCount: number
  readonly reads: number
}

export interface ResidentMemoryResult {
  readonly idle: MemoryUse
  readonly afterReads: MemoryUse
  readonly afterScan: MemoryUse
}

/** Long enough for what a store does at the end of a turn, or a little later. */
const SETTLE_MS = 100
const READS_PER_TURN = 10_000
const SEED = 3

export async function residentMemory(
  { connection }: Subject,
  { rowCount, reads }: ResidentMemory,
): Promise<ResidentMemoryResult> {
  requireValue(connection.get(keyOf(0)), 0)
  const idle = await settledMemory()
  const random = xorshift32(SEED)
  for (let done = 0; done < reads; done += READS_PER_TURN) {
    for (let count = 0; count < READS_PER_TURN; count++) {
      const row = random() % rowCount
      requireValue(connection.get(keyOf(row)), row)
    }
    await delay(0)
  }
  const afterReads = await settledMemory()
  requireAllRows(await connection.scanAll(), rowCount)
  return { idle, afterReads, afterScan: await settledMemory() }
}

async function settledMemory(): Promise<MemoryUse> {
  await delay(SETTLE_MS)
  globalThis.gc?.()
  await delay(SETTLE_MS)
  return memoryUse()
}
