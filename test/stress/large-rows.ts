/**
 * Rows for transactions that are larger than `dirtyLimit`: how a process of its own writes them, and how they are read here,
 * by another connection, beside that and after it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Database, OrderedMap } from '../../src/index.js'
import type { EndmarkProcess } from '../support/endmark-process.js'
import { openDatabase } from '../support/open-database.js'

/** Four to a page. */
export const VALUE_BYTES = 900
/** Not more often: the machine has other work, the writing above all. */
const READ_EVERY_MS = 20

export type Values = OrderedMap<number, Uint8Array>

/** A state of the map: so many rows, all of one version, which is a byte. */
export interface Rows {
  readonly version: number
  readonly rows: number
}

export interface Fill extends Rows {
  readonly valueBytes: number
  /** Throws an error of this text at the end; empty: commits. */
  readonly failure: string
  /** A file that is created when half of it is done; empty: none. */
  readonly halfMark: string
  /** Whether it goes on only when that file has been removed. */
  readonly isHeld: boolean
}

/** What is there before. */
export const FIRST_ROWS: Rows = { version: 1, rows: 1000 }

export function rowsFor(megabytes: number): number {
  return Math.ceil((megabytes * 2 ** 20) / VALUE_BYTES / 1024) * 1024
}

export function rowOf(key: number, version: number): Buffer {
  const value = Buffer.alloc(VALUE_BYTES, version)
  value.writeUInt32LE(key, 0)
  return value
}

/** A database with a few rows, written by the process that will write more, and a reader here. */
export async function startRows(
  t: ExecutionContext<unknown>,
  path: string,
  filling: EndmarkProcess,
): Promise<{ readonly db: Database; readonly map: Values }> {
  await filling.call(fill, { ...FIRST_ROWS, valueBytes: VALUE_BYTES, failure: '', halfMark: '', isHeld: false })
  const db = await openDatabase(t, path, { writer: 'inline', autoCheckpoint: 0 })
  return { db, map: (await db.map('m')) as Values }
}

/**
 * Puts all rows, at places all over the tree, in one transaction. It runs in the other process, and sees nothing of this module.
 * @returns the most private memory that it took, in bytes
 */
export const fill = async (
  db: Database,
  { version, rows, valueBytes, failure, halfMark, isHeld }: Fill,
): Promise<number> => {
  const { existsSync, readFileSync, writeFileSync } = process.getBuiltinModule('node:fs')
  const privateBytes = () => Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
  const map = (await db.map<number, Uint8Array>('m', { key: 'integer', value: 'blob' })) as OrderedMap<
    number,
    Uint8Array
  >
  const before = privateBytes()
  let most = 0
  const value = Buffer.alloc(valueBytes, version)
  await db.transaction((tx) => {
    for (let i = 0; i < rows; i++) {
      // A step that shares no factor with the number of rows, which is a multiple of 1024 or 1000.
      const key = (i * 611_953) % rows
      value.writeUInt32LE(key, 0)
      tx.put(map, key, value)
      if (i % 512 === 0) most = Math.max(most, privateBytes())
      if (halfMark === '' || i !== rows >>> 1) continue
      writeFileSync(halfMark, '')
      while (isHeld && existsSync(halfMark)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
    if (failure !== '') throw new Error(failure)
  })
  return most - before
}

/** How many rows there are; -1 if they are not all of this version, each with the bytes that were put. */
export function countOf(map: Values, { version }: Rows): number {
  const expected = rowOf(0, version)
  let count = 0
  for (const [key, value] of map.entries()) {
    expected.writeUInt32LE(key as number, 0)
    if (!expected.equals(value as Uint8Array)) return -1
    count++
  }
  return count
}

/** Reads the state before, again and again, until the work is done or the one after is there. @returns how many times */
export async function readBeside(map: Values, work: Promise<unknown>, before: Rows, after: Rows): Promise<number> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  for (let reads = 0; ; reads++, await delay(READ_EVERY_MS)) {
    if (isDone) return reads
    if (countOf(map, before) === before.rows) continue
    // It commits before its promise is settled here.
    if (countOf(map, after) === after.rows) return reads
    throw new Error(`${map.count()} rows in the middle of it`)
  }
}
