/**
 * Which maps a thread has made by koffi, written down in memory that it shares with the thread that started it. A thread that
 * ends runs no code of its own any more, and nobody unmaps what it had; with this, the one who sees it end can.
 *
 * An entry is made after its map, and taken away before that is unmapped. A thread that is ended in between leaves a map
 * behind, as without a ledger; never an entry whose address may have become another map's.
 *
 * A thread finds its ledger in its `workerData`; one that was started without has none.
 */
import { workerData } from 'node:worker_threads'

/** The field of `workerData` it is found in. */
const MAP_LEDGER = 'endmarkMaps'

/** Maps are few and large; of those past this number nothing is written down. */
const ENTRY_COUNT = 1024

/** An entry: thread id (0 = free), length, address (0 = none yet). */
const ENTRY_SIZE = 3
const LENGTH = 1
const ADDRESS = 2

export interface MappedRange {
  readonly address: bigint
  readonly length: number
}

export class MapLedger {
  readonly #cells: BigInt64Array

  constructor(cells: BigInt64Array = new BigInt64Array(new SharedArrayBuffer(ENTRY_COUNT * ENTRY_SIZE * 8))) {
    this.#cells = cells
  }

  static ofThisThread(): MapLedger | null {
    const cells: unknown = (workerData as Record<string, unknown> | null)?.[MAP_LEDGER]
    return cells instanceof BigInt64Array ? new MapLedger(cells) : null
  }

  /** The fields to put into the `workerData` of a thread. */
  toWorkerData(): { readonly [MAP_LEDGER]: BigInt64Array } {
    return { [MAP_LEDGER]: this.#cells }
  }

  /** @returns the entry, for `remove`; null if there is no room for one */
  add(thread: number, { address, length }: MappedRange): number | null {
    const cells = this.#cells
    for (let entry = 0; entry < cells.length; entry += ENTRY_SIZE) {
      if (Atomics.compareExchange(cells, entry, 0n, BigInt(thread)) !== 0n) continue
      Atomics.store(cells, entry + LENGTH, BigInt(length))
      // Last: whoever finds an address finds its length.
      Atomics.store(cells, entry + ADDRESS, address)
      return entry
    }
    return null
  }

  /** To be called before it is unmapped. */
  remove(entry: number): void {
    Atomics.store(this.#cells, entry + ADDRESS, 0n)
    Atomics.store(this.#cells, entry, 0n)
  }

  /** What a thread that has ended had mapped. The caller unmaps it. */
  takeAllOf(thread: number): MappedRange[] {
    const cells = this.#cells
    const ranges: MappedRange[] = []
    for (let entry = 0; entry < cells.length; entry += ENTRY_SIZE) {
      if (Atomics.load(cells, entry) !== BigInt(thread)) continue
      const address = Atomics.exchange(cells, entry + ADDRESS, 0n)
      if (address !== 0n) ranges.push({ address, length: Number(Atomics.load(cells, entry + LENGTH)) })
      Atomics.store(cells, entry, 0n)
    }
    return ranges
  }
}
