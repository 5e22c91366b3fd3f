/**
 * Columns: declared types, SQLite's affinities, and the way of a value between JavaScript and a record.
 *
 * Columns of stores that Endmark created are strict: a `text` column takes strings and nothing else. Columns of
 * tables made by others follow SQLite's affinity rules instead, so that its integrity check, which looks for
 * numbers in TEXT columns and for number-like text in numeric ones, stays content.
 *
 * Source for the rules: SQLite "Datatypes In SQLite", sections 3.1 and 3.2.
 */
import { preview } from '../arguments.js'
import { EndmarkError, invalidArgument, unsupported } from '../errors.js'
import { INT64_MAX, INT64_MIN, normalizeInteger, type SqlValue } from '../format/index.js'

/** What a column of a store can be declared as. */
export type ColumnType = 'integer' | 'real' | 'text' | 'blob' | 'json' | 'any'

/** What a column of this type holds, besides null. */
export type ColumnValue<Type extends ColumnType> = {
  readonly integer: number | bigint
  readonly real: number
  readonly text: string
  readonly blob: Uint8Array
  readonly json: unknown
  readonly any: number | bigint | string | Uint8Array
}[Type]

export const COLUMN_TYPES: readonly ColumnType[] = ['integer', 'real', 'text', 'blob', 'json', 'any']

export type Affinity = 'integer' | 'real' | 'text' | 'blob' | 'numeric'

export interface Column {
  readonly name: string
  /** As written in the SQL, empty if there is none. */
  readonly declaredType: string
  readonly affinity: Affinity
  /** How values are checked; `affinity`: converted as SQLite does it, for tables made by others. */
  readonly check: ColumnType | 'affinity'
  readonly notNull: boolean
  /** Value of a column left out; undefined if it would have to be computed. */
  readonly defaultValue: SqlValue | undefined
  /** Upper-case name of the collation. */
  readonly collation: string
}

const DECLARED_TYPES: Readonly<Record<ColumnType, string>> = {
  integer: 'INTEGER',
  real: 'REAL',
  text: 'TEXT',
  blob: 'BLOB',
  // TEXT must be part of it: by its name alone, JSON would have numeric affinity and '5' would become a number.
  json: 'JSON TEXT',
  any: '',
}

export function declaredTypeOf(type: ColumnType): string {
  return DECLARED_TYPES[type]
}

/** The type whose columns Endmark declares this way, or undefined for any other declared type. */
export function columnTypeOf(declaredType: string): ColumnType | undefined {
  const upper = declaredType.toUpperCase()
  return COLUMN_TYPES.find((type) => DECLARED_TYPES[type] === upper)
}

export function affinityOf(declaredType: string): Affinity {
  const upper = declaredType.toUpperCase()
  if (upper.includes('INT')) return 'integer'
  if (/CHAR|CLOB|TEXT/.test(upper)) return 'text'
  if (upper === '' || upper.includes('BLOB')) return 'blob'
  return /REAL|FLOA|DOUB/.test(upper) ? 'real' : 'numeric'
}

/**
 * The value to store in this column for what a caller gave.
 * @throws ENDMARK_INVALID_ARGUMENT for a value the column cannot hold; ENDMARK_CONSTRAINT for null in a NOT NULL one
 */
export function encodeValue(store: string, column: Column, value: unknown): SqlValue {
  if (value === null) {
    if (column.notNull) throw notNullError(store, column)
    return null
  }
  switch (column.check) {
    case 'text':
      if (typeof value === 'string') return value
      break
    case 'json':
      return encodeJson(store, column, value)
    case 'integer':
      if (Number.isSafeInteger(value)) return (value as number) + 0
      if (typeof value === 'bigint' && isInt64(value)) return normalizeInteger(value)
      break
    case 'real':
      if (typeof value === 'number' && !Number.isNaN(value)) return value
      break
    case 'blob':
      if (value instanceof Uint8Array) return value
      break
    case 'any':
      if (isSqlValue(value)) return value
      break
    case 'affinity':
      if (isSqlValue(value)) return applyAffinity(value, column.affinity)
  }
  throw wrongType(store, column, value)
}

/** The value of a left-out column. */
export function defaultOf(store: string, column: Column): SqlValue {
  const value = column.defaultValue
  if (value === undefined) {
    throw unsupported(`${describe(store, column)} is left out, and its DEFAULT is an expression: give it a value`)
  }
  if (value === null && column.notNull) throw notNullError(store, column)
  return value
}

/** What a caller gets for a stored value. */
export function decodeValue(store: string, column: Column, value: SqlValue): unknown {
  if (column.check === 'json') return typeof value === 'string' ? decodeJson(store, column, value) : value
  // SQLite may store the integral numbers of REAL columns as integers: they are doubles all the same.
  return typeof value === 'bigint' && column.affinity === 'real' ? Number(value) : value
}

function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX
}

function isSqlValue(value: unknown): value is SqlValue {
  switch (typeof value) {
    case 'number':
      return !Number.isNaN(value)
    case 'bigint':
      return isInt64(value)
    case 'string':
      return true
    default:
      return value instanceof Uint8Array
  }
}

function encodeJson(store: string, column: Column, value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new EndmarkError('ENDMARK_INVALID_ARGUMENT', `${describe(store, column)}: not JSON: ${message}`, { cause })
  }
  if (json === undefined) throw wrongType(store, column, value)
  return json
}

function decodeJson(store: string, column: Column, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new EndmarkError('ENDMARK_CORRUPT', `${describe(store, column)} holds text that is not JSON`, { cause })
  }
}

/** Converts as SQLite does when it stores into a column of this affinity. */
export function applyAffinity(value: SqlValue, affinity: Affinity): SqlValue {
  if (affinity === 'text') return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value
  if (affinity === 'blob') return value
  const number = typeof value === 'string' ? numberFromText(value) : value
  if (affinity === 'real') return typeof number === 'bigint' ? Number(number) : number
  return typeof number === 'number' ? integralAsInteger(number) : number
}

const NUMBER_TEXT = /^[ \t\n\v\f\r]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\n\v\f\r]*$/

/** The number that the text spells in full, or else the text itself. */
function numberFromText(text: string): SqlValue {
  const literal = NUMBER_TEXT.exec(text)?.[1]
  if (literal === undefined) return text
  if (/^[+-]?[0-9]+$/.test(literal)) {
    const integer = BigInt(literal.replace('+', ''))
    if (isInt64(integer)) return normalizeInteger(integer)
  }
  return Number(literal)
}

/** Doubles past 2^53 that are integers within 64 bits are stored as such in INTEGER and NUMERIC columns. */
function integralAsInteger(value: number): SqlValue {
  if (value === 0) return 0
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return value
  return Math.abs(value) < 2 ** 63 ? BigInt(value) : value
}

function describe(store: string, column: Column): string {
  return `store ${JSON.stringify(store)}, column ${JSON.stringify(column.name)}`
}

function notNullError(store: string, column: Column): EndmarkError {
  return new EndmarkError('ENDMARK_CONSTRAINT', `${describe(store, column)} is NOT NULL and got no value`)
}

function wrongType(store: string, column: Column, value: unknown): EndmarkError {
  const expected =
    column.check === 'affinity' || column.check === 'any' ? 'a number, bigint, string or Uint8Array' : column.check
  return invalidArgument(`${describe(store, column)}: expected ${expected}, got ${preview(value)}`)
}
