/**
 * A Database on a simulated disk, and what can be said of a disk without the Database that wrote it: what it holds, and
 * whether its trees and its freelist are whole.
 */
import { Database } from '../../src/database.js'
import { type OpenOptions, resolveOptions } from '../../src/options.js'
import { type PageReader, Pager } from '../../src/pager/index.js'
import { SchemaCache } from '../../src/store/index.js'
import type { PageNumber } from '../../src/units.js'
import type { Vfs } from '../../src/vfs/index.js'
import type { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { SimulatedMachine } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { attach, detach, runSync } from '../../src/wal/index.js'
import { Random } from '../support/random.js'
import { treeFindings } from '../support/tree-findings.js'

export const PATH = '/app.db'
/** Small, so that few rows make a tree of several levels. */
const PAGE_SIZE = 512
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

/** What our own check says of the newest state, through a connection of its own. */
export function structureFindings(vfs: Vfs): string[] {
  const attachment = runSync(
    attach(PATH, { vfs, create: false, readOnly: false, pageSize: PAGE_SIZE, timeoutMs: TIMEOUT_MS }),
  )
  const { wal, header } = attachment
  const pager = new Pager(wal, { usableSize: header.usableSize, cacheLimitBytes: 1 << 20 })
  const held = pager.acquire()
  try {
    return treeFindings(held.pages, rootsOf(held.pages))
  } finally {
    pager.release(held)
    // As if for reading only: the connection leaves everything as it is.
    detach({ ...attachment, readOnly: true }, 'full')
  }
}

function rootsOf(pages: PageReader): { tables: PageNumber[]; indexes: PageNumber[] } {
  const schema = new SchemaCache().of(pages)
  const tables: PageNumber[] = []
  const indexes: PageNumber[] = []
  for (const { name } of schema.stores()) {
    for (const { type, root, sql } of schema.rowsOf(name)) {
      if (type === 'index' || /WITHOUT ROWID/i.test(sql)) indexes.push(root)
      else tables.push(root)
    }
  }
  return { tables, indexes }
}
