/** Makes a new database and fills it with one durable transaction, in the order of the keys or in a random one. */
import { loadPeer } from '../peers/index.js'
import { shuffled } from '../random.js'
import { keyOf, requireValue, rowsInOrder, rowsOf } from '../rows.js'
import { requireAllRows } from './scanned.js'
import type { Subject } from './task.js'

export interface BulkLoad {
  readonly rowCount: number
  readonly order: 'sorted' | 'random'
}

export interface BulkLoadTimes {
  readonly loadSeconds: number
  /** Until the database is closed as well: some stores leave work for that. */
  readonly closedSeconds: number
}

const SEED = 1

export async function bulkLoad(
  { peer, path, settings }: Subject,
  { rowCount, order }: BulkLoad,
): Promise<BulkLoadTimes> {
  const store = await loadPeer(peer)
  const connection = await store.open(path, { ...settings, create: true })
  const rows = order === 'sorted' ? rowsInOrder(rowCount) : shuffled(rowCount, SEED)
  const begun = performance.now()
  await connection.load(rowsOf(rows))
  const loaded = performance.now()
  await connection.close()
  const closed = performance.now()
  const reopened = await store.open(path, settings)
  requireAllRows(await reopened.scanAll(), rowCount)
  for (const row of [0, rowCount >> 1, rowCount - 1]) requireValue(reopened.get(keyOf(row)), row)
  await reopened.close()
  return { loadSeconds: (loaded - begun) / 1000, closedSeconds: (closed - begun) / 1000 }
}
