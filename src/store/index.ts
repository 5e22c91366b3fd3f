export type { Rowid } from '../btree/index.js'
export type { ColumnType, ColumnValue } from './columns.js'
export {
  type IndexOptions,
  type KeyType,
  type MapOptions,
  mapDefinition,
  type NewStore,
  type TableOptions,
  tableDefinition,
} from './ddl-write.js'
export { checkMatches, definitionOfNew, StoreDefinition, type StoreInfo } from './definition.js'
export type { CommitOptions, PinnedPages, StoreHost } from './host.js'
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
export { loadSchema, Schema, SchemaCache } from './schema.js'
export { Store } from './store.js'
export { type KeyBound, Table, type TableKey } from './table.js'
