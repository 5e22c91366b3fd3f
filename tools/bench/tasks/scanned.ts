/** What a scan must have found. */
import type { Scanned } from '../peers/peer.js'
import { KEY_SIZE_BYTES, VALUE_SIZE_BYTES } from '../rows.js'

/** @returns the number of rows */
export function requireAllRows({ rows, bytes }: Scanned, rowCount: number): number {
  const isRight = rows === rowCount && bytes === rowCount * (KEY_SIZE_BYTES + VALUE_SIZE_BYTES)
  if (!isRight) throw new Error(`a scan of ${rowCount} rows has found ${rows} rows, ${bytes} bytes`)
  return rows
}
