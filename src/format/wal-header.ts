/**
 * The 32-byte header of the log. Source: SQLite "Database File Format", section 4.1. One pair of salts names one
 * *generation* of the log: restarting it writes a new header with salt-1 one higher and a fresh salt-2, which
 * turns every frame left over from before into noise.
 */
import { get32, put32 } from './bytes.js'
import { isPageSize } from './file-header.js'
import { WalChecksum } from './wal-checksum.js'

const MAGIC_LITTLE_ENDIAN = 0x377f0682
const MAGIC_BIG_ENDIAN = 0x377f0683
const FORMAT_VERSION = 3007000

const MAGIC_OFFSET = 0
const VERSION_OFFSET = MAGIC_OFFSET + 4
const PAGE_SIZE_OFFSET = VERSION_OFFSET + 4
const SEQUENCE_OFFSET = PAGE_SIZE_OFFSET + 4
const SALT1_OFFSET = SEQUENCE_OFFSET + 4
const SALT2_OFFSET = SALT1_OFFSET + 4
const CHECKSUM1_OFFSET = SALT2_OFFSET + 4
const CHECKSUM2_OFFSET = CHECKSUM1_OFFSET + 4
export const WAL_HEADER_SIZE = CHECKSUM2_OFFSET + 4

export const WAL_HEADER_OFFSETS = {
  magic: MAGIC_OFFSET,
  version: VERSION_OFFSET,
  pageSize: PAGE_SIZE_OFFSET,
  checkpointSequence: SEQUENCE_OFFSET,
  salt1: SALT1_OFFSET,
  salt2: SALT2_OFFSET,
  checksum1: CHECKSUM1_OFFSET,
  checksum2: CHECKSUM2_OFFSET,
} as const

export interface WalHeader {
  readonly isBigEndian: boolean
  readonly pageSize: number
  readonly checkpointSequence: number
  readonly salt1: number
  readonly salt2: number
  /** Sums over the header: where the first frame's checksum starts from. */
  readonly checksum1: number
  readonly checksum2: number
}

export type NewWalHeader = Omit<WalHeader, 'checksum1' | 'checksum2'>

/** Writes the header into `bytes` and returns it with its checksum. */
export function encodeWalHeader(bytes: Uint8Array, header: NewWalHeader): WalHeader {
  put32(bytes, MAGIC_OFFSET, header.isBigEndian ? MAGIC_BIG_ENDIAN : MAGIC_LITTLE_ENDIAN)
  put32(bytes, VERSION_OFFSET, FORMAT_VERSION)
  put32(bytes, PAGE_SIZE_OFFSET, header.pageSize)
  put32(bytes, SEQUENCE_OFFSET, header.checkpointSequence)
  put32(bytes, SALT1_OFFSET, header.salt1)
  put32(bytes, SALT2_OFFSET, header.salt2)
  const sums = sumHeader(bytes, header.isBigEndian)
  put32(bytes, CHECKSUM1_OFFSET, sums.s0)
  put32(bytes, CHECKSUM2_OFFSET, sums.s1)
  return { ...header, checksum1: sums.s0, checksum2: sums.s1 }
}

function sumHeader(bytes: Uint8Array, isBigEndian: boolean): WalChecksum {
  const sums = new WalChecksum(isBigEndian)
  sums.add(bytes, 0, CHECKSUM1_OFFSET)
  return sums
}

/** What the bytes say, or why they are no header: then the log holds nothing, as after a crash while starting it. */
export function decodeWalHeader(bytes: Uint8Array): WalHeader | { readonly invalid: string } {
  const magic = get32(bytes, MAGIC_OFFSET)
  if (magic !== MAGIC_LITTLE_ENDIAN && magic !== MAGIC_BIG_ENDIAN) return { invalid: 'magic' }
  const isBigEndian = magic === MAGIC_BIG_ENDIAN
  const sums = sumHeader(bytes, isBigEndian)
  const checksum1 = get32(bytes, CHECKSUM1_OFFSET)
  const checksum2 = get32(bytes, CHECKSUM2_OFFSET)
  if (sums.s0 !== checksum1 || sums.s1 !== checksum2) return { invalid: 'checksum' }
  if (get32(bytes, VERSION_OFFSET) !== FORMAT_VERSION) return { invalid: `version ${get32(bytes, VERSION_OFFSET)}` }
  const pageSize = get32(bytes, PAGE_SIZE_OFFSET)
  if (!isPageSize(pageSize)) return { invalid: `page size ${pageSize}` }
  return {
    isBigEndian,
    pageSize,
    checkpointSequence: get32(bytes, SEQUENCE_OFFSET),
    salt1: get32(bytes, SALT1_OFFSET),
    salt2: get32(bytes, SALT2_OFFSET),
    checksum1,
    checksum2,
  }
}
