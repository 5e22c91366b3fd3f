/**
 * The options of `open`: types, defaults, validation. A message quotes what was given and says what is allowed.
 */
import { assertOptions, assertSignal, preview } from './arguments.js'
import { invalidArgument } from './errors.js'
import {
  AUTO_CHECKPOINT_FRAMES,
  CACHE_LIMIT_BYTES,
  DIRTY_LIMIT_BYTES,
  PAGE_SIZE_BYTES,
  POOL_THREADS_MAX,
  TIMEOUT_MS,
} from './limits.js'
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
  /**
   * Milliseconds to wait for locks before ENDMARK_BUSY: off the event loop, but for synchronous calls. `transactionSync`,
   * `snapshot({ token })` during a checkpoint and, rarely, other reads block the thread. Default 5000.
   */
  timeout?: number
  /** Bytes that decoded pages may take. Default 64 MiB. */
  cacheLimit?: number
  /**
   * Bytes that a transaction may change in memory; what is more goes to the log before its commit, and is nothing there without
   * it. At least 64 pages are kept, and what is known of each page takes up to as much again. Default 64 MiB.
   */
  dirtyLimit?: number
  /**
   * Bytes of the log in use past which commits wait until it has been started over, up to `timeout`, and then fail with
   * ENDMARK_WAL_FULL. Where a writer process commits, its own limit counts. Default: none.
   */
  walLimit?: number
  /**
   * Milliseconds. A snapshot of any process that is older and keeps a log from being started over that is at `walLimit`
   * is ended: its reads throw ENDMARK_SNAPSHOT_EXPIRED. Effective from 1000 on. Default: none.
   */
  snapshotTimeout?: number
  /**
   * Open a database on a FUSE or virtiofs mount; otherwise that is ENDMARK_UNSUPPORTED. Only where shared maps and byte-range locks
   * mean the same to every process that has the file open: elsewhere the database gets damaged. Never from two machines at once, a
   * virtual one and its host included. Default false.
   */
  allowFuse?: boolean
}

/** Options of `Database.snapshot`. */
export interface SnapshotOptions {
  /** Shown to others once the snapshot is older than a second; up to 64 bytes of it. */
  readonly label?: string
  /** The `token` of a snapshot of any process or thread: the same state. */
  readonly token?: string
}

/** Options of `Database.watch`. */
export interface WatchOptions {
  /** Names or handles of stores; one that is not there yet counts once it is. Default: all, and commits that touch none. */
  readonly stores?: readonly (string | { readonly name: string })[]
  /** Ends the watch: what is awaited rejects with an AbortError. */
  readonly signal?: AbortSignal
}

/** Options of `Database.pool`. */
export interface PoolOptions {
  /** How many worker threads, from 1 on. Default: as many as the machine runs at once. */
  readonly threads?: number
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
  walLimit: Number.POSITIVE_INFINITY,
  snapshotTimeout: Number.POSITIVE_INFINITY,
  allowFuse: false,
}

const SYNCHRONOUS: readonly unknown[] = ['off', 'normal', 'full', 'extra']
const WRITERS: readonly unknown[] = ['auto', 'inline', 'process']

/**
 * @throws ENDMARK_INVALID_ARGUMENT naming the option, what was given and what is allowed
 */
export function resolveOptions(given: OpenOptions = {}): ResolvedOptions {
  assertOptions(given, Object.keys(DEFAULTS))
  const defined = Object.entries(given).filter(([, value]) => value !== undefined)
  const options: ResolvedOptions = { ...DEFAULTS, ...(Object.fromEntries(defined) as OpenOptions) }
  requireBoolean('create', options.create)
  requireBoolean('readOnly', options.readOnly)
  requireBoolean('allowFuse', options.allowFuse)
  requirePageSize(options.pageSize)
  requireSynchronous(options.synchronous)
  requireFrames(options.autoCheckpoint)
  requireNumber('timeout', options.timeout)
  requireNumber('cacheLimit', options.cacheLimit)
  requireNumber('dirtyLimit', options.dirtyLimit)
  requireNumber('walLimit', options.walLimit)
  requireNumber('snapshotTimeout', options.snapshotTimeout)
  if (!WRITERS.includes(options.writer)) throw notOneOf('writer', WRITERS, options.writer)
  return options
}

export interface ResolvedCommitOptions {
  readonly synchronous: Synchronous
  readonly signal: AbortSignal | undefined
}

/** @param usual that of the Database. @throws ENDMARK_INVALID_ARGUMENT */
export function resolveCommitOptions(
  given: Partial<ResolvedCommitOptions> | undefined,
  usual: Synchronous,
): ResolvedCommitOptions {
  if (given === undefined) return { synchronous: usual, signal: undefined }
  assertOptions(given, ['synchronous', 'signal'])
  const { synchronous = usual, signal } = given
  requireSynchronous(synchronous)
  assertSignal(signal)
  return { synchronous, signal }
}

function requireSynchronous(value: unknown): asserts value is Synchronous {
  if (!SYNCHRONOUS.includes(value)) throw notOneOf('synchronous', SYNCHRONOUS, value)
}

/** @throws ENDMARK_INVALID_ARGUMENT unless it is the name of an event of a Database */
export function requireLongReader(event: unknown): void {
  if (event !== 'long-reader') throw invalidArgument(`the only event is 'long-reader', not ${preview(event)}`)
}

/** @throws ENDMARK_INVALID_ARGUMENT */
export function resolveSnapshotOptions(given: SnapshotOptions): SnapshotOptions {
  assertOptions(given, ['label', 'token'])
  const { label } = given
  if (label !== undefined && typeof label !== 'string')
    throw invalidArgument(`label is a string, not ${preview(label)}`)
  return given
}

/** @throws ENDMARK_INVALID_ARGUMENT */
export function resolveWatchOptions(given: WatchOptions): WatchOptions {
  assertOptions(given, ['stores', 'signal'])
  const { stores, signal } = given
  if (stores !== undefined && !(Array.isArray(stores) && stores.length > 0 && stores.every(isStoreOrName)))
    throw invalidArgument(`stores is an array of names or handles that is not empty, not ${preview(stores)}`)
  assertSignal(signal)
  return given
}

function isStoreOrName(store: unknown): boolean {
  if (typeof store === 'string') return true
  return typeof store === 'object' && store !== null && 'name' in store && typeof store.name === 'string'
}

/** @throws ENDMARK_INVALID_ARGUMENT */
export function resolvePoolOptions(given: PoolOptions): PoolOptions {
  assertOptions(given, ['threads'])
  const { threads } = given
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1 && threads <= POOL_THREADS_MAX)) {
    throw invalidArgument(`threads is a whole number from 1 to ${POOL_THREADS_MAX}, not ${preview(threads)}`)
  }
  return given
}

function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(`${name} is true or false, not ${preview(value)}`)
}

function requireNumber(name: string, value: unknown): void {
  const isNumber = typeof value === 'number' && value >= 0
  if (!isNumber) throw invalidArgument(`${name} is a number of at least 0, not ${preview(value)}`)
}

function requireFrames(value: unknown): void {
  const isCount = Number.isSafeInteger(value) && (value as number) >= 0
  if (!isCount) throw invalidArgument(`autoCheckpoint is a whole number of frames from 0, not ${preview(value)}`)
}

function requirePageSize(value: number): void {
  const isPowerOfTwo = Number.isInteger(value) && value >= 512 && value <= 65536 && (value & (value - 1)) === 0
  if (!isPowerOfTwo) throw invalidArgument(`pageSize is a power of two from 512 to 65536, not ${preview(value)}`)
}

function notOneOf(name: string, allowed: readonly unknown[], given: unknown): Error {
  return invalidArgument(`${name} is one of ${allowed.map(preview).join(', ')}, not ${preview(given)}`)
}
