/** A worker thread with several connections of its own, all reading without end, until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads'
import { open } from '../../src/index.js'

export interface EndlessReaderData {
  readonly path: string
  readonly connections: number
}

const { path, connections } = workerData as EndlessReaderData
const databases = await Promise.all(Array.from({ length: connections }, () => open(path, { readOnly: true })))
const maps = await Promise.all(databases.map((db) => db.map<number, Uint8Array>('m')))
const held = databases.map((db) => db.snapshot())
parentPort?.postMessage('reading')
for (;;) {
  for (let i = 0; i < databases.length; i++) {
    const map = maps[i]!
    const snapshot = databases[i]!.snapshot()
    const [first] = snapshot.getMany(map, [0])
    for (const [, value] of snapshot.range(map, { lt: 50 })) {
      if (value[0] !== first![0]) throw new Error('two states in one snapshot')
    }
    snapshot.close()
    held[i]!.get(map, 1)
  }
}
