/**
 * Exactly once (TXN-6). Whoever applies request n of a client, the writer process or the client itself after losing it, does
 * so under WRITE and only if n is above the number in the client's row; that number becomes n in the same commit. So what
 * has become of n can always be found out: above the number it was not applied, and never will be by anyone who
 * reads the row; up to the number it has the outcome that the row lists, or was committed without results.
 *
 * Rows are read when a batch first needs them, kept in memory while it lasts, and written once, in `beforeAppend`. A batch
 * that fails is never remembered: the next one has other pages, and reads the rows again.
 *
 * Only used under WRITE, except `readClient`.
 */
import { assert } from '../assert.js'
import { ERROR_CODES, type ErrorCode } from '../errors.js'
import type { PageReader, WritePages } from '../pager/index.js'
import { ClientTable, type OperationResult, type Rowid, SchemaCache, type SqlValue } from '../store/index.js'
import type { BatchSchemas } from './batch-schemas.js'
import type { Outcome } from './request.js'

/** What the table says of one client. */
export interface ClientRecord {
  /** Requests up to here are settled; 0 = none. */
  readonly commitNumber: number
  /** Of these, the outcomes that are more than "committed, and nobody asked for results". */
  readonly outcomes: ReadonlyMap<number, Outcome>
}

const NO_RECORD: ClientRecord = { commitNumber: 0, outcomes: new Map() }

/** The row of one client while a batch is made. */
export class ClientRow {
  readonly client: number
  /** As the batch found it. */
  readonly found: ClientRecord
  /** As the batch will leave it. */
  commitNumber: number
  /** Of requests up to the number; later ones are left out when the row is written. */
  outcomes: ReadonlyMap<number, Outcome>
  isChanged = false

  constructor(client: number, found: ClientRecord) {
    this.client = client
    this.found = found
    this.commitNumber = found.commitNumber
    this.outcomes = found.outcomes
  }
}

export class ClientCommits {
  readonly #schemas: BatchSchemas
  readonly #table = new ClientTable()
  /** The batch that `#rows` belong to. */
  #batch: WritePages | null = null
  readonly #rows = new Map<number, ClientRow>()
  readonly #changed: ClientRow[] = []

  /** @param schemas those of the batches in which rows are used */
  constructor(schemas: BatchSchemas) {
    this.#schemas = schemas
  }

  /**
   * The row of this client in this batch.
   * @throws ENDMARK_CORRUPT, ENDMARK_UNSUPPORTED if the table cannot be read
   */
  rowOf(pages: WritePages, client: number): ClientRow {
    if (this.#batch !== pages) this.#begin(pages)
    let row = this.#rows.get(client)
    if (row === undefined) {
      row = new ClientRow(client, this.#read(pages, this.#schemas.of(pages), client))
      this.#rows.set(client, row)
    }
    return row
  }

  /**
   * Puts a number into the row, to be written with the batch; it must have been above that of the row.
   * @param outcomes what is to be known of requests up to it
   */
  advance(row: ClientRow, commitNumber: number, outcomes: ReadonlyMap<number, Outcome>): void {
    assert(commitNumber > row.commitNumber, () => `number ${commitNumber} comes after ${row.commitNumber}`)
    row.commitNumber = commitNumber
    row.outcomes = outcomes
    if (row.isChanged) return
    row.isChanged = true
    this.#changed.push(row)
  }

  /** Removes the row of a client that waits for nothing, or is dead. */
  remove(pages: WritePages, client: number): void {
    if (this.#batch === pages) {
      this.#rows.delete(client)
      const place = this.#changed.findIndex((row) => row.client === client)
      if (place >= 0) this.#changed.splice(place, 1)
    }
    this.#table.delete(pages, this.#schemas.of(pages), client)
  }

  /** Every client with a row in the file. */
  clients(pages: WritePages): Rowid[] {
    return this.#table.clients(pages, this.#schemas.of(pages))
  }

  /** Writes the rows that have changed; called once all transactions of the batch have run. */
  beforeAppend(pages: WritePages): void {
    if (this.#batch !== pages) return
    for (const row of this.#changed) {
      const outcomes = encodeOutcomes(row.outcomes, row.commitNumber)
      this.#table.put(pages, this.#schemas.of(pages), row.client, { commitNumber: row.commitNumber, outcomes })
    }
    this.#end()
  }

  /** What this state, a batch or a committed one, says of a client. */
  readClient(pages: PageReader, client: number): ClientRecord {
    if (pages === this.#batch) return this.rowOf(this.#batch, client)
    return this.#read(pages, new SchemaCache(), client)
  }

  #begin(pages: WritePages): void {
    this.#end()
    this.#batch = pages
  }

  #end(): void {
    this.#batch = null
    this.#rows.clear()
    this.#changed.length = 0
  }

  #read(pages: PageReader, schemas: SchemaCache, client: number): ClientRecord {
    const row = this.#table.read(pages, schemas, client)
    if (row === null) return NO_RECORD
    const outcomes = decodeOutcomes(row.outcomes)
    if (outcomes === null) throw this.#table.damage(pages, schemas, `the outcomes of client ${client}`)
    return { commitNumber: row.commitNumber, outcomes }
  }
}

const COMMITTED = 0
const CONFLICT = 1
const CANCELLED = 2
const FAILED = 3

/** Most characters of an error's message that are kept. */
const MESSAGE_LENGTH_MAX = 500

/** Number and kind of each outcome up to the number, and what else its kind has. */
function encodeOutcomes(outcomes: ReadonlyMap<number, Outcome>, upTo: number): SqlValue[] {
  const values: SqlValue[] = []
  for (const [number, outcome] of outcomes) {
    if (number > upTo) continue
    switch (outcome.kind) {
      case 'committed':
        if (outcome.results === null) continue
        values.push(number, COMMITTED, outcome.results.length)
        for (const { existed, rowid } of outcome.results) values.push(existed ? 1 : 0, rowid)
        break
      case 'conflict':
        values.push(number, CONFLICT)
        break
      case 'cancelled':
        values.push(number, CANCELLED)
        break
      case 'failed':
        values.push(number, FAILED, outcome.code, outcome.message.slice(0, MESSAGE_LENGTH_MAX))
    }
  }
  return values
}

/** @returns null if they cannot be read */
function decodeOutcomes(values: readonly SqlValue[]): ReadonlyMap<number, Outcome> | null {
  const outcomes = new Map<number, Outcome>()
  const reader = new OutcomeReader(values)
  while (!reader.isAtEnd) {
    const number = reader.count()
    const outcome = reader.outcome()
    if (outcome === null) return null
    outcomes.set(number, outcome)
  }
  return outcomes
}

class OutcomeReader {
  readonly #values: readonly SqlValue[]
  #next = 0

  constructor(values: readonly SqlValue[]) {
    this.#values = values
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#values.length
  }

  /** -1 if there is no such number. */
  count(): number {
    const value = this.#values[this.#next++]
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : -1
  }

  /** Null if it cannot be read. */
  outcome(): Outcome | null {
    switch (this.count()) {
      case COMMITTED:
        return this.#committed()
      case CONFLICT:
        return { kind: 'conflict' }
      case CANCELLED:
        return { kind: 'cancelled' }
      case FAILED:
        return this.#failed()
      default:
        return null
    }
  }

  #committed(): Outcome | null {
    const count = this.count()
    const results: OperationResult[] = []
    for (let i = 0; i < count && !this.isAtEnd; i++) {
      const existed = this.count() === 1
      const rowid = this.#values[this.#next++]
      if (rowid !== null && typeof rowid !== 'number' && typeof rowid !== 'bigint') return null
      results.push({ existed, rowid })
    }
    return results.length === count ? { kind: 'committed', results } : null
  }

  #failed(): Outcome | null {
    const code = this.#values[this.#next++]
    const message = this.#values[this.#next++]
    if (!ERROR_CODES.some((known) => known === code) || typeof message !== 'string') return null
    return { kind: 'failed', code: code as ErrorCode, message }
  }
}
