/**
 * LMDB through lmdb-js. With `overlappingSync` (its default) a promise resolves before the commit is on disk: that is its `normal`;
 * without it a resolved commit is durable. Puts of one turn of the event loop share a commit, reads of one turn a state. Waits for
 * its lock have no limit.
 */
import { open, type RangeOptions, type RootDatabase, type Transaction } from 'lmdb'
import { type Connection, type OpenSettings, type Peer, type Scanned, storedKey } from './peer.js'

/** Its types leave out that `getBinaryFast` takes the options of `get`. */
interface Store extends Omit<RootDatabase<Uint8Array, string | Buffer>, 'getBinaryFast'> {
  getBinaryFast(key: string, options?: { readonly transaction: Transaction }): Buffer | undefined
}

/** @param way of reading a value: `getBinaryFast` gives a view of a buffer that the next read overwrites */
export function lmdb(way: 'get' | 'getBinaryFast'): Peer {
  return {
    settings: { full: 'overlappingSync: false', normal: 'overlappingSync: true' },

    async open(path, settings): Promise<Connection> {
      const db = openStore(path, settings)
      const reader =
        way === 'get'
          ? (key: string, transaction?: Transaction) => db.get(key, transaction && { transaction })
          : (key: string, transaction?: Transaction) => db.getBinaryFast(key, transaction && { transaction })
      return {
        ...reads(db, reader),
        ...scans(db),
        put: (key, value) => db.put(key, value),
        modify: (key, change) => db.transaction(() => void db.put(key, change(db.get(key)))),
        async load(rows) {
          db.transactionSync(() => {
            for (const { key, value } of rows) db.put(storedKey(key, settings), value)
          })
        },
        isBusy: () => false,
        way: () => null,
        close: () => db.close(),
      }
    },
  }
}

function openStore(path: string, { keys, synchronous }: OpenSettings): Store {
  return open<Uint8Array, string | Buffer>({
    path,
    noSubdir: true,
    encoding: 'binary',
    overlappingSync: synchronous === 'normal',
    ...(keys === 'blob' && { keyEncoding: 'binary' as const }),
  })
}

function reads(
  db: Store,
  read: (key: string, transaction?: Transaction) => Uint8Array | undefined,
): Pick<Connection, 'get' | 'getMany' | 'snapshot'> {
  // Not read itself: what map passes on is not a transaction.
  const get = (key: string) => read(key)
  return {
    get,
    getMany: (keys) => keys.map(get),
    snapshot() {
      const transaction = db.useReadTransaction()
      return { get: (key) => read(key, transaction), close: () => transaction.done() }
    },
  }
}

function scans(db: Store): Pick<Connection, 'scanAll' | 'scanBetween' | 'scanForward' | 'scanBackward'> {
  const scan = (range: RangeOptions): Scanned => {
    let [rows, bytes] = [0, 0]
    for (const { key, value } of db.getRange(range)) {
      rows++
      bytes += key.length + value.length
    }
    return { rows, bytes }
  }
  return {
    scanAll: () => scan({}),
    scanBetween: (start, end) => scan({ start, end }),
    scanForward: (start, limit) => scan({ start, limit }),
    scanBackward: (start, limit) => scan({ start, limit, reverse: true }),
  }
}
