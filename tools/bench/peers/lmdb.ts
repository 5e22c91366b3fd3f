/**
 * LMDB through lmdb-js. With `overlappingSync` (its default) a promise resolves before the commit is on disk; without it a
 * resolved commit is durable, as with the others. Puts of one turn of the event loop share a commit. Waits for its lock have no limit.
 */
import { open } from 'lmdb'
import type { Connection, Peer } from './peer.js'

function openEnvironment(path: string) {
  return open<Uint8Array, string>({ path, noSubdir: true, encoding: 'binary', overlappingSync: false })
}

export const lmdb: Peer = {
  async create(path, rows) {
    const db = openEnvironment(path)
    await db.transaction(() => {
      for (const { key, value } of rows) db.put(key, value)
    })
    await db.close()
  },

  async open(path): Promise<Connection> {
    const db = openEnvironment(path)
    return {
      put: (key, value) => db.put(key, value),
      isBusy: () => false,
      way: () => null,
      close: () => db.close(),
    }
  },
}
