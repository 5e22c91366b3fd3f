/** A process whose pool is in the midst of a scan and a read when it exits. */
import { open } from '../../src/index.js'

const [path = ''] = process.argv.slice(2)
const db = await open(path, { writer: 'inline', synchronous: 'off' })
const map = await db.map<number, Uint8Array>('m')
const pool = await db.pool({ threads: 2 })
const running = new Int32Array(new SharedArrayBuffer(4))
const endless = `export default (entries, running, { store }) => {
  Atomics.add(running, 0, 1)
  for (;;) for (const [key, value] of store.entries()) if (value[0] > 255) throw key
}`
void pool.scan(map, {}, `data:text/javascript,${encodeURIComponent(endless)}`, { args: running, parts: 2 })
while (Atomics.load(running, 0) < 2) await new Promise((resolve) => setTimeout(resolve, 1))
await map.put(0, new Uint8Array(100))
process.stdout.write('running')
process.stdin.once('data', () => process.exit(0))
