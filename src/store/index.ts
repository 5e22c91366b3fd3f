export type { Payload, Rowid } from '../btree/index.js'
export type { SqlValue } from '../format/index.js'
export { BufferedPuts } from './buffered-puts.js'
export { type ComparedState, ComparedStates, changedStores, type StoreChange } from './changed-stores.js'
export { checkOperation, isRowid, isWellFormedRecord } from './check-operation.js'
export { ClientTable, type ClientTableRow } from './client-table.js'
export { applyAffinity, type Column, type ColumnType, type ColumnValue } from './columns.js'
export { parseCreateTable, syntaxProblem } from './ddl-parse.js'
export {
  foldName,
  type IndexOptions,
  type KeyType,
  type MapOptions,
  mapDefinition,
  type NewStore,
  type TableOptions,
  tableDefinition,
} from './ddl-write.js'
export { checkMatches, definitionOfNew, StoreDefinition, type StoreInfo } from './definition.js'
export { type Digest, Digester } from './digest.js'
export type { CommitOptions, PinnedPages, StoreHost } from './host.js'
export {
  constraintIndexNames,
  type EntrySource,
  type IndexLayout,
  indexLayoutOf,
} from './index-layout.js'
export { assertName, openMap, openTable } from './open-store.js'
export {
  applyOperation,
  type CreateOperation,
  createOperation,
  type DeleteOperation,
  type DropOperation,
  type Operation,
  type OperationResult,
  type PutOperation,
  type UpdateOperation,
} from './operation.js'
export { type MapChange, OrderedMap } from './ordered-map.js'
export type { EntryRange, RangeOptions } from './range.js'
export type { EntryPlace, PlainBounds, RangeLog, ReadLog } from './read-log.js'
export { countAll, findEntryAt, repeatRange } from './repeat-read.js'
export {
  ignoresDescending,
  loadSchema,
  SCHEMA_ROOT,
  Schema,
  SchemaCache,
  type SchemaRow,
  schemaRowOf,
} from './schema.js'
export { assertStore, Store } from './store.js'
export { type KeyBound, Table, type TableKey } from './table.js'
