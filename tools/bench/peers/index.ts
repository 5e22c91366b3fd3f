/** The stores that can be measured, by name. Each is loaded only in the processes that use it. */
import type { Peer } from './peer.js'

const LOADERS = {
  'endmark-auto': async () => (await import('./endmark.js')).endmark('auto'),
  'endmark-inline': async () => (await import('./endmark.js')).endmark('inline'),
  'better-sqlite3': async () => (await import('./better-sqlite3.js')).betterSqlite3,
  lmdb: async () => (await import('./lmdb.js')).lmdb,
} as const satisfies Readonly<Record<string, () => Promise<Peer>>>

export type PeerName = keyof typeof LOADERS

export function loadPeer(name: PeerName): Promise<Peer> {
  return LOADERS[name]()
}
