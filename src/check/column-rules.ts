/**
 * What a column may hold, as SQLite's integrity_check has it: no NULL where that is forbidden, no number in a TEXT column,
 * no text that spells a number in a numeric one; in a STRICT table only what the declared type says.
 * Source: SQLite "PRAGMA integrity_check", "Datatypes In SQLite", "STRICT Tables".
 */
import { decodeText, isNullColumn, SERIAL_BLOB, SERIAL_REAL, serialTypeSize } from '../format/index.js'
import { applyAffinity, type Column } from '../store/index.js'

/** Texts this long spell no number that anybody would have stored as one. */
const NUMBER_TEXT_MAX = 4096

/** What is wrong with a value of this serial type, whose content is at `offset`; null if nothing is. */
export function columnProblem(
  column: Column,
  isStrict: boolean,
  serialType: number,
  bytes: Uint8Array,
  offset: number,
): string | null {
  if (isNullColumn(bytes, offset, serialType)) return column.notNull ? 'is NULL and must not be' : null
  if (isStrict) return strictProblem(column.declaredType.toUpperCase(), serialType)
  const isText = serialType >= SERIAL_BLOB && (serialType & 1) === 1
  if (column.affinity === 'text') return serialType < SERIAL_BLOB ? 'has TEXT affinity and holds a number' : null
  if (column.affinity === 'blob' || !isText) return null
  return spellsNumber(bytes, offset, serialTypeSize(serialType))
    ? 'has numeric affinity and holds a number as text'
    : null
}

function spellsNumber(bytes: Uint8Array, offset: number, size: number): boolean {
  if (size === 0 || size > NUMBER_TEXT_MAX) return false
  return typeof applyAffinity(decodeText(bytes, offset, offset + size), 'numeric') !== 'string'
}

function strictProblem(declaredType: string, serialType: number): string | null {
  const kind = serialType >= SERIAL_BLOB ? ((serialType & 1) === 1 ? 'TEXT' : 'BLOB') : numberKind(serialType)
  const allowed: Readonly<Record<string, readonly string[]>> = {
    INT: ['INTEGER'],
    INTEGER: ['INTEGER'],
    // Integral numbers of a REAL column may be stored as integers.
    REAL: ['REAL', 'INTEGER'],
    TEXT: ['TEXT'],
    BLOB: ['BLOB'],
  }
  const kinds = allowed[declaredType]
  return kinds === undefined || kinds.includes(kind) ? null : `is ${declaredType} of a STRICT table and holds ${kind}`
}

function numberKind(serialType: number): string {
  return serialType === SERIAL_REAL ? 'REAL' : 'INTEGER'
}
