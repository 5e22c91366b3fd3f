/** Applies steps to two Databases on one file and to the model, and compares whatever they read. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import {
  type Database,
  EndmarkError,
  type OpenOptions,
  open,
  type Snapshot,
  type Transaction,
} from '../../src/index.js'
import {
  type Change,
  compareNumbers,
  type Entry,
  type Handles,
  keyOf,
  Model,
  makeValue,
  type Row,
  rowOf,
  STORE_NAMES,
  type Step,
  type StoreName,
  type Value,
  type WideKey,
  type WideRow,
  wideRowOf,
} from './model.js'

interface Held {
  readonly snapshot: Snapshot
  readonly model: Model
  readonly by: 0 | 1
}

/** How long a checkpoint waits for snapshots. */
const CHECKPOINT_MS = 100

class Undone extends Error {}

export class Runner {
  readonly path: string
  readonly model = new Model()
  readonly #options: OpenOptions
  readonly #databases: Database[] = []
  readonly #handles: Handles[] = []
  #held: Held[] = []

  constructor(folder: string, options: OpenOptions) {
    this.path = join(folder, `${options.pageSize}-${Math.random()}.db`)
    this.#options = { synchronous: 'off', ...options }
  }

  async open(): Promise<void> {
    await this.#open(0)
    await this.#open(1)
  }

  async close(): Promise<void> {
    for (const { snapshot } of this.#held) snapshot.close()
    for (const db of this.#databases) await db.close()
  }

  async run(step: Step): Promise<void> {
    switch (step.type) {
      case 'write':
        await this.#write(step)
        break
      case 'read':
        this.#read(step)
        break
      case 'snapshot':
        if (this.#held.length < 6) {
          this.#held.push({ snapshot: this.#databases[step.by]!.snapshot(), model: this.model.copy(), by: step.by })
        }
        break
      case 'release':
        this.#release(step.which)
        break
      case 'checkpoint':
        await this.#checkpoint(step)
        break
      case 'reopen':
        await this.#reopen(step.by)
        break
      case 'recreate':
        await this.#databases[step.by]!.dropStore(step.store)
        this.model.clear(step.store)
        await this.#makeHandles(step.by)
    }
    this.#compareCounts()
  }

  /** Compares the whole content, in the newest state of both and in every snapshot. */
  compareAll(): void {
    for (const by of [0, 1] as const) {
      this.#databases[by]!.read((snapshot) => this.#compareContent(snapshot, this.model, by))
    }
    for (const { snapshot, model, by } of this.#held) this.#compareContent(snapshot, model, by)
  }

  async #open(by: 0 | 1): Promise<void> {
    this.#databases[by] = await open(this.path, this.#options)
    await this.#makeHandles(by)
  }

  async #makeHandles(by: 0 | 1): Promise<void> {
    const db = this.#databases[by]!
    this.#handles[by] = {
      pairs: await db.map('pairs', { key: 'any', value: 'any' }),
      rows: await db.table<Row, number>('rows', {
        columns: { id: 'integer', name: 'text', data: 'any' },
        primaryKey: 'id',
      }),
      wide: await db.table<WideRow, WideKey>('wide', {
        columns: { data: 'any', b: 'integer', a: 'text' },
        primaryKey: ['a', 'b'],
      }),
    }
  }

  /** One that waits for snapshots, which nobody closes meanwhile, is given up; then what they allow is copied at least. */
  async #checkpoint({ by, mode }: Step & { type: 'checkpoint' }): Promise<void> {
    const db = this.#databases[by]!
    if (this.#held.length === 0) return void (await db.checkpoint({ mode }))
    try {
      await db.checkpoint({ mode, signal: AbortSignal.timeout(CHECKPOINT_MS) })
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error
      await db.checkpoint({ mode: 'passive' })
    }
  }

  async #reopen(by: 0 | 1): Promise<void> {
    for (const held of this.#held) if (held.by === by) this.#compareContent(held.snapshot, held.model, by)
    this.#held = this.#held.filter((held) => held.by !== by)
    await this.#databases[by]!.close()
    await this.#open(by)
  }

  #release(which: number): void {
    const [held] = this.#held.splice(which % Math.max(1, this.#held.length), 1)
    if (held === undefined) return
    this.#compareContent(held.snapshot, held.model, held.by)
    held.snapshot.close()
  }

  async #write({ by, style, changes, savepoint, fails }: Step & { type: 'write' }): Promise<void> {
    const db = this.#databases[by]!
    if (style === 'one by one') {
      for (const change of changes) this.#check(change, await this.#apply(by, change))
      return
    }
    if (style === 'all at once') {
      const outcomes = await Promise.all(changes.map((change) => this.#apply(by, change)))
      for (const [index, change] of changes.entries()) this.#check(change, outcomes[index]!)
      return
    }
    const before = this.model.copy()
    const work = (tx: Transaction) => {
      const { from, to, fails: savepointFails } = savepoint ?? { from: 0, to: 0, fails: false }
      for (const change of changes.slice(0, from)) this.#applyIn(tx, by, change)
      const saved = this.model.copy()
      try {
        tx.savepoint(() => {
          for (const change of changes.slice(from, to)) this.#applyIn(tx, by, change)
          if (savepointFails) throw new Undone()
        })
      } catch (error) {
        if (!(error instanceof Undone)) throw error
        this.model.restore(saved)
      }
      for (const change of changes.slice(Math.max(from, to))) this.#applyIn(tx, by, change)
      if (!fails) return
      this.#compareContent(tx, this.model, by)
      throw new Undone()
    }
    try {
      if (style === 'blocking') db.transactionSync(work)
      else await db.transaction(work)
      assert.equal(fails, false)
    } catch (error) {
      if (!(error instanceof Undone)) throw error
      this.model.restore(before)
    }
  }

  /** @returns what the call said, or 'exists' for a refused insert */
  async #apply(by: 0 | 1, { store, action, key, value }: Change): Promise<unknown> {
    const { pairs, rows, wide } = this.#handles[by]!
    const data = makeValue(value)
    try {
      if (store === 'pairs') {
        if (action === 'delete') return await pairs.delete(keyOf.pairs(key))
        if (action === 'put') return await pairs.put(keyOf.pairs(key), data)
        return await pairs.batch([
          { type: 'delete', key: keyOf.pairs(key + 1) },
          { type: 'put', key: keyOf.pairs(key), value: data },
        ])
      }
      if (store === 'rows') {
        if (action === 'delete') return await rows.delete(keyOf.rows(key))
        if (action === 'update') return await rows.update(keyOf.rows(key), { data })
        return await rows[action](rowOf(key, data))
      }
      if (action === 'delete') return await wide.delete(keyOf.wide(key))
      if (action === 'update') return await wide.update(keyOf.wide(key), { data })
      return await wide[action](wideRowOf(key, data))
    } catch (error) {
      return existsOr(error)
    }
  }

  #applyIn(tx: Transaction, by: 0 | 1, change: Change): void {
    const { pairs, rows, wide } = this.#handles[by]!
    const { store, action, key, value } = change
    const data = makeValue(value)
    let outcome: unknown
    try {
      if (store === 'pairs') {
        if (action === 'delete') outcome = tx.delete(pairs, keyOf.pairs(key))
        else if (action === 'put') outcome = void tx.put(pairs, keyOf.pairs(key), data)
        else {
          tx.delete(pairs, keyOf.pairs(key + 1))
          tx.put(pairs, keyOf.pairs(key), data)
        }
      } else if (store === 'rows') {
        if (action === 'delete') outcome = tx.delete(rows, keyOf.rows(key))
        else if (action === 'update') outcome = tx.update(rows, keyOf.rows(key), { data })
        else outcome = tx[action](rows, rowOf(key, data))
      } else if (action === 'delete') outcome = tx.delete(wide, keyOf.wide(key))
      else if (action === 'update') outcome = tx.update(wide, keyOf.wide(key), { data })
      else outcome = tx[action](wide, wideRowOf(key, data))
    } catch (error) {
      outcome = existsOr(error)
    }
    this.#check(change, outcome)
    this.#compareOne(tx, by, change)
  }

  /** Applies the change to the model and compares what it says with the outcome. */
  #check(change: Change, outcome: unknown): void {
    const expected = this.#applyToModel(change)
    assert.deepEqual(outcome, expected, JSON.stringify(change))
  }

  #applyToModel({ store, action, key, value }: Change): unknown {
    const { model } = this
    const data = makeValue(value)
    const existed = model.has(store, key)
    if (action === 'delete') return model.delete(store, key)
    if (store === 'pairs') {
      if (action !== 'put') model.delete(store, key + 1)
      model.put(store, key, [keyOf.pairs(key), data])
      return undefined
    }
    if (action === 'update') {
      const old = model.get(store, key)
      if (old !== undefined) model.put(store, key, { ...(old as Row | WideRow), data })
      return existed
    }
    if (action === 'insert' && existed) return 'exists'
    model.put(store, key, store === 'rows' ? rowOf(key, data) : wideRowOf(key, data))
    return keyOf[store](key)
  }

  #compareOne(reader: Transaction, by: 0 | 1, { store, key }: Change): void {
    const entry = this.model.get(store, key)
    assert.deepEqual(
      getOf(reader, this.#handles[by]!, store, key),
      store === 'pairs' ? (entry as [unknown, Value] | undefined)?.[1] : entry,
    )
  }

  #read({ by, store, lower, upper, reverse, limit }: Step & { type: 'read' }): void {
    const bound = (key: number) => keyOf[store](key)
    const range = {
      ...(lower === null ? {} : { [lower.isOpen ? 'gt' : 'gte']: bound(lower.key) }),
      ...(upper === null ? {} : { [upper.isOpen ? 'lt' : 'lte']: bound(upper.key) }),
      reverse,
      ...(limit === null ? {} : { limit }),
    }
    const isInside = (number: number) => {
      const fromLower = lower === null ? 1 : compareNumbers(store, number, lower.key)
      const fromUpper = upper === null ? -1 : compareNumbers(store, number, upper.key)
      return (
        (fromLower > 0 || (fromLower === 0 && !lower!.isOpen)) && (fromUpper < 0 || (fromUpper === 0 && !upper!.isOpen))
      )
    }
    const compare = (snapshot: Snapshot, model: Model, handles: Handles) => {
      const expected = model
        .entries(store)
        .filter(({ number }) => isInside(number))
        .map(({ entry }) => entry)
      if (reverse) expected.reverse()
      const limited = expected.slice(0, limit ?? undefined)
      assert.deepEqual([...rangeOf(snapshot, handles, store, range)], limited, JSON.stringify(range, showKey))
      assert.equal(countOf(snapshot, handles, store, range), limited.length)
    }
    this.#databases[by]!.read((snapshot) => compare(snapshot, this.model, this.#handles[by]!))
    const held = this.#held[0]
    if (held !== undefined) compare(held.snapshot, held.model, this.#handles[held.by]!)
  }

  #compareContent(reader: Snapshot | Transaction, model: Model, by: 0 | 1): void {
    const handles = this.#handles[by]!
    for (const store of STORE_NAMES) {
      const expected = model.entries(store).map(({ entry }) => entry)
      assert.deepEqual([...rangeOf(reader, handles, store, {})], expected, store)
    }
  }

  #compareCounts(): void {
    for (const by of [0, 1] as const) {
      for (const store of STORE_NAMES) {
        const expected = this.model.entries(store).length
        const found = this.#databases[by]!.read((snapshot) => countOf(snapshot, this.#handles[by]!, store))
        assert.equal(found, expected, store)
      }
    }
  }
}

function existsOr(error: unknown): 'exists' {
  if (error instanceof EndmarkError && error.code === 'ENDMARK_CONSTRAINT') return 'exists'
  throw error
}

type Reader = Pick<Snapshot, 'get' | 'range' | 'count'>

function getOf(reader: Reader, handles: Handles, store: StoreName, key: number): unknown {
  if (store === 'pairs') return reader.get(handles.pairs, keyOf.pairs(key))
  return store === 'rows' ? reader.get(handles.rows, keyOf.rows(key)) : reader.get(handles.wide, keyOf.wide(key))
}

function rangeOf(reader: Reader, handles: Handles, store: StoreName, range: object): Iterable<Entry> {
  if (store === 'pairs') return reader.range(handles.pairs, range)
  return store === 'rows' ? reader.range(handles.rows, range) : reader.range(handles.wide, range)
}

function countOf(reader: Reader, handles: Handles, store: StoreName, range?: object): number {
  if (store === 'pairs') return reader.count(handles.pairs, range)
  return store === 'rows' ? reader.count(handles.rows, range) : reader.count(handles.wide, range)
}

function showKey(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
