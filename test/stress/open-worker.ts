/** One of the processes that open one file at the same instant. It says when it is ready, and is told when. */
import { once } from 'node:events'
import { open } from '../../src/index.js'

export interface OpenWorkerStart {
  readonly path: string
  readonly name: number
  /** Milliseconds since 1970. */
  readonly startTime: number
}

process.on('disconnect', () => process.exit())
process.send?.('ready')
const [{ path, name, startTime }] = (await once(process, 'message')) as [OpenWorkerStart]
while (Date.now() < startTime) {
  // Spin: a timer would let the processes start milliseconds apart.
}
const db = await open(path)
const map = await db.map<number, string>('names', { key: 'integer', value: 'text' })
await map.put(name, `process ${name}`)
const seen = map.get(name)
await db.close()
process.send?.(seen ?? 'nothing')
process.disconnect()
