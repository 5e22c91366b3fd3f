/**
 * A write transaction as its function sees it: reads show the newest committed state and the transaction's own
 * changes; writes become operations that are applied to pages nobody else sees. It is over when the function
 * returns (then it commits) or throws (then it is undone).
 *
 * Operations are applied at once, except for puts into maps that come many in a row: those are buffered and applied together,
 * before anything that could tell the difference (TXN-10). A transaction that is recorded applies each at once.
 */
import { assertFunction, preview } from '../arguments.js'
import { EndmarkError, invalidArgument } from '../errors.js'
import type { PageReader, WritePages } from '../pager/index.js'
import {
  applyOperation,
  assertStore,
  BufferedPuts,
  type Operation,
  type OperationResult,
  type OrderedMap,
  type Schema,
  type SchemaCache,
  type Store,
  type StoreHost,
  Table,
} from '../store/index.js'
import { StateReader } from './state-reader.js'
import type { StepLog } from './step-log.js'

/** Puts in a row that are applied at once: those of a function that reads between them are never more. */
const UNBUFFERED_PUTS = 8

export class Transaction extends StateReader {
  #pages: WritePages | null
  readonly #log: StepLog | null
  readonly #schemas: SchemaCache
  /** An error that may have left an edit half done: whatever the function does about it, this must not be committed. */
  #failure: { readonly error: unknown } | null = null
  /** Puts into maps since anything else was done. */
  #putsInRow = 0
  #buffered: BufferedPuts | null = null
  /** As it was found for what is buffered: no operation of a transaction changes it. */
  #bufferedSchema: Schema | null = null

  /** @param log records what the function does and reads */
  constructor(host: StoreHost, pages: WritePages, schemas: SchemaCache, log: StepLog | null = null) {
    super(host, log)
    this.#pages = pages
    this.#log = log
    this.#schemas = schemas
  }

  /**
   * Stores a value under a key of a map, or a row in a table, in place of one with the same key.
   * @returns the key; for a table whose integer key was left out, the one it got
   * @throws ENDMARK_INVALID_ARGUMENT, ENDMARK_CONSTRAINT, ENDMARK_UNSUPPORTED as the handle's own `put`; ENDMARK_NOT_FOUND if this
   *   state has no such store; ENDMARK_CLOSED once the function has returned; ENDMARK_CORRUPT or ENDMARK_IO, for a map perhaps
   *   from a later call: the transaction fails then, whatever its function does
   */
  put<Key, Value>(map: OrderedMap<Key, Value>, key: Key, value: Value): Key
  put<Row extends object, Key>(table: Table<Row, Key>, row: Row): Key
  put<Key, Value, Row extends object>(
    store: OrderedMap<Key, Value> | Table<Row, Key>,
    keyOrRow: Key | Row,
    value?: Value,
  ): Key {
    this.#open()
    if (store instanceof Table) {
      store.assertOf(this.host)
      const schema = this.schema()
      const operation = store.putOperation(schema, keyOrRow as Row)
      return store.keyOfResult(schema, operation, this.#apply(operation).rowid)
    }
    assertStore(store, this.host)
    this.#putInto(store, keyOrRow as Key, value as Value)
    return keyOrRow as Key
  }

  /**
   * Stores a row whose key must be new.
   * @returns the key of the row
   * @throws ENDMARK_CONSTRAINT if there is a row with this key; otherwise as `put`
   */
  insert<Row extends object, Key>(table: Table<Row, Key>, row: Row): Key {
    this.#assertTable(table)
    const schema = this.schema()
    const operation = table.insertOperation(schema, row)
    return table.keyOfResult(schema, operation, this.#apply(operation).rowid)
  }

  /**
   * Changes some columns of the row with this key.
   * @returns false if there is no such row
   * @throws ENDMARK_INVALID_ARGUMENT also for a change of a key column; ENDMARK_UNSUPPORTED also for a row with text that is not
   *   UTF-8; otherwise as `put`
   */
  update<Row extends object, Key>(table: Table<Row, Key>, key: Key, changes: Partial<Row>): boolean {
    this.#assertTable(table)
    return this.#apply(table.updateOperation(this.schema(), key, changes)).existed
  }

  /**
   * Deletes the entry with this key.
   * @returns whether there was one
   * @throws ENDMARK_INVALID_ARGUMENT for a key of the wrong type; otherwise as `put`
   */
  delete<Key, Value, Entry, Bound>(store: Store<Key, Value, Entry, Bound>, key: Key): boolean {
    assertStore(store, this.host)
    return this.#apply(store.deleteOperation(this.schema(), key)).existed
  }

  /**
   * Runs a part that can be undone alone: if `part` throws, its changes are undone and the error is thrown on.
   * @returns what `part` returns
   * @throws what `part` throws; ENDMARK_INVALID_ARGUMENT if it returns a promise, and its changes are undone; ENDMARK_CLOSED;
   *   ENDMARK_CORRUPT or ENDMARK_IO from puts before it
   */
  savepoint<T>(part: () => T): T {
    const pages = this.#open()
    assertFunction(part, 'what savepoint runs')
    this.#applyBuffered()
    const failureBefore = this.#failure
    pages.savepoint()
    this.#log?.savepoint('savepoint')
    let result: T
    try {
      result = refusePromise(part())
      this.#applyBuffered()
    } catch (error) {
      this.#buffered?.drop()
      this.#bufferedSchema = null
      pages.rollback()
      this.#log?.savepoint('rollback')
      this.#schemas.clear()
      this.#failure = failureBefore
      throw error
    }
    pages.release()
    this.#log?.savepoint('release')
    return result
  }

  /**
   * The function has returned: applies what is left to do.
   * @throws the error of an edit that stopped half-way, even if the function has caught it (TXN-4)
   */
  complete(): void {
    this.#applyBuffered()
    if (this.#failure !== null) throw this.#failure.error
  }

  /** Ends all use of this object: its function has returned. */
  end(): void {
    this.#buffered?.drop()
    this.#buffered = null
    this.#pages = null
  }

  /** Asked for by every read, and before each step of an iteration: what is buffered is applied first. */
  protected override pages(): PageReader {
    const pages = this.#open()
    this.#applyBuffered()
    return pages
  }

  protected override schema(): Schema {
    const schema = this.#schemas.of(this.#open())
    this.#log?.lookedAtSchema(schema.cookie)
    return schema
  }

  #assertTable(table: unknown): void {
    if (!(table instanceof Table)) throw invalidArgument(`expected a table of this database, got ${preview(table)}`)
    table.assertOf(this.host)
  }

  #putInto<Key, Value>(map: OrderedMap<Key, Value>, key: Key, value: Value): void {
    const pages = this.#open()
    if (this.#putsInRow < UNBUFFERED_PUTS || this.#log !== null) {
      const puts = this.#putsInRow + 1
      this.#apply(map.putOperation(this.schema(), key, value))
      this.#putsInRow = puts
      return
    }
    this.#buffered ??= new BufferedPuts(pages)
    this.#bufferedSchema ??= this.schema()
    const buffered = this.#buffered
    const alone = buffered.put(map, this.#bufferedSchema, key, value)
    if (alone !== null) this.#apply(alone)
    else if (buffered.needsTending) this.#settle(buffered, 'some')
  }

  /** TXN-10: called before anything that sees or does something else than puts into maps. */
  #applyBuffered(): void {
    this.#putsInRow = 0
    const buffered = this.#buffered
    if (buffered !== null && !buffered.isEmpty) this.#settle(buffered, 'all')
  }

  #settle(buffered: BufferedPuts, which: 'some' | 'all'): void {
    try {
      if (which === 'all') buffered.apply()
      else buffered.tend()
    } catch (error) {
      this.#failure ??= { error }
      throw error
    }
  }

  #apply(operation: Operation): OperationResult {
    const pages = this.#open()
    this.#applyBuffered()
    const log = this.#log
    log?.operation(operation)
    try {
      const result = applyOperation(pages, this.#schemas.of(pages), operation)
      log?.result(operation, result)
      pages.relieve()
      return result
    } catch (error) {
      if (isRefusal(error)) log?.refusal(error.code)
      else this.#failure ??= { error }
      throw error
    }
  }

  #open(): WritePages {
    if (this.#pages === null) {
      throw new EndmarkError('ENDMARK_CLOSED', 'this transaction is over: its function has returned')
    }
    return this.#pages
  }
}

const REFUSALS: readonly unknown[] = [
  'ENDMARK_CONSTRAINT',
  'ENDMARK_INVALID_ARGUMENT',
  'ENDMARK_NOT_FOUND',
  'ENDMARK_UNSUPPORTED',
]

/** Whether an operation that failed with this error has changed nothing: see `applyOperation`. */
export function isRefusal(error: unknown): error is EndmarkError {
  return error instanceof EndmarkError && REFUSALS.includes(error.code)
}

/** The body of a transaction is synchronous: what a promise does later would not be part of it. */
export function refusePromise<T>(result: T): T {
  const isPromise = typeof (result as { then?: unknown } | null | undefined)?.then === 'function'
  if (!isPromise) return result
  // Nobody else has the promise, and its next use of the transaction, which is over, rejects it. Other thenables may only begin with `then`.
  if (result instanceof Promise) result.catch(() => {})
  throw invalidArgument('the function of a transaction must not be async: it returned a promise')
}
