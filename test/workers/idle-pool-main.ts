/** A process that leaves its Database and its pool open when it has nothing more to do. */
import { open } from '../../src/index.js'

const [path = ''] = process.argv.slice(2)
const db = await open(path, { writer: 'inline' })
const map = await db.map<number, number>('m')
const pool = await db.pool({ threads: 2 })
process.stdout.write(JSON.stringify(await pool.getMany(map, [1])))
