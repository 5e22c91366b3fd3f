export * from './btree-page.js'
export * from './bytes.js'
export * from './canonical-record.js'
export * from './cell.js'
export * from './entry-hash.js'
export * from './file-header.js'
export * from './freelist-page.js'
export * from './key-order.js'
export * from './local-payload.js'
export * from './lock-byte-page.js'
export * from './lock-bytes.js'
export * from './overflow-page.js'
export * from './pointer-map-page.js'
export * from './reader-registry-layout.js'
export * from './record.js'
export * from './record-shape.js'
export * from './search-key.js'
export * from './value.js'
export {
  BINARY_ORDER,
  bytesHead,
  type Collation,
  compareValues,
  type KeyColumn,
  type KeyOrder,
} from './value-order.js'
export * from './varint.js'
export * from './wal-checksum.js'
export * from './wal-frame.js'
export * from './wal-header.js'
export * from './wal-index-layout.js'
