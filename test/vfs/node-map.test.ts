/**
 * One suite for both providers of maps. That an `Int32Array` for `Atomics` over a map means the same to every
 * process and thread is what the wal-index rests on (trap (d) of the lock rules); in which order the two
 * copies of its header are read and written is tested with the wal-index.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { AssertionError } from '../../src/assert.js'
import type { EndmarkError } from '../../src/errors.js'
import { type MapProviderName, nodeVfs, type VfsFile } from '../../src/vfs/index.js'
import type { MapWorkerData } from '../support/map-worker.js'
import { RemoteNode } from '../support/remote-node.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const VFS_URL = new URL('../../src/vfs/index.js', import.meta.url)
const WORKER_URL = new URL('../support/map-worker.js', import.meta.url)
const BLOCK_SIZE = 65536
const SHARED = { writable: true }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function atomicsOver(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
}

function mappedRanges(path: string): number {
  return readFileSync('/proc/self/maps', 'utf8').split(path).length - 1
}

/** Of the one map of `path`, as the kernel has them. */
function mapFlags(path: string): string[] {
  const afterPath = readFileSync('/proc/self/smaps', 'utf8').split(path)[1] ?? ''
  return /^VmFlags: (.*)$/m.exec(afterPath)?.[1]?.trim().split(' ') ?? []
}

/** Descriptors of ours that stand for `path`. */
function descriptorCount(path: string): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // The one the folder was read through.
      return ''
    }
  })
  return targets.filter((target) => target === path).length
}

/** Collects until the maps of `path` are gone; gives up after many turns of the event loop. */
async function collectUntilUnmapped(path: string): Promise<boolean> {
  for (let turn = 0; turn < 200 && mappedRanges(path) > 0; turn++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return mappedRanges(path) === 0
}

function loads(mapProvider: MapProviderName): boolean {
  const vfs = nodeVfs({ mapProvider })
  const file = vfs.open(process.execPath, { readOnly: true })
  try {
    return file.map(0, 4096, { writable: false }).length === 4096
  } catch (error) {
    // One that loads and fails otherwise is left to the tests.
    return (error as Partial<EndmarkError>).code !== 'ENDMARK_UNSUPPORTED'
  } finally {
    file.close()
  }
}

// mmap-io is an optional dependency that is not built for every Node.
const loaded = (['mmap-io', 'koffi'] as const).filter(loads)

test('koffi loads on every Node', (t) => {
  t.true(loaded.includes('koffi'), loaded.join())
})

for (const mapProvider of loaded) {
  const vfs = nodeVfs({ mapProvider })

  const create = (path: string, size: number): VfsFile => {
    const file = vfs.open(path, { create: true })
    file.truncate(size)
    return file
  }

  test(`${mapProvider}: a map starts at the start of its own buffer and shows the file's bytes`, (t) => {
    const file = create(join(temporaryFolder(t), 'a'), 2 * BLOCK_SIZE)
    file.write([Uint8Array.of(1, 2, 3)], BLOCK_SIZE)
    const bytes = file.map(BLOCK_SIZE, BLOCK_SIZE, SHARED)
    t.is(bytes.byteOffset, 0)
    t.is(bytes.length, BLOCK_SIZE)
    t.is(bytes.buffer.byteLength, BLOCK_SIZE)
    t.is(Object.getPrototypeOf(bytes), Uint8Array.prototype)
    t.deepEqual([...bytes.subarray(0, 4)], [1, 2, 3, 0])
    file.close()
  })

  test(`${mapProvider}: what is written to the map is read from the file and the reverse`, (t) => {
    const file = create(join(temporaryFolder(t), 'a'), BLOCK_SIZE)
    const bytes = file.map(0, BLOCK_SIZE, SHARED)
    const readOnly = file.map(0, BLOCK_SIZE, { writable: false })
    bytes[100] = 42
    const target = new Uint8Array(1)
    file.read(target, 100)
    t.is(target[0], 42)
    file.write([Uint8Array.of(43)], 100)
    t.is(bytes[100], 43)
    t.is(readOnly[100], 43)
    file.close()
  })

  test(`${mapProvider}: a read-only map is of a description that cannot write, whose end is that of the file`, (t) => {
    const path = join(temporaryFolder(t), 'a')
    const file = create(path, 2 * BLOCK_SIZE)
    const maps = [0, BLOCK_SIZE].map((offset) => file.map(offset, BLOCK_SIZE, { writable: false }))
    // "sh": the kernel looks through its page table for whatever it writes of the file.
    t.deepEqual(
      mapFlags(path).filter((flag) => flag === 'rd' || flag === 'sh' || flag === 'mw'),
      ['rd'],
    )
    t.is(descriptorCount(path), 2)
    file.write([Uint8Array.of(5)], BLOCK_SIZE)
    t.is(maps[1]![0], 5)
    file.close()
    t.is(descriptorCount(path), 0)
    t.is(maps[1]![0], 5)
  })

  test(`${mapProvider}: a map past the end becomes valid as the file grows`, (t) => {
    const file = create(join(temporaryFolder(t), 'a'), 0)
    const bytes = file.map(0, 16 * BLOCK_SIZE, { writable: false })
    file.write([Uint8Array.of(9)], 5 * BLOCK_SIZE)
    t.is(bytes[5 * BLOCK_SIZE], 9)
    t.is(bytes[0], 0)
    file.close()
  })

  test(`${mapProvider}: atomic additions of two processes are all counted`, async (t) => {
    const path = join(temporaryFolder(t), 'a')
    const file = create(path, BLOCK_SIZE)
    const counters = atomicsOver(file.map(0, BLOCK_SIZE, SHARED))
    const node = new RemoteNode(t)
    await node.run(`importFrom('${VFS_URL.href}').then(({ nodeVfs }) => {
      const file = nodeVfs({ mapProvider: '${mapProvider}' }).open('${path}', {})
      globalThis.counters = new Int32Array(file.map(0, ${BLOCK_SIZE}, { writable: true }).buffer)
    })`)
    Atomics.store(counters, 1, -7)
    t.is(await node.run('Atomics.load(counters, 1)'), -7)

    // The other process announces itself and waits for us, so that both add at the same time.
    const added = node.run(`Atomics.store(counters, 2, 1)
      while (Atomics.load(counters, 3) === 0) {}
      for (let done = 0; done < 200000; done++) Atomics.add(counters, 0, 1)`)
    while (Atomics.load(counters, 2) === 0) await new Promise((resolve) => setImmediate(resolve))
    Atomics.store(counters, 3, 1)
    for (let done = 0; done < 200000; done++) Atomics.add(counters, 0, 1)
    await added
    t.is(Atomics.load(counters, 0), 400000)
    file.close()
  })

  test(`${mapProvider}: worker threads map the same file, and their end leaves other maps alone`, async (t) => {
    const path = join(temporaryFolder(t), 'a')
    const file = create(path, BLOCK_SIZE)
    const bytes = file.map(0, BLOCK_SIZE, SHARED)
    bytes[BLOCK_SIZE - 1] = 5
    const workerData: MapWorkerData = { path, mapProvider, additions: 1000 }
    const workers = [1, 2].map(() => new Worker(WORKER_URL, { workerData }))
    const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
    const seen = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)))
    t.deepEqual(await Promise.all(seen), [{ lastByte: 5 }, { lastByte: 5 }])
    await Promise.all(ended)
    t.is(Atomics.load(atomicsOver(bytes), 0), 2000)
    file.close()
  })

  test(`${mapProvider}: a map lives until its last view is gone, and no longer`, async (t) => {
    const path = join(temporaryFolder(t), `unmap-${mapProvider}`)
    const file = create(path, 4 * BLOCK_SIZE)
    let view: Uint8Array | null = file.map(0, 4 * BLOCK_SIZE, SHARED).subarray(BLOCK_SIZE, BLOCK_SIZE + 16)
    file.close()
    for (let turn = 0; turn < 5; turn++) {
      collectGarbage()
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.is(mappedRanges(path), 1)
    view[3] = 77
    t.is(readFileSync(path)[BLOCK_SIZE + 3], 77)
    view = null
    t.true(await collectUntilUnmapped(path))
  })

  test(`${mapProvider}: maps are unmapped, whatever became of the vfs that made them`, async (t) => {
    const path = join(temporaryFolder(t), `vfs-${mapProvider}`)
    create(path, BLOCK_SIZE).close()
    for (let count = 0; count < 20; count++) {
      const file = nodeVfs({ mapProvider }).open(path, {})
      for (const writable of [true, false]) file.map(0, BLOCK_SIZE, { writable })
      file.close()
    }
    t.true(await collectUntilUnmapped(path), `${mappedRanges(path)} maps are left`)
  })

  test(`${mapProvider}: the system's refusal is ENDMARK_IO with its code`, (t) => {
    const path = join(temporaryFolder(t), 'a')
    create(path, BLOCK_SIZE).close()
    const file = vfs.open(path, { readOnly: true })
    const error = t.throws(() => file.map(0, BLOCK_SIZE, SHARED), { code: 'ENDMARK_IO' })
    t.is((error.cause as NodeJS.ErrnoException).code, 'EACCES')
    file.close()
  })
}

test('koffi: offsets past 4 GiB are mapped', (t) => {
  const file = nodeVfs({ mapProvider: 'koffi' }).open(join(temporaryFolder(t), 'a'), { create: true })
  const offset = 5 * 2 ** 30
  file.write([Uint8Array.of(1, 2, 3)], offset + 10)
  const bytes = file.map(offset, BLOCK_SIZE, SHARED)
  t.deepEqual([...bytes.subarray(9, 14)], [0, 1, 2, 3, 0])
  bytes[9] = 8
  const target = new Uint8Array(1)
  file.read(target, offset + 9)
  t.is(target[0], 8)
  file.close()
})

test('mmap-io alone refuses what its 31-bit numbers cannot say, and koffi takes over where both may be used', (t) => {
  const path = join(temporaryFolder(t), 'a')
  const offset = 2 ** 31
  const file = nodeVfs().open(path, { create: true })
  file.write([Uint8Array.of(6)], offset)
  t.is(file.map(offset, BLOCK_SIZE, { writable: false })[0], 6)
  file.close()
  const only = nodeVfs({ mapProvider: 'mmap-io' }).open(path, {})
  t.throws(() => only.map(offset, BLOCK_SIZE, { writable: false }), { code: 'ENDMARK_UNSUPPORTED' })
  t.throws(() => only.map(0, 2 ** 31, { writable: false }), { code: 'ENDMARK_UNSUPPORTED' })
  only.close()
})

test('an offset that is no multiple of the largest page size is a mistake of the caller', (t) => {
  const file = nodeVfs().open(join(temporaryFolder(t), 'a'), { create: true })
  t.throws(() => file.map(4096, BLOCK_SIZE, SHARED), { instanceOf: AssertionError })
  t.throws(() => file.map(0, 0, SHARED), { instanceOf: AssertionError })
  file.close()
})
