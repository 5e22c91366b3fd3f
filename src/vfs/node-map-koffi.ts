/**
 * Maps by calling `mmap(2)` of the C library through koffi, which brings prebuilt binaries for every platform.
 *
 * A view made by koffi does not own its memory, so a FinalizationRegistry calls `munmap` once the ArrayBuffer
 * has been collected: every typed array over it keeps it alive, so no view can be left by then. A worker
 * thread that ends runs no such callbacks: what it still had mapped stays mapped until the process ends, unless whoever
 * started the thread unmaps it when it has ended (`unmapLeftBehind`, node-map-ledger.ts).
 *
 * A thread must not be ended in the midst of this: see node-thread-gate.ts.
 *
 * A map keeps its open file description alive, and with it the description's locks. So a map that is written through, whose
 * description is the one with the locks, is made through one of its own that nobody locks: else a thread that ends while it
 * holds WRITE would hold it for good.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { threadId } from 'node:worker_threads'
import type { MapProvider, MapRequest } from './node-map.js'
import { MapLedger, type MappedRange } from './node-map-ledger.js'
import { systemError } from './node-system-error.js'
import { keptAlive } from './node-thread-gate.js'

/** Values of the Linux headers, the same on every architecture this runs on. */
const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1

/** MAP_FAILED: the address -1. */
const MAP_FAILED = 2n ** 64n - 1n

type Mmap = (at: null, length: number, protection: number, flags: number, fd: number, fileOffset: number) => bigint
type Munmap = (address: bigint, length: number) => number

interface OwnRange extends MappedRange {
  /** In the ledger of the thread. */
  readonly entry: number | null
}

function loadKoffi(): typeof import('koffi') {
  return createRequire(import.meta.url)('koffi') as typeof import('koffi')
}

/** Unmaps what a thread that has ended had mapped. Never for one that lives: it would take the pages from under it. */
export function unmapLeftBehind(ledger: MapLedger, thread: number): void {
  const ranges = ledger.takeAllOf(thread)
  if (ranges.length === 0) return
  const munmap = loadKoffi().load(null).func('int munmap(void *address, size_t length)') as Munmap
  for (const { address, length } of ranges) munmap(address, length)
}

export function loadKoffiMaps(): MapProvider {
  const koffi = loadKoffi()
  const ledger = MapLedger.ofThisThread()
  const libc = koffi.load(null)
  const mmap = libc.func(
    'void *mmap(void *at, size_t length, int protection, int flags, int fd, int64_t offset)',
  ) as Mmap
  const munmap = libc.func('int munmap(void *address, size_t length)') as Munmap
  const unmapper = new FinalizationRegistry<OwnRange>(({ address, length, entry }) => {
    if (entry !== null) ledger?.remove(entry)
    munmap(address, length)
  })

  function mapOrThrow({ fd, fileOffset, length, writable }: MapRequest): bigint {
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    const address = mmap(null, length, protection, MAP_SHARED, fd, fileOffset)
    if (address === MAP_FAILED) throw systemError('mmap', koffi.errno())
    return address
  }

  function mapThroughOwn(request: MapRequest): bigint {
    // Whether the file was opened for this is for the kernel to say: the description made below would allow it.
    munmap(mapOrThrow(request), request.length)
    const own = openSync(`/proc/self/fd/${request.fd}`, constants.O_RDWR)
    try {
      return mapOrThrow({ ...request, fd: own })
    } finally {
      closeSync(own)
    }
  }

  function map(request: MapRequest): Uint8Array {
    const { length, writable } = request
    const address = writable ? mapThroughOwn(request) : mapOrThrow(request)
    const buffer = koffi.view(address, length)
    const entry = ledger?.add(threadId, { address, length }) ?? null
    unmapper.register(buffer, { address, length, entry })
    return new Uint8Array(buffer)
  }

  return { canMap: () => true, map: (request) => keptAlive(() => map(request)) }
}
