/** Whoever closes the gates waits for a thread that is inside; a thread waits at a closed gate. */
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { ThreadGates } from '../../src/vfs/index.js'
import { until } from '../support/until.js'

const VFS_URL = new URL('../../src/vfs/index.js', import.meta.url).href
/** Passes its gate again and again, and counts in the first cell; the second is 1 while it is inside. */
const SOURCE = `
  const { threadId, workerData } = require('node:worker_threads')
  import(workerData.vfs).then(({ ThreadGates }) => {
    const gate = ThreadGates.ofThisThread().gateOf(threadId)
    const { cells } = workerData
    for (;;) {
      gate.pass(() => {
        Atomics.store(cells, 1, 1)
        for (let i = 0; i < 1000; i++) Atomics.add(cells, 0, 1)
        Atomics.store(cells, 1, 0)
      })
    }
  })`

async function countsOn(cells: Int32Array): Promise<void> {
  const before = Atomics.load(cells, 0)
  await until(() => Atomics.load(cells, 0) !== before, 'a thread to pass its gate')
}

/** Threads that wait at their gates. Each of them is woken, and tries again to pass. */
function waitingCount(gates: ThreadGates): number {
  const [cells] = Object.values(gates.toWorkerData()) as [Int32Array]
  let count = 0
  for (let at = 0; at < cells.length; at++) count += Atomics.notify(cells, at)
  return count
}

test('nobody is inside while the gates are closed, and those that are opened are passed again', async (t) => {
  const gates = new ThreadGates()
  const threads = [0, 1].map(() => {
    const cells = new Int32Array(new SharedArrayBuffer(8))
    const thread = new Worker(SOURCE, { eval: true, workerData: { vfs: VFS_URL, cells, ...gates.toWorkerData() } })
    gates.add(thread.threadId)
    t.teardown(() => thread.terminate())
    return { thread, cells, id: thread.threadId }
  })
  const [first, second] = [threads[0]!, threads[1]!]
  for (let round = 0; round < 50; round++) {
    await countsOn(first.cells)
    await countsOn(second.cells)
    gates.close()
    const seen = [Atomics.load(first.cells, 0), Atomics.load(second.cells, 0)]
    t.deepEqual([Atomics.load(first.cells, 1), Atomics.load(second.cells, 1)], [0, 0])
    if (round % 10 === 0) {
      // They come to their gates, try once more, and are there again.
      for (let attempt = 0; attempt < 2; attempt++) {
        await until(() => waitingCount(gates) === 2, 'both threads at their gates')
      }
    }
    t.deepEqual([Atomics.load(first.cells, 0), Atomics.load(second.cells, 0)], seen)
    gates.open(new Set([first.id, second.id]))
  }
  gates.close()
  await first.thread.terminate()
  gates.forget(first.id)
  gates.open(new Set([second.id]))
  await countsOn(second.cells)
  t.is(gates.gateOf(first.id), null)
})
