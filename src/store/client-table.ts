/**
 * The table of client commits, `endmark_clients`: one row for each client that commits through a writer process, with the
 * number of its last commit. What the rows mean is said in txn/client-commits.ts; here they are read and written.
 *
 * It is created when the first row is written. A table of this name that somebody else has defined otherwise is refused.
 */

import { assert } from '../assert.js'
import { deleteRow, findRow, Payload, putRow, type Rowid, TableCursor } from '../btree/index.js'
import { unsupported } from '../errors.js'
import { DamagedRecord, decodeRecord, encodeRecord, RecordReader, type SqlValue } from '../format/index.js'
import type { PageReader, PageWriter } from '../pager/index.js'
import { locateDamage } from './damage.js'
import { CLIENTS_STORE } from './ddl-write.js'
import { definitionOfNew, type StoreDefinition } from './definition.js'
import type { SchemaCache } from './schema.js'
import { addTable } from './schema-change.js'

const SQL = `CREATE TABLE ${CLIENTS_STORE}(client INTEGER PRIMARY KEY, commit_number INTEGER NOT NULL, outcomes BLOB)`
const NUMBER_PLACE = 1
const OUTCOMES_PLACE = 2

export interface ClientTableRow {
  readonly commitNumber: number
  /** As they were put there. */
  readonly outcomes: readonly SqlValue[]
}

export class ClientTable {
  readonly #payload = new Payload()
  readonly #reader = new RecordReader()
  /** The definition that was last found to be ours. */
  #definition: StoreDefinition | null = null

  /** @param schemas those of these pages */
  read(pages: PageReader, schemas: SchemaCache, client: number): ClientTableRow | null {
    const table = this.#definitionIn(pages, schemas)
    if (table === null || !findRow(pages, table.root, client, this.#payload)) return null
    const { bytes, start, length } = this.#payload
    try {
      const reader = this.#reader.reset(bytes, start, length)
      const commitNumber = reader.column(NUMBER_PLACE)
      const outcomes = reader.column(OUTCOMES_PLACE)
      if (!Number.isSafeInteger(commitNumber)) throw new DamagedRecord('no commit number')
      return { commitNumber: commitNumber as number, outcomes: decodeOutcomes(outcomes) }
    } catch (error) {
      throw locateDamage(pages, table, error)
    }
  }

  /** Creates the table if need be. */
  put(pages: PageWriter, schemas: SchemaCache, client: number, { commitNumber, outcomes }: ClientTableRow): void {
    if (this.#definitionIn(pages, schemas) === null) addTable(pages, definitionOfNew({ name: CLIENTS_STORE, sql: SQL }))
    const { root } = this.#definitionIn(pages, schemas)!
    putRow(
      pages,
      root,
      client,
      encodeRecord([null, commitNumber, outcomes.length === 0 ? null : encodeRecord(outcomes)]),
      'upsert',
    )
  }

  delete(pages: PageWriter, schemas: SchemaCache, client: number): void {
    const table = this.#definitionIn(pages, schemas)
    if (table !== null) deleteRow(pages, table.root, client)
  }

  /** Every client that has a row. */
  clients(pages: PageReader, schemas: SchemaCache): Rowid[] {
    const table = this.#definitionIn(pages, schemas)
    if (table === null) return []
    const clients: Rowid[] = []
    const cursor = new TableCursor(pages, table.root)
    for (let isThere = cursor.first(); isThere; isThere = cursor.next()) clients.push(cursor.rowid)
    return clients
  }

  /** The error for a row whose outcomes make no sense. */
  damage(pages: PageReader, schemas: SchemaCache, what: string): unknown {
    const table = this.#definitionIn(pages, schemas)
    assert(table !== null, 'what was read is there')
    return locateDamage(pages, table, new DamagedRecord(what))
  }

  #definitionIn(pages: PageReader, schemas: SchemaCache): StoreDefinition | null {
    const schema = schemas.of(pages)
    const definition = schema.store(CLIENTS_STORE)
    if (definition === this.#definition && definition !== undefined) return definition
    if (definition === undefined && schema.object(CLIENTS_STORE) === undefined) return null
    // An index or a trigger on it would have to be kept right too.
    if (definition?.sql === SQL && schema.rowsOf(CLIENTS_STORE).length === 1) {
      this.#definition = definition
      return definition
    }
    throw unsupported(`${JSON.stringify(CLIENTS_STORE)} is not the table that Endmark keeps under this name`)
  }
}

/** They stand in the row as a record of their own. */
function decodeOutcomes(value: SqlValue | undefined): SqlValue[] {
  return value instanceof Uint8Array ? decodeRecord(value, 0, value.length) : []
}
