/** The stores that can be measured, by name. Each is loaded only in the processes that use it. */
import { isBuiltin } from 'node:module'
import type { Peer } from './peer.js'

const LOADERS = {
  'endmark-auto': async () => (await import('./endmark.js')).endmark('auto'),
  'endmark-inline': async () => (await import('./endmark.js')).endmark('inline'),
  'better-sqlite3': async () => (await import('./better-sqlite3.js')).betterSqlite3,
  'node:sqlite': async () => (await import('./node-sqlite.js')).nodeSqlite,
  'lmdb-get': async () => (await import('./lmdb.js')).lmdb('get'),
  'lmdb-get-binary-fast': async () => (await import('./lmdb.js')).lmdb('getBinaryFast'),
  'classic-level': async () => (await import('./classic-level.js')).classicLevel,
  turso: async () => (await import('./turso.js')).turso,
} as const satisfies Readonly<Record<string, () => Promise<Peer>>>

export type PeerName = keyof typeof LOADERS

export function loadPeer(name: PeerName): Promise<Peer> {
  return LOADERS[name]()
}

/** Why a store cannot be measured here, or null. Only those may be missing that not every Node and platform has. */
export async function absence(name: PeerName): Promise<string | null> {
  if (name === 'node:sqlite' && !isBuiltin(name)) return `Node ${process.versions.node} does not have it`
  if (name !== 'turso') return null
  return loadPeer(name).then(
    () => null,
    (error: unknown) => String(error),
  )
}
