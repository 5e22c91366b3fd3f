/**
 * The options of `open`: types, defaults, validation. A message quotes what was given and says what is allowed.
 */
import { invalidArgument, unsupported } from './errors.js'
import { AUTO_CHECKPOINT_FRAMES, CACHE_LIMIT_BYTES, DIRTY_LIMIT_BYTES, PAGE_SIZE_BYTES, TIMEOUT_MS } from './limits.js'
import type { Synchronous } from './units.js'

export interface OpenOptions {
  /** Create the database if the file is missing or empty. Default true. */
  create?: boolean
  /** Refuse all writes through this Database. The folder must still be writable for the -shm. Default false. */
  readOnly?: boolean
  /** Bytes per page of a new database: a power of two from 512 to 65536. Default 4096. */
  pageSize?: number
  /** Durability of commits unless one names its own. Default `full`. */
  synchronous?: Synchronous
  /**
   * Who commits. `inline`: this process, under the WRITE lock. `auto`: a writer process while one runs, else this one.
   * `process`: the same, and one is started if none runs; `open` waits for it. Default `auto`.
   */
  writer?: 'auto' | 'inline' | 'process'
  /** Frames in the log after which a commit starts a checkpoint; 0 = never by itself. Default 1000. */
  autoCheckpoint?: number
  /** Milliseconds to wait for locks before ENDMARK_BUSY; never on the event loop. Default 5000. */
  timeout?: number
  /** Bytes that decoded pages may take. Default 64 MiB. */
  cacheLimit?: number
  /**
   * Bytes that a transaction may change in memory; what is more goes to the log before its commit, and is nothing there without
   * it. At least 64 pages are kept. Default 64 MiB.
   */
  dirtyLimit?: number
}

export type ResolvedOptions = Readonly<Required<OpenOptions>>

const DEFAULTS: ResolvedOptions = {
  create: true,
  readOnly: false,
  pageSize: PAGE_SIZE_BYTES,
  synchronous: 'full',
  writer: 'auto',
  autoCheckpoint: AUTO_CHECKPOINT_FRAMES,
  timeout: TIMEOUT_MS,
  cacheLimit: CACHE_LIMIT_BYTES,
  dirtyLimit: DIRTY_LIMIT_BYTES,
}

const SYNCHRONOUS: readonly unknown[] = ['off', 'normal', 'full', 'extra']
const WRITERS: readonly unknown[] = ['auto', 'inline', 'process']
/** Options that the API has and this version does not keep: ignoring one would promise what it asks for. */
const NOT_BUILT = ['walLimit']

/**
 * @throws ENDMARK_INVALID_ARGUMENT naming the option, what was given and what is allowed; ENDMARK_UNSUPPORTED for one that
 *   is not built yet
 */
export function resolveOptions(given: OpenOptions = {}): ResolvedOptions {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidArgument(`options are an object, not ${show(given)}`)
  for (const name of Object.keys(given)) {
    if (NOT_BUILT.includes(name)) throw unsupported(`the option ${name}: this version has no such limit`)
    if (!Object.hasOwn(DEFAULTS, name))
      throw invalidArgument(`there is no option ${show(name)}; known: ${Object.keys(DEFAULTS).join(', ')}`)
  }
  const defined = Object.entries(given).filter(([, value]) => value !== undefined)
  const options: ResolvedOptions = { ...DEFAULTS, ...(Object.fromEntries(defined) as OpenOptions) }
  requireBoolean('create', options.create)
  requireBoolean('readOnly', options.readOnly)
  requirePageSize(options.pageSize)
  requireSynchronous(options.synchronous)
  requireNumber('autoCheckpoint', options.autoCheckpoint)
  requireNumber('timeout', options.timeout)
  requireNumber('cacheLimit', options.cacheLimit)
  requireNumber('dirtyLimit', options.dirtyLimit)
  if (!WRITERS.includes(options.writer)) throw notOneOf('writer', WRITERS, options.writer)
  return options
}

export function requireSynchronous(value: unknown): asserts value is Synchronous {
  if (!SYNCHRONOUS.includes(value)) throw notOneOf('synchronous', SYNCHRONOUS, value)
}

function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(`${name} is true or false, not ${show(value)}`)
}

function requireNumber(name: string, value: unknown): void {
  const isNumber = typeof value === 'number' && value >= 0
  if (!isNumber) throw invalidArgument(`${name} is a number of at least 0, not ${show(value)}`)
}

function requirePageSize(value: number): void {
  const isPowerOfTwo = Number.isInteger(value) && value >= 512 && value <= 65536 && (value & (value - 1)) === 0
  if (!isPowerOfTwo) throw invalidArgument(`pageSize is a power of two from 512 to 65536, not ${show(value)}`)
}

function notOneOf(name: string, allowed: readonly unknown[], given: unknown): Error {
  return invalidArgument(`${name} is one of ${allowed.map(show).join(', ')}, not ${show(given)}`)
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  // Objects need not have a toString of their own, and their text says nothing anyway.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
