/** Publishes headers of a wal-index as fast as it can, until the flag it shares with the test is cleared. */
import { workerData } from 'node:worker_threads'
import { frameNumber } from '../../src/units.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { IndexHeader } from '../../src/wal/index-header.js'
import { WalIndex } from '../../src/wal/wal-index.js'

const { path, flag } = workerData as { path: string; flag: Int32Array }
const index = new WalIndex(nodeVfs().open(path, {}))
index.open()
const header = new IndexHeader()
header.reset(4096, false)
for (let n = 1; Atomics.load(flag, 0) === 1; n = (n % 1000) + 1) {
  header.advance(frameNumber(n), n * 7)
  header.setSalts(n, ~n >>> 0)
  index.publish(header)
}
