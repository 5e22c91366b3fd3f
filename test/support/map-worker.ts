/** A worker thread that maps a file through one provider, adds to a counter in it and tells what it saw. */
import { parentPort, workerData } from 'node:worker_threads'
import { type MapProviderName, nodeVfs } from '../../src/vfs/index.js'

export interface MapWorkerData {
  readonly path: string
  readonly mapProvider: MapProviderName
  readonly additions: number
}

const { path, mapProvider, additions } = workerData as MapWorkerData
const file = nodeVfs({ mapProvider }).open(path, {})
const bytes = file.map(0, file.size(), { writable: true })
file.close()
const counters = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
for (let done = 0; done < additions; done++) Atomics.add(counters, 0, 1)
parentPort?.postMessage({ lastByte: bytes[bytes.length - 1] })
