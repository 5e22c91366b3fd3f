/**
 * Reading by plain data, as it came from another process: keys and bounds as records instead of JavaScript values. That a
 * record is well formed was checked before (`check-record.ts`); whether it fits this store is found out here.
 */
import { countEntries, findRecord, findRow, Payload, type Rowid } from '../btree/index.js'
import { invalidArgument } from '../errors.js'
import { decodeRecord, RecordReader, SearchKey } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import { assertReadable } from './constraints.js'
import type { StoreDefinition } from './definition.js'
import { type EntryRange, RecordRange, RowRange } from './range.js'
import type { EntryPlace, PlainBounds, RangeLog } from './read-log.js'

const foundPayload = new Payload()
const reader = new RecordReader()

/** The entry at this place, until the next operation on these pages, or null. */
export function findEntryAt(pages: PageReader, definition: StoreDefinition, place: EntryPlace): Payload | null {
  assertReadable(definition)
  checkPlace(definition, place)
  const { rowid, key } = place
  const { root, keyOrder } = definition
  const isFound =
    key === null
      ? findRow(pages, root, rowid!, foundPayload)
      : findRecord(pages, root, new SearchKey(keyOrder).setFromRecord(key, 0, key.length), foundPayload)
  return isFound ? foundPayload : null
}

export function countAll(pages: PageReader, definition: StoreDefinition): number {
  assertReadable(definition)
  return countEntries(pages, definition.root, definition.treeKind)
}

/** An iteration between these bounds, for `skip`: what it passes goes to the log alone. */
export function repeatRange(
  pages: PageReader,
  definition: StoreDefinition,
  plain: PlainBounds,
  log: RangeLog,
): EntryRange<void> {
  assertReadable(definition)
  const source = { pages, definition, release: null, holder: null, log }
  const { lower, isLowerOpen, upper, isUpperOpen, reverse } = plain
  const common = { isLowerOpen, isUpperOpen, reverse, limit: Number.POSITIVE_INFINITY }
  if (definition.treeKind === 'table') {
    const bounds = { lower: rowidBound(definition, lower), upper: rowidBound(definition, upper), ...common }
    return new RowRange(source, bounds, () => {})
  }
  const bounds = { lower: keyBound(definition, lower), upper: keyBound(definition, upper), ...common }
  return new RecordRange(source, bounds, () => {})
}

/** @throws ENDMARK_INVALID_ARGUMENT unless the store has entries at places like this one */
export function checkPlace(definition: StoreDefinition, { rowid, key }: EntryPlace): void {
  if (definition.treeKind === 'table') {
    if (rowid !== null && key === null) return
    throw invalidArgument(`store ${JSON.stringify(definition.name)}: its entries are known by a rowid`)
  }
  const { length } = definition.keyOrder
  if (rowid === null && key !== null && columnCountOf(key) === length) return
  throw invalidArgument(`store ${JSON.stringify(definition.name)}: its keys have ${length} columns, and no rowid`)
}

function keyBound(definition: StoreDefinition, record: Uint8Array | null): SearchKey | null {
  if (record === null) return null
  const count = columnCountOf(record)
  if (count <= definition.keyOrder.length) {
    return new SearchKey(definition.keyOrder).setFromRecord(record, 0, record.length, count)
  }
  throw invalidArgument(`store ${JSON.stringify(definition.name)}: a bound of ${count} columns`)
}

function rowidBound(definition: StoreDefinition, record: Uint8Array | null): Rowid | null {
  if (record === null) return null
  const [rowid, ...more] = decodeRecord(record, 0, record.length)
  const isInteger = typeof rowid === 'bigint' || Number.isSafeInteger(rowid)
  if (isInteger && more.length === 0) return rowid as Rowid
  throw invalidArgument(`store ${JSON.stringify(definition.name)}: a bound that is no rowid`)
}

function columnCountOf(record: Uint8Array): number {
  return reader.reset(record, 0, record.length).columnCount
}
