/**
 * Handles of maps and tables by name: of one that is there, whoever made it, or of one that is made now, if the caller says how it
 * is defined. What is there must then be defined so.
 */

import { preview } from '../arguments.js'
import { invalidArgument } from '../errors.js'
import {
  type MapOptions,
  mapDefinition,
  type NewStore,
  refuseReservedName,
  type TableOptions,
  tableDefinition,
} from './ddl-write.js'
import { checkMatches, definitionOfNew } from './definition.js'
import type { StoreHost } from './host.js'
import { createOperation } from './operation.js'
import { OrderedMap } from './ordered-map.js'
import type { Schema } from './schema.js'
import { Table, type TableKey } from './table.js'

/** @throws (rejects) as `Database.map` */
export async function openMap<K, V>(
  host: StoreHost,
  name: string,
  options: MapOptions | undefined,
): Promise<OrderedMap<K, V>> {
  assertName(name)
  const schema = await ensureStore(host, name, options === undefined ? undefined : mapDefinition(name, options))
  const map = new OrderedMap<K, V>(host, name)
  map.assertUsable(schema)
  return map
}

/** @throws ENDMARK_INVALID_ARGUMENT unless it is text */
export function assertName(name: unknown): asserts name is string {
  if (typeof name !== 'string') throw invalidArgument(`expected the name of a store, got ${preview(name)}`)
}

/** @throws (rejects) as `Database.table` */
export async function openTable<Row extends object, Key = TableKey>(
  host: StoreHost,
  name: string,
  options: TableOptions | undefined,
): Promise<Table<Row, Key>> {
  assertName(name)
  const schema = await ensureStore(host, name, options === undefined ? undefined : tableDefinition(name, options))
  const table = new Table<Row, Key>(host, name)
  table.assertUsable(schema)
  return table
}

/** @returns the newest schema, with the store in it if it was there or `wanted` */
async function ensureStore(host: StoreHost, name: string, wanted: NewStore | undefined): Promise<Schema> {
  refuseReservedName(name)
  const schema = host.schema(host.pages())
  const existing = schema.store(name)
  if (wanted === undefined || existing !== undefined) {
    if (wanted !== undefined && existing !== undefined) checkMatches(existing, definitionOfNew(wanted))
    return schema
  }
  await host.write([createOperation(wanted)])
  return host.schema(host.pages())
}
