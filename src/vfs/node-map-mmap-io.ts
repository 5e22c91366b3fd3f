/**
 * Maps by the add-on mmap-io, an optional dependency that compiles when it is installed. Its compiled file is
 * loaded by path: the package's own loader drags in a build tool, which costs 30 ms and 12 MB. The file of
 * this Node's ABI is looked for first; one built for another Node does not load, and koffi takes over.
 *
 * It takes 31-bit integers, offsets too. Unmaps when the ArrayBuffer is collected or its thread ends.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { MapProvider, MapRequest } from './node-map.js'
import { systemError } from './node-system-error.js'

interface MmapIo {
  readonly PROT_READ: number
  readonly PROT_WRITE: number
  readonly MAP_SHARED: number
  map(length: number, protection: number, flags: number, fd: number, fileOffset: number): Uint8Array
}

const INT_MAX = 2 ** 31 - 1

export function loadMmapIo(): MapProvider {
  const mmapIo = loadAddon()
  const { MAP_SHARED, PROT_READ } = mmapIo
  const readWrite = PROT_READ | mmapIo.PROT_WRITE
  return {
    canMap: ({ fileOffset, length }: MapRequest): boolean => fileOffset <= INT_MAX && length <= INT_MAX,

    map({ fd, fileOffset, length, writable }: MapRequest): Uint8Array {
      try {
        const buffer = mmapIo.map(length, writable ? readWrite : PROT_READ, MAP_SHARED, fd, fileOffset)
        // Not the Buffer itself: code that reads pages should only ever meet plain Uint8Arrays.
        return new Uint8Array(buffer.buffer, buffer.byteOffset, length)
      } catch (error) {
        throw errorWithCode(error)
      }
    },
  }
}

function loadAddon(): MmapIo {
  const require = createRequire(import.meta.url)
  const build = join(dirname(require.resolve('mmap-io/package.json')), 'build')
  const abi = `node-v${process.versions.modules}-${process.platform}-${process.arch}`
  try {
    return require(join(build, 'binding', 'Release', abi, 'mmap_io.node')) as MmapIo
  } catch {
    return require(join(build, 'Release', 'mmap_io.node')) as MmapIo
  }
}

/** Its errors say "mmap failed, 13", with the number of the system's error and no code. */
function errorWithCode(error: unknown): unknown {
  const number = error instanceof Error ? /^mmap failed, (\d+)$/.exec(error.message)?.[1] : undefined
  return number === undefined ? error : systemError('mmap', Number(number))
}
