/** A worker thread with a Database of its own: adds rows or moves amounts until it is done or terminated. */
import { parentPort, workerData } from 'node:worker_threads'
import { open } from '../../src/index.js'

export interface ThreadTask {
  readonly path: string
  readonly kind: 'add' | 'endless'
  readonly count: number
}

const { path, kind, count } = workerData as ThreadTask
const db = await open(path, { autoCheckpoint: 50 })
const totals = await db.map<string, number>('totals', { key: 'text', value: 'integer' })
if (kind === 'add') {
  for (let i = 0; i < count; i++) {
    await db.transaction((tx) => tx.put(totals, 'sum', (tx.get(totals, 'sum') ?? 0) + 1))
  }
  await db.close()
  parentPort?.postMessage('done')
} else {
  parentPort?.postMessage('running')
  for (;;) {
    await db.transaction((tx) => {
      tx.put(totals, 'left', (tx.get(totals, 'left') ?? 0) + 1)
      tx.put(totals, 'right', (tx.get(totals, 'right') ?? 0) + 1)
    })
    for (const pair of totals.entries()) if (pair[1] < 0) throw new Error('never')
  }
}
