/** The largest record, so that SQLite can read whatever is stored: its own default limit for a string, blob or row. */
import { invalidArgument } from '../errors.js'

export const RECORD_SIZE_MAX = 1_000_000_000

/** @throws ENDMARK_INVALID_ARGUMENT for a record over the limit */
export function checkRecordSize(store: string, record: Uint8Array): Uint8Array {
  if (record.length <= RECORD_SIZE_MAX) return record
  throw invalidArgument(
    `store ${JSON.stringify(store)}: a record of ${record.length} bytes, possible are ${RECORD_SIZE_MAX}`,
  )
}
