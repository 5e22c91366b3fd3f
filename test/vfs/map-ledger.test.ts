/** What a thread that was ended had mapped by koffi is unmapped by whoever waited for its end, and nothing else is. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { MapLedger, nodeVfs, unmapLeftBehind } from '../../src/vfs/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const VFS_URL = new URL('../../src/vfs/index.js', import.meta.url).href
const BLOCK_SIZE = 65536
const SOURCE = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.vfs).then(({ nodeVfs }) => {
    const file = nodeVfs({ mapProvider: 'koffi' }).open(workerData.path, {})
    const maps = Array.from({ length: workerData.count }, () => file.map(0, ${BLOCK_SIZE}, { writable: false }))
    parentPort.postMessage('mapped')
    for (let sum = 0; ; ) for (const map of maps) sum += map[sum % ${BLOCK_SIZE}]
  })`

function mappedRanges(path: string): number {
  return readFileSync('/proc/self/maps', 'utf8').split(path).length - 1
}

async function startThread(path: string, count: number, ledger: MapLedger | null): Promise<Worker> {
  const workerData = { vfs: VFS_URL, path, count, ...ledger?.toWorkerData() }
  const thread = new Worker(SOURCE, { eval: true, workerData })
  await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
  return thread
}

test('the maps of a thread that was ended are unmapped, those of others stay', async (t) => {
  const path = join(temporaryFolder(t), 'file')
  writeFileSync(path, Buffer.alloc(BLOCK_SIZE, 7))
  const own = nodeVfs({ mapProvider: 'koffi' }).open(path, {}).map(0, BLOCK_SIZE, { writable: false })
  const ledger = new MapLedger()
  const threads = [await startThread(path, 3, ledger), await startThread(path, 2, ledger)]
  const [first, second] = threads.map(({ threadId }) => threadId)
  t.is(mappedRanges(path), 6)
  await threads[0]!.terminate()
  unmapLeftBehind(ledger, first!)
  t.is(mappedRanges(path), 3)
  unmapLeftBehind(ledger, first!)
  t.is(mappedRanges(path), 3)
  await threads[1]!.terminate()
  unmapLeftBehind(ledger, second!)
  t.is(mappedRanges(path), 1)
  t.is(own[BLOCK_SIZE - 1], 7)
})

test('a full ledger keeps nobody from mapping, and an entry that was removed is not handed out', async (t) => {
  const path = join(temporaryFolder(t), 'file')
  writeFileSync(path, Buffer.alloc(BLOCK_SIZE, 7))
  const ledger = new MapLedger()
  const entries: (number | null)[] = []
  do entries.push(ledger.add(1, { address: 4096n, length: 1 }))
  while (entries.at(-1) !== null)
  t.true(entries.length > 1000)
  const thread = await startThread(path, 1, ledger)
  const { threadId } = thread
  await thread.terminate()
  t.deepEqual(ledger.takeAllOf(threadId), [])
  ledger.remove(entries[5]!)
  t.is(ledger.add(2, { address: 8192n, length: 3 }), entries[5]!)
  t.deepEqual(ledger.takeAllOf(2), [{ address: 8192n, length: 3 }])
  t.is(ledger.takeAllOf(1).length, entries.length - 2)
})
