/** A client that always has 64 commits under way, for fairness.test.ts; tells its parent once it has begun. */
import { open } from '../../src/index.js'

const [path = '', index = '0'] = process.argv.slice(2)
const LANES = 64

const db = await open(path)
const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
process.once('disconnect', () => process.exit())

async function lane(first: number): Promise<never> {
  for (let count = 0; ; count++) await map.put(first + (count % 1000) * 1000, String(count))
}
for (let number = 1; number <= LANES; number++) void lane(Number(index) * LANES + number)
setTimeout(() => process.send?.('begun'), 300)
