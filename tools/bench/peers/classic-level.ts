/** LevelDB through classic-level. Only one process may have a database open; its iterators are asynchronous, and read ahead. */
import { ClassicLevel } from 'classic-level'
import { type Connection, type OpenSettings, type Peer, type Scanned, storedKey } from './peer.js'

type Key = string | Buffer
type Level = ClassicLevel<Key, Uint8Array>

export const classicLevel: Peer = {
  settings: { full: 'sync: true', normal: 'sync: false' },

  async open(path, settings): Promise<Connection> {
    const db = await openLevel(path, settings)
    const sync = settings.synchronous === 'full'
    const put = (key: Key, value: Uint8Array) => db.put(key, value, { sync })
    return {
      get: (key) => db.getSync(key),
      getMany: (keys) => db.getMany([...keys]),
      snapshot() {
        const snapshot = db.snapshot()
        return { get: (key) => db.getSync(key, { snapshot }), close: () => void snapshot.close() }
      },
      ...scans(db),
      put,
      modify: async (key, change) => put(key, change(await db.get(key))),
      async load(rows) {
        const batch = db.batch()
        for (const { key, value } of rows) batch.put(storedKey(key, settings), value)
        await batch.write({ sync })
      },
      isBusy: () => false,
      way: () => null,
      close: () => db.close(),
    }
  },
}

async function openLevel(path: string, { keys, create }: OpenSettings): Promise<Level> {
  const db: Level = new ClassicLevel(path, {
    keyEncoding: keys === 'blob' ? 'buffer' : 'utf8',
    valueEncoding: 'buffer',
    createIfMissing: create ?? false,
  })
  await db.open()
  return db
}

function scans(db: Level): Pick<Connection, 'scanAll' | 'scanBetween' | 'scanForward' | 'scanBackward'> {
  const scan = async (found: AsyncIterable<[Key, Uint8Array]>): Promise<Scanned> => {
    let [rows, bytes] = [0, 0]
    for await (const [key, value] of found) {
      rows++
      bytes += key.length + value.length
    }
    return { rows, bytes }
  }
  return {
    scanAll: () => scan(db.iterator()),
    scanBetween: (start, end) => scan(db.iterator({ gte: start, lt: end })),
    scanForward: (start, limit) => scan(db.iterator({ gte: start, limit })),
    scanBackward: (start, limit) => scan(db.iterator({ lte: start, limit, reverse: true })),
  }
}
