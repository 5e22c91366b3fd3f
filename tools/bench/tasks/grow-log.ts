/** Lets the log grow to so many frames, by transactions that replace values of random rows. Checkpoints must be off. */
import { statSync } from 'node:fs'
import { xorshift32 } from '../random.js'
import { rowsOf } from '../rows.js'
import type { Subject } from './task.js'

export interface GrowLog {
  readonly rowCount: number
  readonly seed: number
  readonly frames: number
}

/** A frame of the log: its header and a page of 4096 bytes. */
const FRAME_SIZE_BYTES = 24 + 4096
/** A transaction changes about as many pages, as long as these are few of the whole. */
const ROWS_PER_COMMIT_MAX = 20_000
/** More than fit into what a store adds to its log file in advance. */
const ROWS_PER_COMMIT_MIN = 100

/** @returns frames of the log, by the length of its file */
export async function growLog({ connection, path }: Subject, { rowCount, seed, frames }: GrowLog): Promise<number> {
  const random = xorshift32(seed)
  const length = () => Math.floor(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) / FRAME_SIZE_BYTES
  for (let before = length(); before < frames; before = length()) {
    const count = Math.max(ROWS_PER_COMMIT_MIN, Math.min(ROWS_PER_COMMIT_MAX, Math.ceil(frames - before)))
    await connection.load(rowsOf(Array.from({ length: count }, () => random() % rowCount)))
    if (length() === before) throw new Error(`the log does not grow beyond ${before} frames`)
  }
  return Math.floor(length())
}
