/** The core workloads of YCSB, A to F, in one process. Callers wait for their own operations only. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Connection, Scanned } from '../peers/peer.js'
import { scattered, xorshift32, zipfianRanks } from '../random.js'
import { ChangingValues, keyOf, requireValue } from '../rows.js'
import type { Subject } from './task.js'
import type { LoopTime } from './timing.js'

type Operation = 'read' | 'update' | 'insert' | 'scan' | 'modify'

/** Parts of a hundred of each operation, and which rows are wanted. */
interface Mix {
  readonly about: string
  readonly parts: Readonly<Partial<Record<Operation, number>>>
  readonly rows: 'zipfian' | 'latest'
}

export const YCSB_MIXES = {
  A: { about: '50% reads, 50% updates', parts: { read: 50, update: 50 }, rows: 'zipfian' },
  B: { about: '95% reads, 5% updates', parts: { read: 95, update: 5 }, rows: 'zipfian' },
  C: { about: 'reads only', parts: { read: 100 }, rows: 'zipfian' },
  D: { about: '95% reads of the latest rows, 5% inserts', parts: { read: 95, insert: 5 }, rows: 'latest' },
  E: { about: '95% scans of 1 to 100 rows, 5% inserts', parts: { scan: 95, insert: 5 }, rows: 'zipfian' },
  F: { about: '50% reads, 50% read-modify-writes', parts: { read: 50, modify: 50 }, rows: 'zipfian' },
} as const satisfies Readonly<Record<string, Mix>>

export type MixName = keyof typeof YCSB_MIXES

export interface Ycsb extends LoopTime {
  readonly mix: MixName
  /** At the start; with those that earlier rounds have inserted. */
  readonly rowCount: number
  readonly seed: number
  readonly outstanding: number
}

export interface YcsbResult {
  readonly perSecond: number
  readonly inserted: number
}

const SCAN_ROWS_MAX = 100
/** So many operations are drawn before the round and taken in turn. */
const DRAWN_COUNT = 1 << 16
/** Turns of the event loop that a caller takes although its store blocks: often enough for other work, too rare to count. */
const OPERATIONS_PER_TURN = 1000

export async function ycsb({ connection }: Subject, parameters: Ycsb): Promise<YcsbResult> {
  const run = new Run(connection, parameters)
  await run.loop(parameters.warmUpSeconds)
  const begun = performance.now()
  const done = await run.loop(parameters.seconds)
  const elapsedMs = performance.now() - begun
  run.requireInserted()
  return { perSecond: (done / elapsedMs) * 1000, inserted: run.inserted }
}

class Run {
  readonly #connection: Connection
  readonly #outstanding: number
  readonly #firstRows: number
  readonly #mix: Mix
  readonly #operations: readonly Operation[]
  readonly #ranks: Uint32Array
  readonly #lengths: Uint8Array
  readonly #values: ChangingValues
  /** All rows below this one are there. */
  #rowCount: number
  /** Of those above, which inserts need not be done in the order in which they began. */
  readonly #doneRows = new Set<number>()
  #newRow: number
  #next = 0

  constructor(connection: Connection, { mix, rowCount, seed, outstanding }: Ycsb) {
    const random = xorshift32(seed)
    const ranks = zipfianRanks(rowCount, seed)
    this.#connection = connection
    this.#outstanding = outstanding
    this.#mix = YCSB_MIXES[mix]
    const parts = Object.entries(this.#mix.parts) as [Operation, number][]
    const hundred = parts.flatMap(([operation, count]) => Array<Operation>(count).fill(operation))
    this.#operations = Array.from({ length: DRAWN_COUNT }, () => hundred[random() % hundred.length]!)
    this.#ranks = Uint32Array.from({ length: DRAWN_COUNT }, ranks)
    this.#lengths = Uint8Array.from({ length: DRAWN_COUNT }, () => 1 + (random() % SCAN_ROWS_MAX))
    this.#values = new ChangingValues(process.pid)
    this.#firstRows = rowCount
    this.#rowCount = rowCount
    this.#newRow = rowCount
  }

  get inserted(): number {
    return this.#newRow - this.#firstRows
  }

  /** @returns how many operations were done */
  async loop(seconds: number): Promise<number> {
    const end = performance.now() + seconds * 1000
    const counts = await Promise.all(Array.from({ length: this.#outstanding }, () => this.#oneByOne(end)))
    return counts.reduce((total, count) => total + count, 0)
  }

  requireInserted(): void {
    for (let row = this.#firstRows; row < this.#newRow; row++) requireValue(this.#connection.get(keyOf(row)), row)
  }

  async #oneByOne(end: number): Promise<number> {
    let done = 0
    while (performance.now() < end) {
      const pending = this.#operate()
      if (pending !== undefined) await pending
      if (++done % OPERATIONS_PER_TURN === 0) await nextTurn()
    }
    return done
  }

  #operate(): Promise<unknown> | undefined {
    const drawn = this.#next++ % DRAWN_COUNT
    const operation = this.#operations[drawn]!
    if (operation === 'insert') return this.#insert()
    const row = this.#rowOf(this.#ranks[drawn]!)
    if (operation === 'read') return void requireValue(this.#connection.get(keyOf(row)), row)
    if (operation === 'update') return this.#connection.put(keyOf(row), this.#values.next(row))
    if (operation === 'scan') return this.#scan(row, this.#lengths[drawn]!)
    return this.#connection.modify(keyOf(row), (value) => {
      requireValue(value, row)
      return this.#values.next(row)
    })
  }

  #rowOf(rank: number): number {
    return this.#mix.rows === 'latest' ? this.#rowCount - 1 - rank : scattered(rank, this.#firstRows)
  }

  #insert(): Promise<unknown> | undefined {
    const row = this.#newRow++
    const pending = this.#connection.put(keyOf(row), this.#values.next(row))
    const inserted = () => {
      this.#doneRows.add(row)
      while (this.#doneRows.delete(this.#rowCount)) this.#rowCount++
    }
    return pending === undefined ? void inserted() : pending.then(inserted)
  }

  #scan(row: number, limit: number): Promise<unknown> | undefined {
    const expected = Math.min(limit, this.#firstRows - row)
    const check = ({ rows }: Scanned) => {
      if (rows < expected) throw new Error(`a scan of ${limit} rows from row ${row} has found ${rows}`)
    }
    const scanned = this.#connection.scanForward(keyOf(row), limit)
    return scanned instanceof Promise ? scanned.then(check) : void check(scanned)
  }
}
