/**
 * What may be written: only stores whose every rule is kept here. A rule that is not (a trigger, a CHECK, a second
 * tree to keep in step) is a reason to refuse the write and to say which rule it was, never to skip it.
 *
 * NOT NULL and the types of columns are checked where values are encoded (columns.ts); the uniqueness of the primary
 * key is the tree's own.
 */
import { unsupported } from '../errors.js'
import { foldName, isReservedName } from './ddl-write.js'
import type { DefinitionParts, StoreDefinition } from './definition.js'

/** Why this store must not be written to, or null. */
export function constraintRefusal({ name, ddl, indexes, hasTriggers }: DefinitionParts): string | null {
  if (typeof ddl === 'string') return ddl
  if (foldName(name).startsWith('sqlite_')) return "a table of SQLite's own"
  if (isReservedName(name)) return "a table of Endmark's own"
  if (ddl.isStrict) return 'STRICT table'
  if (hasTriggers) return 'triggers'
  if (ddl.hasForeignKey) return 'foreign keys'
  if (ddl.hasCheck) return 'CHECK constraints'
  if (ddl.columns.some((column) => column.generated !== null)) return 'generated columns'
  if (ddl.isAutoincrement) return 'AUTOINCREMENT'
  const hasUnique = ddl.constraintKeys.some(({ isPrimary }) => !isPrimary)
  if (hasUnique || indexes.length > 0) return 'secondary indexes'
  return null
}

/** @throws ENDMARK_UNSUPPORTED naming the reason */
export function assertReadable(definition: StoreDefinition): void {
  if (definition.unreadableReason === null) return
  throw unsupported(`store ${JSON.stringify(definition.name)} cannot be read: ${definition.unreadableReason}`)
}

/** @throws ENDMARK_UNSUPPORTED naming the reason */
export function assertWritable(definition: StoreDefinition): void {
  if (definition.readOnlyReason === null) return
  throw unsupported(`store ${JSON.stringify(definition.name)} cannot be written: ${definition.readOnlyReason}`)
}
