/**
 * The 100-byte header at the start of page 1: which file this is, how its pages are laid out, and the few
 * counters every change keeps. Source: SQLite "Database File Format", section 1.3.
 *
 * Pure functions over the bytes of page 1. Validation answers one question: may we read this file, and may we
 * write to it? What we do not fully understand is refused by name, and left as it was.
 */
import { corrupt, EndmarkError, unsupported } from '../errors.js'
import { get16, get32, put16, put32 } from './bytes.js'

export const FILE_HEADER_SIZE = 100
export const FILE_MAGIC = 'SQLite format 3\0'

const MAGIC_SIZE = 16
const PAGE_SIZE_OFFSET = MAGIC_SIZE
const WRITE_VERSION_OFFSET = PAGE_SIZE_OFFSET + 2
const READ_VERSION_OFFSET = WRITE_VERSION_OFFSET + 1
const RESERVED_BYTES_OFFSET = READ_VERSION_OFFSET + 1
const MAX_FRACTION_OFFSET = RESERVED_BYTES_OFFSET + 1
const MIN_FRACTION_OFFSET = MAX_FRACTION_OFFSET + 1
const LEAF_FRACTION_OFFSET = MIN_FRACTION_OFFSET + 1
const CHANGE_COUNTER_OFFSET = LEAF_FRACTION_OFFSET + 1
const PAGE_COUNT_OFFSET = CHANGE_COUNTER_OFFSET + 4
export const FREELIST_TRUNK_OFFSET = PAGE_COUNT_OFFSET + 4
export const FREELIST_COUNT_OFFSET = FREELIST_TRUNK_OFFSET + 4
const SCHEMA_COOKIE_OFFSET = FREELIST_COUNT_OFFSET + 4
const SCHEMA_FORMAT_OFFSET = SCHEMA_COOKIE_OFFSET + 4
const DEFAULT_CACHE_SIZE_OFFSET = SCHEMA_FORMAT_OFFSET + 4
const LARGEST_ROOT_OFFSET = DEFAULT_CACHE_SIZE_OFFSET + 4
const TEXT_ENCODING_OFFSET = LARGEST_ROOT_OFFSET + 4
const USER_VERSION_OFFSET = TEXT_ENCODING_OFFSET + 4
const INCREMENTAL_VACUUM_OFFSET = USER_VERSION_OFFSET + 4
const APPLICATION_ID_OFFSET = INCREMENTAL_VACUUM_OFFSET + 4
const EXPANSION_OFFSET = APPLICATION_ID_OFFSET + 4
const VERSION_VALID_FOR_OFFSET = EXPANSION_OFFSET + 20
const SQLITE_VERSION_OFFSET = VERSION_VALID_FOR_OFFSET + 4

/** Every field by name, for the documentation test and for people who look at files. */
export const FILE_HEADER_OFFSETS = {
  pageSize: PAGE_SIZE_OFFSET,
  writeVersion: WRITE_VERSION_OFFSET,
  readVersion: READ_VERSION_OFFSET,
  reservedBytes: RESERVED_BYTES_OFFSET,
  maxFraction: MAX_FRACTION_OFFSET,
  minFraction: MIN_FRACTION_OFFSET,
  leafFraction: LEAF_FRACTION_OFFSET,
  changeCounter: CHANGE_COUNTER_OFFSET,
  pageCount: PAGE_COUNT_OFFSET,
  freelistTrunk: FREELIST_TRUNK_OFFSET,
  freelistCount: FREELIST_COUNT_OFFSET,
  schemaCookie: SCHEMA_COOKIE_OFFSET,
  schemaFormat: SCHEMA_FORMAT_OFFSET,
  defaultCacheSize: DEFAULT_CACHE_SIZE_OFFSET,
  largestRoot: LARGEST_ROOT_OFFSET,
  textEncoding: TEXT_ENCODING_OFFSET,
  userVersion: USER_VERSION_OFFSET,
  incrementalVacuum: INCREMENTAL_VACUUM_OFFSET,
  applicationId: APPLICATION_ID_OFFSET,
  versionValidFor: VERSION_VALID_FOR_OFFSET,
  sqliteVersion: SQLITE_VERSION_OFFSET,
} as const

export const VERSION_ROLLBACK_JOURNAL = 1
export const VERSION_WAL = 2
const MAX_FRACTION = 64
const MIN_FRACTION = 32
const LEAF_FRACTION = 32
const SCHEMA_FORMAT = 4
const ENCODING_UTF8 = 1
const ENCODING_UTF16BE = 3
export const PAGE_SIZE_MIN = 512
export const PAGE_SIZE_MAX = 65536
const USABLE_SIZE_MIN = 480
/** The SQLite release whose format is written here: 3.51.3. */
const WRITTEN_AS_SQLITE_VERSION = 3051003

export interface FileHeader {
  /** Bytes per page: a power of two from 512 to 65536. */
  readonly pageSize: number
  /** Page size less the reserved bytes at the end of each page. */
  readonly usableSize: number
  /** True: write-ahead log (version 2/2); false: rollback journal (1/1). */
  readonly isWal: boolean
  /** Why this file must not be written to, or null. */
  readonly readOnlyReason: string | null
}

export function isPageSize(size: number): boolean {
  return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) === 0
}

/** Page size as two bytes: 65536 does not fit and is written as 1. */
export function decodePageSize(field: number): number {
  return field === 1 ? PAGE_SIZE_MAX : field
}

export function encodePageSize(pageSize: number): number {
  return pageSize === PAGE_SIZE_MAX ? 1 : pageSize
}

function hasMagic(bytes: Uint8Array): boolean {
  for (let i = 0; i < MAGIC_SIZE; i++) if (bytes[i] !== FILE_MAGIC.charCodeAt(i)) return false
  return true
}

/**
 * Reads and validates the header of the file `file`.
 * @throws ENDMARK_NOT_A_DATABASE for a file that is no SQLite database or is cut off inside the header;
 *   ENDMARK_UNSUPPORTED for one that uses what Endmark does not understand; ENDMARK_CORRUPT for impossible fields
 */
export function decodeFileHeader(bytes: Uint8Array, file: string): FileHeader {
  if (bytes.length < FILE_HEADER_SIZE || !hasMagic(bytes)) throw notADatabase(bytes, file)
  const pageSize = decodePageSize(get16(bytes, PAGE_SIZE_OFFSET))
  const damaged = (offset: number, what: string) => corrupt({ file, page: 1, offset, what })
  if (!isPageSize(pageSize))
    throw damaged(PAGE_SIZE_OFFSET, `page size ${pageSize} is not a power of two from 512 to 65536`)
  const usableSize = pageSize - bytes[RESERVED_BYTES_OFFSET]!
  if (usableSize < USABLE_SIZE_MIN) throw damaged(RESERVED_BYTES_OFFSET, `only ${usableSize} usable bytes per page`)
  checkFractions(bytes, damaged)
  checkEncoding(bytes, file, damaged)
  const readVersion = bytes[READ_VERSION_OFFSET]!
  if (readVersion > VERSION_WAL) throw unsupported(`${file}: read version ${readVersion} of the file format`, { file })
  if (readVersion === 0) throw damaged(READ_VERSION_OFFSET, 'read version 0')
  return { pageSize, usableSize, isWal: readVersion === VERSION_WAL, readOnlyReason: readOnlyReason(bytes) }
}

function notADatabase(bytes: Uint8Array, file: string): EndmarkError {
  const what =
    bytes.length < FILE_HEADER_SIZE ? `it has only ${bytes.length} bytes` : 'its first 16 bytes are not those of one'
  return new EndmarkError('ENDMARK_NOT_A_DATABASE', `${file} is not a SQLite database: ${what}`, { file })
}

type Damaged = (offset: number, what: string) => EndmarkError

function checkFractions(bytes: Uint8Array, damaged: Damaged): void {
  const isStandard =
    bytes[MAX_FRACTION_OFFSET] === MAX_FRACTION &&
    bytes[MIN_FRACTION_OFFSET] === MIN_FRACTION &&
    bytes[LEAF_FRACTION_OFFSET] === LEAF_FRACTION
  if (!isStandard) throw damaged(MAX_FRACTION_OFFSET, 'payload fractions are not 64, 32, 32')
}

/** Encoding 0 and schema format 0 stand in a database in which nothing has been created yet. */
function checkEncoding(bytes: Uint8Array, file: string, damaged: Damaged): void {
  const encoding = get32(bytes, TEXT_ENCODING_OFFSET)
  if (encoding > ENCODING_UTF16BE) throw damaged(TEXT_ENCODING_OFFSET, `text encoding ${encoding}`)
  if (encoding > ENCODING_UTF8) throw unsupported(`${file}: UTF-16 text`, { file })
  const schemaFormat = get32(bytes, SCHEMA_FORMAT_OFFSET)
  if (schemaFormat > SCHEMA_FORMAT) throw unsupported(`${file}: schema format ${schemaFormat}`, { file })
}

function readOnlyReason(bytes: Uint8Array): string | null {
  const writeVersion = bytes[WRITE_VERSION_OFFSET]!
  if (writeVersion > VERSION_WAL) return `write version ${writeVersion} of the file format`
  if (get32(bytes, LARGEST_ROOT_OFFSET) !== 0) return 'auto-vacuum'
  return null
}

/** Page 1 of a new, empty database in WAL mode: the header and an empty table leaf for sqlite_schema. */
export function encodeNewDatabase(pageSize: number): Uint8Array {
  const bytes = new Uint8Array(pageSize)
  for (let i = 0; i < MAGIC_SIZE; i++) bytes[i] = FILE_MAGIC.charCodeAt(i)
  put16(bytes, PAGE_SIZE_OFFSET, encodePageSize(pageSize))
  bytes[WRITE_VERSION_OFFSET] = VERSION_WAL
  bytes[READ_VERSION_OFFSET] = VERSION_WAL
  bytes[MAX_FRACTION_OFFSET] = MAX_FRACTION
  bytes[MIN_FRACTION_OFFSET] = MIN_FRACTION
  bytes[LEAF_FRACTION_OFFSET] = LEAF_FRACTION
  put32(bytes, PAGE_COUNT_OFFSET, 1)
  put32(bytes, SCHEMA_FORMAT_OFFSET, SCHEMA_FORMAT)
  put32(bytes, TEXT_ENCODING_OFFSET, ENCODING_UTF8)
  countChange(bytes)
  encodeEmptyLeaf(bytes)
  return bytes
}

const TABLE_LEAF_KIND = 13

/** The b-tree page header of an empty table leaf behind the file header; content starts at the page's end. */
function encodeEmptyLeaf(bytes: Uint8Array): void {
  bytes[FILE_HEADER_SIZE] = TABLE_LEAF_KIND
  put16(bytes, FILE_HEADER_SIZE + 5, bytes.length === PAGE_SIZE_MAX ? 0 : bytes.length)
}

export function getSchemaCookie(pageOne: Uint8Array): number {
  return get32(pageOne, SCHEMA_COOKIE_OFFSET)
}

export function setSchemaCookie(pageOne: Uint8Array, cookie: number): void {
  put32(pageOne, SCHEMA_COOKIE_OFFSET, cookie >>> 0)
}

/**
 * An empty database that SQLite made carries schema format 0 and encoding 0; both are set when the first
 * table is created.
 */
export function ensureSchemaFormat(pageOne: Uint8Array): void {
  if (get32(pageOne, SCHEMA_FORMAT_OFFSET) === 0) put32(pageOne, SCHEMA_FORMAT_OFFSET, SCHEMA_FORMAT)
  if (get32(pageOne, TEXT_ENCODING_OFFSET) === 0) put32(pageOne, TEXT_ENCODING_OFFSET, ENCODING_UTF8)
}

/** Page count the header records; only to be believed while `isPageCountValid`. */
export function getPageCount(pageOne: Uint8Array): number {
  return get32(pageOne, PAGE_COUNT_OFFSET)
}

/** An old SQLite that does not keep the page count leaves the two counters different. */
export function isPageCountValid(pageOne: Uint8Array): boolean {
  return get32(pageOne, CHANGE_COUNTER_OFFSET) === get32(pageOne, VERSION_VALID_FOR_OFFSET)
}

export function setPageCount(pageOne: Uint8Array, pageCount: number): void {
  put32(pageOne, PAGE_COUNT_OFFSET, pageCount)
}

/** Counts one change of the file and says which library wrote the page count beside it. */
export function countChange(pageOne: Uint8Array): void {
  const counter = (get32(pageOne, CHANGE_COUNTER_OFFSET) + 1) >>> 0
  put32(pageOne, CHANGE_COUNTER_OFFSET, counter)
  put32(pageOne, VERSION_VALID_FOR_OFFSET, counter)
  put32(pageOne, SQLITE_VERSION_OFFSET, WRITTEN_AS_SQLITE_VERSION)
}

export function setJournalMode(pageOne: Uint8Array, version: number): void {
  pageOne[WRITE_VERSION_OFFSET] = version
  pageOne[READ_VERSION_OFFSET] = version
}
