/**
 * The two copies of the wal-index header, INDEX-1 and INDEX-3: what is torn is never taken for a state (trap (d)).
 *
 * The order of the copies is proven without their checksums, which alone tell most torn headers: publications are
 * recorded store by store, and replayed between any two loads of a reader that believes every checksum.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { nodeVfs } from '../../src/vfs/index.js'
import { IndexHeader } from '../../src/wal/index-header.js'
import { WalIndex } from '../../src/wal/wal-index.js'
import { stepAtomics } from '../simulated/atomic-steps.js'
import { connect } from '../support/connection.js'
import { readIndexFile } from '../support/independent-wal-reader.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const COPY_SIZE = 48
const COPY_WORDS = COPY_SIZE / 4

/** Changes the mapped file in place, as a writer that died half-way would have left it. */
async function damage(path: string, change: (bytes: Buffer) => void): Promise<void> {
  const file = await open(`${path}-shm`, 'r+')
  const bytes = Buffer.alloc(2 * COPY_SIZE)
  await file.read(bytes, 0, bytes.length, 0)
  change(bytes)
  await file.write(bytes, 0, bytes.length, 0)
  await file.close()
}

const DAMAGES: Readonly<Record<string, (bytes: Buffer) => void>> = {
  'a first copy that lags behind the second': (bytes) => {
    bytes[16]!--
  },
  'a second copy that differs in one word': (bytes) => {
    bytes[COPY_SIZE + 20]!++
  },
  'equal copies with a wrong checksum': (bytes) => {
    bytes[16]!++
    bytes[COPY_SIZE + 16]!++
  },
  'a header that is not initialised': (bytes) => bytes.fill(0),
  'random bytes that claim another version': (bytes) => {
    bytes.fill(0xa5)
    bytes[12] = 1
  },
}

for (const [what, change] of Object.entries(DAMAGES)) {
  test(`${what} is rebuilt from the log by whoever reads it first`, async (t) => {
    const path = join(temporaryFolder(t), 'app.db')
    const writer = connect(path)
    const reader = connect(path)
    await writer.fill([2, 3], 1)
    await writer.fill([3], 2)
    await damage(path, change)
    t.false(readIndexFile(`${path}-shm`).isSound)
    t.deepEqual(reader.contents(), [1, 2])
    t.true(readIndexFile(`${path}-shm`).isSound)
    await writer.fill([2], 3)
    t.deepEqual(reader.contents(), [3, 2])
    reader.close()
    writer.close()
  })
}

test('a torn header is waited for while a writer lives, and never read', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const writer = connect(path)
  const reader = connect(path, { timeoutMs: 30 })
  await writer.fill([2], 1)
  const whole = readFileSync(`${path}-shm`).subarray(0, COPY_SIZE)
  t.true(writer.wal.locks.tryExclusive('WRITE'))
  await damage(path, DAMAGES['a first copy that lags behind the second']!)
  t.throws(() => reader.contents(), { code: 'ENDMARK_BUSY' })
  await damage(path, (bytes) => bytes.set(whole))
  t.deepEqual(reader.contents(), [1])
  writer.wal.locks.releaseExclusive('WRITE')
  reader.close()
  writer.close()
})

test('a checkpoint that finds a torn header rebuilds the index under the CKPT lock it holds', async (t) => {
  // It used to wait for its own lock until the timeout, and the last closer then left the log behind.
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path, { timeoutMs: 200 })
  await connection.fill([2, 3], 1)
  await damage(path, DAMAGES['equal copies with a wrong checksum']!)
  t.deepEqual(await connection.checkpoint(), { busy: false, log: 3, checkpointed: 3 })
  await damage(path, DAMAGES['equal copies with a wrong checksum']!)
  t.is(connection.close(), null)
  t.false(nodeVfs().exists(`${path}-wal`))
})

test('a whole header of another version is refused and left alone', async (t) => {
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path)
  await connection.fill([2], 1)
  await damage(path, (bytes) => {
    const header = new IndexHeader()
    new Uint8Array(header.words.buffer).set(bytes.subarray(0, COPY_SIZE))
    header.words[0]!++
    header.seal()
    bytes.set(new Uint8Array(header.words.buffer))
    bytes.set(new Uint8Array(header.words.buffer), COPY_SIZE)
  })
  const before = readFileSync(`${path}-shm`)
  t.throws(() => connection.contents(), { code: 'ENDMARK_UNSUPPORTED', message: /another version/ })
  t.deepEqual(readFileSync(`${path}-shm`), before)
  connection.vanish()
})

/** An index without frames, and the words of the two copies as any other process has them. */
function emptyIndex(t: ExecutionContext<unknown>): { index: WalIndex; copies: Int32Array } {
  const file = nodeVfs().open(join(temporaryFolder(t), 'index'), { create: true })
  t.teardown(() => file.close())
  const index = new WalIndex(file)
  index.open()
  const map = file.map(0, 32_768, { writable: true })
  return { index, copies: new Int32Array(map.buffer, map.byteOffset, 2 * COPY_WORDS) }
}

/** A state of which no word is like that of another one. */
function stateOf(publication: number): IndexHeader {
  const header = new IndexHeader()
  for (let word = 0; word < COPY_WORDS; word++) header.words[word] = 1000 * publication + word
  header.seal()
  return header
}

/** The two copies before each store of the publications, and after the last. */
function copiesAtEachStore(index: WalIndex, copies: Int32Array, publications: readonly IndexHeader[]): Int32Array[] {
  const moments: Int32Array[] = []
  const end = stepAtomics((operation) => operation === 'store' && moments.push(copies.slice()))
  try {
    for (const header of publications) index.publish(header)
  } finally {
    end()
  }
  return [...moments, copies.slice()]
}

test('a header is published by storing all of copy 2, and then copy 1', (t) => {
  const { index, copies } = emptyIndex(t)
  const [old, next] = [stateOf(1), stateOf(2)]
  index.publish(old)
  const moments = copiesAtEachStore(index, copies, [next])
  t.is(moments.length, 2 * COPY_WORDS + 1)
  for (const [stores, moment] of moments.entries()) {
    const inCopy2 = Math.min(stores, COPY_WORDS)
    const inCopy1 = stores - inCopy2
    const expected = [old.words.slice(), old.words.slice()]
    expected[0]!.set(next.words.subarray(0, inCopy1))
    expected[1]!.set(next.words.subarray(0, inCopy2))
    t.deepEqual(
      [...moment],
      expected.flatMap((words) => [...words]),
      `after ${stores} stores`,
    )
  }
})

test('equal copies are one published state, without their checksum, wherever stores come between the loads', (t) => {
  /** Believes all that looks alike, so that only the order of stores and loads is left to tell what is torn. */
  class Credulous extends IndexHeader {
    override isValid(): boolean {
      return true
    }
  }
  const { index, copies } = emptyIndex(t)
  const states = [stateOf(1), stateOf(2), stateOf(3)]
  index.publish(states[0]!)
  const moments = copiesAtEachStore(index, copies, states.slice(1))
  const read = new Credulous()
  const seen = new Set<number>()
  for (const [first, atFirst] of moments.entries()) {
    for (let then = first; then < moments.length; then++) {
      for (let load = 1; load < 2 * COPY_WORDS; load++) {
        copies.set(atFirst)
        let loads = 0
        const end = stepAtomics(() => loads++ === load && copies.set(moments[then]!))
        const isRead = index.readHeader(read)
        end()
        if (!isRead) continue
        const state = states.findIndex((published) => published.equals(read))
        if (state < 0) t.fail(`${read.words.join(' ')} was read: store ${first}, load ${load}, store ${then}`)
        seen.add(state)
      }
    }
  }
  t.deepEqual([...seen], [0, 1, 2])
})

test('what one thread publishes together another one reads together', async (t) => {
  const path = join(temporaryFolder(t), 'index')
  const file = nodeVfs().open(path, { create: true })
  const index = new WalIndex(file)
  index.open()
  const flag = new Int32Array(new SharedArrayBuffer(4)).fill(1)
  const worker = new Worker(new URL('../support/publishing-worker.js', import.meta.url), { workerData: { path, flag } })
  const header = new IndexHeader()
  const seen = new Set<number>()
  let torn = 0
  // On a busy machine the worker may take long to start; after that it has some seconds at most.
  const isEnough = (ms: number) => seen.size >= 900 || (seen.size >= 2 && ms > 4000) || ms > 60_000
  for (const start = performance.now(); !isEnough(performance.now() - start); ) {
    for (let i = 0; i < 1000; i++) {
      if (!index.readHeader(header)) {
        if (seen.size > 0) torn++
        continue
      }
      const { endMark, pageCount, salt1, salt2 } = header
      seen.add(endMark)
      if (pageCount !== endMark * 7 || salt1 !== endMark || salt2 !== ~endMark >>> 0) {
        t.fail(`end mark ${endMark} was read with ${pageCount} pages and the salts ${salt1}, ${salt2}`)
      }
    }
    // Lets the worker start, and have the processor where there is only one.
    await new Promise((resolve) => setImmediate(resolve))
  }
  Atomics.store(flag, 0, 0)
  await new Promise((resolve) => worker.once('exit', resolve))
  t.log(`${seen.size} states, ${torn} torn reads refused`)
  t.true(seen.size >= 2)
  file.close()
})

test('two connections that open one database at once do not wipe out each other in the wal-index', async (t) => {
  // Both found the -shm too short and wrote zeros; the later ones hit a header that was published in between.
  const path = join(temporaryFolder(t), 'app.db')
  const first = connect(path)
  await first.fill([2], 1)
  const late = new WalIndex(nodeVfs().open(`${path}-shm`, {}))
  const header = new IndexHeader()
  writeFileSync(join(path, '..', 'short'), '123')
  const short = new WalIndex(nodeVfs().open(join(path, '..', 'short'), {}))
  t.false(short.readHeader(header), 'a file without block 0 has no header')
  t.deepEqual(readFileSync(join(path, '..', 'short'), 'latin1'), '123', 'reading does not extend it')
  t.true(late.readHeader(header))
  late.file.close()
  short.file.close()
  first.close()
})
