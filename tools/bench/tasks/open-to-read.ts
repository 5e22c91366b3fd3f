/** From nothing to a value: loads the store's package, opens the database, reads one row. For a new process each time. */
import { loadPeer } from '../peers/index.js'
import { keyOf, requireValue } from '../rows.js'
import type { Subject } from './task.js'

export interface OpenToReadTimes {
  readonly importMs: number
  readonly openMs: number
  readonly firstReadMs: number
}

export async function openToRead(
  { peer, path, settings }: Subject,
  { row }: { readonly row: number },
): Promise<OpenToReadTimes> {
  const begun = performance.now()
  const store = await loadPeer(peer)
  const imported = performance.now()
  const connection = await store.open(path, settings)
  const opened = performance.now()
  const value = connection.get(keyOf(row))
  const read = performance.now()
  requireValue(value, row)
  await connection.close()
  return { importMs: imported - begun, openMs: opened - imported, firstReadMs: read - opened }
}
