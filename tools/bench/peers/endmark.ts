/** Endmark itself, from the build that `ENGINE` names, everything at its default that the settings do not name. */
import { engineUrl } from '../engine.js'
import { BUSY_TIMEOUT_MS, type Connection, type OpenSettings, type Peer, type Scanned, storedKey } from './peer.js'

type Engine = typeof import('../../../dist/src/index.js')
type Database = Awaited<ReturnType<Engine['open']>>
type KeyValueMap = import('../../../dist/src/index.js').OrderedMap<string | Buffer, Uint8Array>

/** Answers that ask for a repetition: the lock, or room in the log, was not to be had in time. */
const BUSY_CODES: readonly unknown[] = ['ENDMARK_BUSY', 'ENDMARK_WAL_FULL']

const { open }: Engine = await import(engineUrl('src/index.js'))

/** @param writer `auto` commits through a writer process where one is running, `inline` never */
export function endmark(writer: 'auto' | 'inline'): Peer {
  return {
    settings: { full: "synchronous: 'full'", normal: "synchronous: 'normal'" },

    async open(path, settings): Promise<Connection> {
      const { create = false, keys, ...engineSettings } = settings
      const db = await open(path, { create, writer, timeout: BUSY_TIMEOUT_MS, ...engineSettings })
      const map = await db.map<string | Buffer, Uint8Array>('kv', create ? { key: keys, value: 'blob' } : undefined)
      return {
        ...reads(db, map),
        ...scans(map),
        ...writes(db, map, settings),
        isBusy: (error) => error instanceof Error && 'code' in error && BUSY_CODES.includes(error.code),
        way: () => db.stats().writer.mode,
        close: () => db.close(),
      }
    },
  }
}

function reads(db: Database, map: KeyValueMap): Pick<Connection, 'get' | 'getMany' | 'snapshot'> {
  return {
    get: (key) => map.get(key),
    getMany: (keys) => map.getMany(keys),
    snapshot() {
      const snapshot = db.snapshot()
      return { get: (key) => snapshot.get(map, key), close: () => snapshot.close() }
    },
  }
}

function scans(map: KeyValueMap): Pick<Connection, 'scanAll' | 'scanBetween' | 'scanForward' | 'scanBackward'> {
  const scan = (range: Parameters<KeyValueMap['entries']>[0]): Scanned => {
    let [rows, bytes] = [0, 0]
    for (const [key, value] of map.entries(range)) {
      rows++
      bytes += key.length + value.length
    }
    return { rows, bytes }
  }
  return {
    scanAll: () => scan({}),
    scanBetween: (start, end) => scan({ gte: start, lt: end }),
    scanForward: (start, limit) => scan({ gte: start, limit }),
    scanBackward: (start, limit) => scan({ lte: start, limit, reverse: true }),
  }
}

function writes(db: Database, map: KeyValueMap, settings: OpenSettings): Pick<Connection, 'put' | 'modify' | 'load'> {
  return {
    put: (key, value) => map.put(key, value),
    modify: (key, change) => db.transaction((tx) => tx.put(map, key, change(tx.get(map, key)))),
    async load(rows) {
      await db.transaction((tx) => {
        for (const { key, value } of rows) tx.put(map, storedKey(key, settings), value)
      })
    },
  }
}
