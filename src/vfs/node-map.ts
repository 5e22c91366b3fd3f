/**
 * Shared maps of files, by one of two native providers behind one interface. `mmap-io` is the first choice:
 * its maps are unmapped by the garbage collector itself, also when a worker thread ends. `koffi` calls
 * `mmap(2)` directly and serves where mmap-io cannot: not built for this Node, or numbers past its 31 bits.
 *
 * Each provider is loaded by the first map of its thread that needs it. Both return an array at the very start of an
 * ArrayBuffer of its own, so that an `Int32Array` for `Atomics` can be laid over the same memory, and both
 * unmap only when neither the buffer nor any view of it can be reached any more.
 *
 * Whether the bytes exist is the caller's business: see `VfsFile.map`.
 */
import { unsupported } from '../errors.js'
import { loadKoffiMaps } from './node-map-koffi.js'
import { loadMmapIo } from './node-map-mmap-io.js'
import { keptAlive } from './node-thread-gate.js'

export interface MapRequest {
  /** The descriptor of a read-only map is one that nobody locks. */
  readonly fd: number
  readonly fileOffset: number
  readonly length: number
  readonly writable: boolean
}

export interface MapProvider {
  /** Whether the provider's number types can express the request. */
  canMap(request: MapRequest): boolean
  /** Maps, or throws the system's error. */
  map(request: MapRequest): Uint8Array
}

export type MapProviderName = 'mmap-io' | 'koffi'

const LOADERS: { readonly [name in MapProviderName]: () => MapProvider } = {
  'mmap-io': loadMmapIo,
  koffi: loadKoffiMaps,
}

/**
 * Providers that this thread has loaded, for good: maps outlive whoever made them, and what unmaps them must still be there when
 * they are collected.
 */
const loadedProviders = new Map<MapProviderName, MapProvider>()

export class NodeMaps {
  readonly #candidates: readonly MapProviderName[]
  /** Why a provider could not be loaded. */
  readonly #failures = new Map<MapProviderName, Error>()

  /** @param only the one provider to use; both, in order of preference, if not given */
  constructor(only?: MapProviderName) {
    this.#candidates = only === undefined ? ['mmap-io', 'koffi'] : [only]
  }

  /** @throws ENDMARK_UNSUPPORTED if no provider can serve the request, or the system's error */
  map(request: MapRequest): Uint8Array {
    let cause: unknown
    for (const name of this.#candidates) {
      const provider = this.#load(name)
      if (provider instanceof Error) cause ??= provider
      else if (provider.canMap(request)) return provider.map(request)
    }
    const tried = this.#candidates.join(' or ')
    throw unsupported(`no shared map of ${request.length} bytes at ${request.fileOffset} by ${tried}`, { cause })
  }

  #load(name: MapProviderName): MapProvider | Error {
    const known = loadedProviders.get(name) ?? this.#failures.get(name)
    if (known !== undefined) return known
    try {
      const provider = keptAlive(LOADERS[name])
      loadedProviders.set(name, provider)
      return provider
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      this.#failures.set(name, failure)
      return failure
    }
  }
}
