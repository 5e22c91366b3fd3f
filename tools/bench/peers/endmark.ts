/** Endmark itself, from the build that `ENGINE` names: `synchronous: 'full'`, everything else at its default. */
import { engineUrl } from '../engine.js'
import { BUSY_TIMEOUT_MS, type Connection, type Peer } from './peer.js'

const { open } = (await import(engineUrl('src/index.js'))) as typeof import('../../../dist/src/index.js')

/** @param writer `auto` commits through a writer process where one is running, `inline` never */
export function endmark(writer: 'auto' | 'inline'): Peer {
  return {
    async create(path, rows) {
      const db = await open(path, { writer: 'inline' })
      const map = await db.map<string, Uint8Array>('kv', { key: 'text', value: 'blob' })
      await db.transaction((tx) => {
        for (const { key, value } of rows) tx.put(map, key, value)
      })
      await db.close()
    },

    async open(path): Promise<Connection> {
      const db = await open(path, { create: false, writer, synchronous: 'full', timeout: BUSY_TIMEOUT_MS })
      const map = await db.map<string, Uint8Array>('kv')
      return {
        put: (key, value) => map.put(key, value),
        isBusy: (error) => error instanceof Error && 'code' in error && error.code === 'ENDMARK_BUSY',
        way: () => db.stats().writer.mode,
        close: () => db.close(),
      }
    },
  }
}
