/**
 * The slots of the reader registry (`-readers`): who holds an old snapshot, for how long, and up to which frame. Numbers are
 * big-endian. The file is no part of SQLite's format and nothing depends on it, so whatever does not verify counts as empty.
 *
 * A slot belongs to whoever holds a lock on its first byte. Its checksum covers all but the field `expired`, which others
 * write: the nonce of the snapshot that has to end.
 */
import { get32, getInt48, put32, put48 } from './bytes.js'

/** "EMR1": slots of another layout would have another number. */
const MAGIC = 0x454d5231
const MAGIC_OFFSET = 0
const NONCE_OFFSET = MAGIC_OFFSET + 4
const PID_OFFSET = NONCE_OFFSET + 4
const THREAD_OFFSET = PID_OFFSET + 4
const SALT1_OFFSET = THREAD_OFFSET + 4
const SALT2_OFFSET = SALT1_OFFSET + 4
const END_MARK_OFFSET = SALT2_OFFSET + 4
const SINCE_OFFSET = END_MARK_OFFSET + 4
const LABEL_LENGTH_OFFSET = SINCE_OFFSET + 6
const LABEL_OFFSET = LABEL_LENGTH_OFFSET + 2
export const READER_LABEL_BYTES_MAX = 64
const CHECKSUM_OFFSET = LABEL_OFFSET + READER_LABEL_BYTES_MAX
export const READER_EXPIRED_OFFSET = CHECKSUM_OFFSET + 4
export const READER_SLOT_SIZE = 128
export const READER_SLOT_COUNT = 128

export const READER_SLOT_OFFSETS = {
  magic: MAGIC_OFFSET,
  nonce: NONCE_OFFSET,
  pid: PID_OFFSET,
  thread: THREAD_OFFSET,
  salt1: SALT1_OFFSET,
  salt2: SALT2_OFFSET,
  endMark: END_MARK_OFFSET,
  sinceMs: SINCE_OFFSET,
  labelLength: LABEL_LENGTH_OFFSET,
  label: LABEL_OFFSET,
  checksum: CHECKSUM_OFFSET,
  expired: READER_EXPIRED_OFFSET,
} as const

export interface ReaderSlotFields {
  /** Drawn anew for each snapshot, never 0. */
  readonly nonce: number
  readonly pid: number
  readonly thread: number
  readonly salt1: number
  readonly salt2: number
  readonly endMark: number
  /** Milliseconds since 1970. */
  readonly sinceMs: number
  readonly label: string | null
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A whole slot. A label that is too long is cut. */
export function encodeReaderSlot(fields: ReaderSlotFields): Uint8Array {
  const bytes = new Uint8Array(READER_SLOT_SIZE)
  put32(bytes, MAGIC_OFFSET, MAGIC)
  put32(bytes, NONCE_OFFSET, fields.nonce)
  put32(bytes, PID_OFFSET, fields.pid)
  put32(bytes, THREAD_OFFSET, fields.thread)
  put32(bytes, SALT1_OFFSET, fields.salt1)
  put32(bytes, SALT2_OFFSET, fields.salt2)
  put32(bytes, END_MARK_OFFSET, fields.endMark)
  put48(bytes, SINCE_OFFSET, fields.sinceMs)
  const label = bytes.subarray(LABEL_OFFSET, LABEL_OFFSET + READER_LABEL_BYTES_MAX)
  bytes[LABEL_LENGTH_OFFSET] = fields.label === null ? 0 : 1
  bytes[LABEL_LENGTH_OFFSET + 1] = encoder.encodeInto(fields.label ?? '', label).written
  put32(bytes, CHECKSUM_OFFSET, checksum(bytes))
  return bytes
}

/** @returns null if the bytes are not a whole slot that somebody has filled */
export function decodeReaderSlot(bytes: Uint8Array): ReaderSlotFields | null {
  if (bytes.length < READER_SLOT_SIZE || get32(bytes, MAGIC_OFFSET) !== MAGIC) return null
  if (get32(bytes, CHECKSUM_OFFSET) !== checksum(bytes)) return null
  const hasLabel = bytes[LABEL_LENGTH_OFFSET]!
  const labelLength = bytes[LABEL_LENGTH_OFFSET + 1]!
  const nonce = get32(bytes, NONCE_OFFSET)
  const sinceMs = getInt48(bytes, SINCE_OFFSET)
  if (hasLabel > 1 || labelLength > READER_LABEL_BYTES_MAX || nonce === 0 || sinceMs < 0) return null
  return {
    nonce,
    pid: get32(bytes, PID_OFFSET),
    thread: get32(bytes, THREAD_OFFSET),
    salt1: get32(bytes, SALT1_OFFSET),
    salt2: get32(bytes, SALT2_OFFSET),
    endMark: get32(bytes, END_MARK_OFFSET),
    sinceMs,
    label: hasLabel === 0 ? null : decoder.decode(bytes.subarray(LABEL_OFFSET, LABEL_OFFSET + labelLength)),
  }
}

/** Whether a slot may be written: it is empty, or was one of ours. The file of somebody else is left as it is. */
export function isReaderSlotOurs(bytes: Uint8Array): boolean {
  return get32(bytes, MAGIC_OFFSET) === MAGIC || bytes.every((byte) => byte === 0)
}

/** FNV-1a. */
function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < CHECKSUM_OFFSET; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193)
  return sum >>> 0
}
