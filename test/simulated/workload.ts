/**
 * Scripted workloads for the crash and fault sweeps: what one process does with a database from its creation to its
 * clean end, in steps that make one commit at most, beside a model of what the database then holds.
 */
import type { Database } from '../../src/database.js'
import type { OrderedMap, Table } from '../../src/store/index.js'
import type { Synchronous } from '../../src/units.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { openSimulated } from './simulated-database.js'

export interface Row {
  readonly id: number
  readonly name: string
  readonly amount: number
}

type Entries = OrderedMap<string, string>
type Rows = Table<Row, number>

/** What the database holds after the steps so far. */
class Model {
  readonly stores: string[] = []
  readonly entries = new Map<string, string>()
  readonly rows = new Map<number, Row>()

  /** As `contentsOf` has it. */
  text(): string {
    const all = {
      entries: [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1)),
      rows: [...this.rows.values()].sort((a, b) => a.id - b.id),
    }
    return this.stores.map((name) => `${name}: ${JSON.stringify(all[name as keyof typeof all])}`).join('\n')
  }
}

/** One process at work. */
export class Worker {
  readonly #vfs: SimulatedVfs
  readonly #synchronous: Synchronous
  readonly model = new Model()
  #db: Database | null = null
  #entries: Entries | null = null
  #rows: Rows | null = null

  constructor(vfs: SimulatedVfs, synchronous: Synchronous) {
    this.#vfs = vfs
    this.#synchronous = synchronous
  }

  get db(): Database {
    if (this.#db === null) throw new Error('the step before has opened the database')
    return this.#db
  }

  async open(): Promise<void> {
    this.#db = openSimulated(this.#vfs, { synchronous: this.#synchronous })
    if (this.model.stores.includes('entries')) this.#entries = await this.#db.map('entries')
    if (this.model.stores.includes('rows')) this.#rows = await this.#db.table('rows')
  }

  async createEntries(): Promise<void> {
    this.model.stores.push('entries')
    this.#entries = await this.db.map<string, string>('entries', { key: 'text', value: 'text' })
  }

  async createRows(): Promise<void> {
    this.model.stores.push('rows')
    this.#rows = await this.db.table<Row, number>('rows', {
      columns: { id: 'integer', name: 'text', amount: 'real' },
      primaryKey: 'id',
    })
  }

  async dropRows(): Promise<void> {
    this.model.stores.pop()
    this.model.rows.clear()
    await this.db.dropStore('rows')
  }

  /** Puts entries, or takes them away where the value is null, in one transaction. */
  async change(changes: readonly (readonly [string, string | null])[]): Promise<void> {
    for (const [key, value] of changes) {
      if (value === null) this.model.entries.delete(key)
      else this.model.entries.set(key, value)
    }
    const entries = this.#entries!
    await this.db.transaction((tx) => {
      for (const [key, value] of changes) {
        if (value === null) tx.delete(entries, key)
        else tx.put(entries, key, value)
      }
    })
  }

  async putRows(rows: readonly Row[]): Promise<void> {
    for (const row of rows) this.model.rows.set(row.id, row)
    const table = this.#rows!
    await this.db.transaction((tx) => {
      for (const row of rows) tx.put(table, row)
    })
  }

  async close(): Promise<void> {
    await this.db.close()
    this.#db = null
  }
}

export interface Step {
  readonly title: string
  /** Of a checkpoint that copies all of the log: everything is durable then, whatever the mode. */
  readonly isCheckpoint?: boolean
  /** Its commit is followed by a read, without which it is rejected all the same. */
  readonly readsAfterwards?: boolean
  readonly run: (worker: Worker) => Promise<unknown>
}

const many = (count: number, value: (i: number) => string | null, first = 0) =>
  Array.from({ length: count }, (_, i) => [`key ${String(first + i).padStart(3, '0')}`, value(i)] as const)
const manyRows = (count: number, round: number) =>
  Array.from({ length: count }, (_, i) => ({ id: i * 3, name: `name ${(i * 7 + round) % count}`, amount: i + round }))

const put = (title: string, key: string, value: string | null): Step => ({
  title,
  run: (worker) => worker.change([[key, value]]),
})

const checkpoint = (mode: 'passive' | 'full' | 'restart' | 'truncate'): Step => ({
  title: `a ${mode} checkpoint`,
  isCheckpoint: true,
  run: async ({ db }) => {
    const { busy, log, checkpointed } = await db.checkpoint({ mode })
    if (busy !== 0 || log !== checkpointed) throw new Error(`incomplete: ${log} frames, ${checkpointed} copied`)
  },
})

export const STEPS: readonly Step[] = [
  { title: 'creating the database', run: (worker) => worker.open() },
  { title: 'creating a map', readsAfterwards: true, run: (worker) => worker.createEntries() },
  { title: 'creating a table', readsAfterwards: true, run: (worker) => worker.createRows() },
  put('a first commit', 'key 000', 'first'),
  { title: 'growing a tree by splits', run: (worker) => worker.change(many(60, (i) => `value ${i} `.repeat(3))) },
  { title: 'growing a table', run: (worker) => worker.putRows(manyRows(40, 1)) },
  put('an overflow chain', 'key 010', 'long '.repeat(900)),
  checkpoint('passive'),
  put('the commit that starts the log over', 'key 001', 'second generation'),
  put('a commit in the same generation', 'key 002', 'second generation'),
  { title: 'shrinking a tree by merges', run: (worker) => worker.change(many(50, () => null)) },
  { title: 'changing rows', run: (worker) => worker.putRows(manyRows(40, 2)) },
  checkpoint('full'),
  put('a commit after the full checkpoint', 'key 055', 'third generation'),
  checkpoint('restart'),
  put('a commit after the restart checkpoint', 'key 056', 'fourth generation'),
  checkpoint('truncate'),
  put('a commit into an empty log', 'key 057', 'fifth generation'),
  { title: 'dropping a table', run: (worker) => worker.dropRows() },
  {
    title: 'a commit longer than the log was, and than memory has room for',
    // What has left memory is changed and leaves it again: once behind the log, and, when there are enough old frames, in place.
    run: (worker) =>
      worker.change([
        ...many(60, (i) => `${i} grows `.repeat(200)),
        ['no such key', null],
        ...many(22, (i) => `${i} moves `.repeat(200)),
        ...many(3, (i) => `${i} moves again `.repeat(200)),
        ...many(16, (i) => `${i} is new `.repeat(200), 100),
      ]),
  },
  { title: 'the last close', isCheckpoint: true, run: (worker) => worker.close() },
  { title: 'opening again', run: (worker) => worker.open() },
  put('a commit after opening again', 'key 000', 'once more'),
  { title: 'the last close again', isCheckpoint: true, run: (worker) => worker.close() },
]
