/** A Database on a simulated disk, and all that it holds. */
import { Database } from '../../src/database.js'
import { type OpenOptions, resolveOptions } from '../../src/options.js'
import type { Vfs } from '../../src/vfs/index.js'
import type { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { SimulatedMachine } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { attach, runSync } from '../../src/wal/index.js'
import { Random } from '../support/random.js'

export const PATH = '/app.db'
/** Small, so that few rows make a tree of several levels. */
export const PAGE_SIZE = 512
const TIMEOUT_MS = 50
/** Large transactions leave memory for the log before their end. */
const DIRTY_LIMIT_BYTES = 1 << 15

export function startProcess(disk: SimulatedDisk, seed: number): SimulatedVfs {
  return new SimulatedVfs(new SimulatedMachine(disk, new Random(seed)))
}

export function openSimulated(vfs: Vfs, given: OpenOptions = {}): Database {
  const options = resolveOptions({
    writer: 'inline',
    autoCheckpoint: 0,
    pageSize: PAGE_SIZE,
    timeout: TIMEOUT_MS,
    dirtyLimit: DIRTY_LIMIT_BYTES,
    ...given,
  })
  const { create, readOnly, pageSize, timeout: timeoutMs } = options
  return new Database(runSync(attach(PATH, { vfs, create, readOnly, pageSize, timeoutMs })), options)
}

/** All that is in the database, as text: stores in order of creation, their entries in order of the keys. */
export async function contentsOf(db: Database): Promise<string> {
  const texts = db.stores().map(async ({ name, kind }) => {
    if (kind === 'map') return `${name}: ${JSON.stringify([...(await db.map(name)).entries()])}`
    const table = await db.table(name)
    return `${name}: ${JSON.stringify([...table.range()])}`
  })
  return (await Promise.all(texts)).join('\n')
}
