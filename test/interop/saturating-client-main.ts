/**
 * A client that always has 64 commits under way, for fairness.test.ts; tells its parent once all of them go through the
 * writer process.
 */
import { open } from '../../src/index.js'

const [path = '', index = '0'] = process.argv.slice(2)
const LANES = 64

const db = await open(path)
const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
process.once('disconnect', () => process.exit())

let begunCount = 0

async function lane(first: number): Promise<never> {
  let hasBegun = false
  for (let count = 0; ; count++) {
    const isRemote = db.stats().writer.mode === 'remote'
    await map.put(first + (count % 1000) * 1000, String(count))
    if (hasBegun || !isRemote) continue
    hasBegun = true
    if (++begunCount === LANES) process.send?.('begun')
  }
}
for (let number = 1; number <= LANES; number++) void lane(Number(index) * LANES + number)
