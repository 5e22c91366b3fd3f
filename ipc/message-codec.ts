/**
 * Bodies of messages: a flat list of scalars as MessagePack, with its length in front, and back.
 *
 * The bytes of a peer are checked before msgpackr sees them: one list, as many values as it announces, each a scalar of
 * a kind that we send ourselves, ending where the message ends. So whatever else the format and its library know (maps,
 * records that become code, extensions that make sets, dates, regular expressions or arrays of any size, nesting
 * without end) never gets as far as the decoder, and lengths that lie are found out before anything is allocated.
 *
 * Numbers up to 2^53 travel as numbers, rowids beyond as 64-bit integers that come back as bigint. Bytes come back as
 * views of the chunk they arrived in: whoever keeps them keeps the chunk.
 */
import { Packr, RESERVE_START_SPACE } from 'msgpackr'
import { assert } from '../src/assert.js'
import { VALUE_COUNT_MAX } from './protocol.js'

export type Scalar = null | boolean | number | bigint | string | Uint8Array

/** The peer does not keep to the protocol: close its connection. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProtocolError'
  }
}

export const LENGTH_SIZE = 4

/** Records, the library's own extension, would make the bytes depend on what was sent before. */
const packr = new Packr({ useRecords: false, mapsAsObjects: false, useToJSON: false })

/** The library goes on with a buffer as large as the largest message so far; past this it gets a small one again. */
const KEPT_BUFFER_SIZE_MAX = 1 << 20
const FRESH_BUFFER_SIZE = 64 << 10

/** The whole message, ready for the socket: nobody writes to these bytes again. */
export function encodeMessage(values: readonly Scalar[]): Uint8Array {
  const message = packr.pack(values, RESERVE_START_SPACE | LENGTH_SIZE)
  const length = message.length - LENGTH_SIZE
  message[0] = length
  message[1] = length >>> 8
  message[2] = length >>> 16
  message[3] = length >>> 24
  if (message.buffer.byteLength > KEPT_BUFFER_SIZE_MAX) packr.useBuffer(Buffer.allocUnsafeSlow(FRESH_BUFFER_SIZE))
  return message
}

/**
 * The values of the body at `start` to `end`.
 * @param bytes a plain Uint8Array, no Buffer: values that are bytes are made of the same class
 * @throws ProtocolError
 */
export function decodeBody(bytes: Uint8Array, start: number, end: number): Scalar[] {
  checkBody(bytes, start, end)
  return packr.unpack(bytes, { start, end }) as Scalar[]
}

const FIX_ARRAY = 0x90
const FIX_TEXT = 0xa0
const NULL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
const BYTES_8 = 0xc4
const BYTES_16 = 0xc5
const BYTES_32 = 0xc6
const FLOAT_64 = 0xcb
const UNSIGNED_8 = 0xcc
const UNSIGNED_16 = 0xcd
const UNSIGNED_32 = 0xce
const UNSIGNED_64 = 0xcf
const SIGNED_8 = 0xd0
const SIGNED_16 = 0xd1
const SIGNED_32 = 0xd2
const SIGNED_64 = 0xd3
const TEXT_8 = 0xd9
const TEXT_16 = 0xda
const TEXT_32 = 0xdb
const ARRAY_16 = 0xdc
const ARRAY_32 = 0xdd
const FIX_NEGATIVE = 0xe0

/** Per token: bytes after it that belong to it, a length field included. REFUSED: not one of ours. */
const REFUSED = -1
const FOLLOWING = followingBytes()

function followingBytes(): Int8Array {
  const table = new Int8Array(256).fill(REFUSED)
  table.fill(0, 0, 0x80)
  table.fill(0, FIX_NEGATIVE)
  for (let length = 0; length < 0x20; length++) table[FIX_TEXT + length] = length
  for (const token of [NULL, FALSE, TRUE]) table[token] = 0
  for (const token of [UNSIGNED_8, SIGNED_8, BYTES_8, TEXT_8]) table[token] = 1
  for (const token of [UNSIGNED_16, SIGNED_16, BYTES_16, TEXT_16]) table[token] = 2
  for (const token of [UNSIGNED_32, SIGNED_32, BYTES_32, TEXT_32]) table[token] = 4
  for (const token of [UNSIGNED_64, SIGNED_64, FLOAT_64]) table[token] = 8
  return table
}

/** @throws ProtocolError unless the body is one list of scalars, to its last byte */
function checkBody(bytes: Uint8Array, start: number, end: number): void {
  let at = start
  let count = 0
  const token = at < end ? bytes[at++]! : NULL
  if (token >= FIX_ARRAY && token < FIX_TEXT) count = token - FIX_ARRAY
  else if (token === ARRAY_16 && at + 2 <= end) {
    count = lengthAt(bytes, at, 2)
    at += 2
  } else if (token === ARRAY_32 && at + 4 <= end) {
    count = lengthAt(bytes, at, 4)
    at += 4
  }
  if (count === 0) throw new ProtocolError('a message that is not a list, or an empty one')
  if (count > VALUE_COUNT_MAX) throw new ProtocolError(`a message of ${count} values`)
  for (let left = count; left > 0; left--) at = afterScalar(bytes, at, end)
  if (at !== end) throw new ProtocolError(`a message that goes on after its last value`)
}

function afterScalar(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) throw endsEarly()
  const token = bytes[start]!
  const following = FOLLOWING[token]!
  if (following === REFUSED) throw new ProtocolError(`a value of kind 0x${token.toString(16)}`)
  let at = start + 1 + following
  if (at > end) throw endsEarly()
  const isMeasured = (token >= BYTES_8 && token <= BYTES_32) || (token >= TEXT_8 && token <= TEXT_32)
  if (isMeasured) at += lengthAt(bytes, at - following, following)
  if (at > end) throw endsEarly()
  return at
}

function endsEarly(): ProtocolError {
  return new ProtocolError('a message that ends within a value')
}

/** Big-endian, as MessagePack has it. */
function lengthAt(bytes: Uint8Array, offset: number, size: number): number {
  let length = 0
  for (let index = 0; index < size; index++) length = length * 256 + bytes[offset + index]!
  return length
}

/** Takes the values of a body one after the other, each as the type it must have. */
export class ScalarReader {
  readonly #values: readonly Scalar[]
  #next: number

  constructor(values: readonly Scalar[], first: number) {
    this.#values = values
    this.#next = first
  }

  get isAtEnd(): boolean {
    return this.#next === this.#values.length
  }

  /** Any value; the caller looks at its type. */
  scalar(): Scalar {
    if (this.#next >= this.#values.length) throw new ProtocolError('a message with too few values')
    return this.#values[this.#next++]!
  }

  /** An integer from 0 to 2^53 - 1. */
  count(): number {
    const value = this.scalar()
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unexpected('a count', value)
    return value
  }

  integer(): number {
    const value = this.scalar()
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unexpected('an integer', value)
    return value
  }

  bigint(): bigint {
    const value = this.scalar()
    if (typeof value !== 'bigint') throw unexpected('a 64-bit integer', value)
    return value
  }

  boolean(): boolean {
    const value = this.scalar()
    if (typeof value !== 'boolean') throw unexpected('a boolean', value)
    return value
  }

  text(): string {
    const value = this.scalar()
    if (typeof value !== 'string') throw unexpected('a text', value)
    return value
  }

  bytes(): Uint8Array {
    const value = this.scalar()
    if (!(value instanceof Uint8Array)) throw unexpected('bytes', value)
    return value
  }

  bytesOrNull(): Uint8Array | null {
    const value = this.scalar()
    if (value !== null && !(value instanceof Uint8Array)) throw unexpected('bytes or null', value)
    return value
  }

  rowidOrNull(): number | bigint | null {
    const value = this.scalar()
    if (value === null || typeof value === 'bigint') return value
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unexpected('a rowid or null', value)
    return value
  }

  /** The index of a value in a list of `count`. */
  choice(count: number): number {
    const value = this.count()
    if (value >= count) throw new ProtocolError(`${value} where there are ${count} to choose from`)
    return value
  }

  /** @throws ProtocolError unless all values were taken */
  end(): void {
    if (!this.isAtEnd) throw new ProtocolError('a message with too many values')
  }
}

function unexpected(expected: string, value: Scalar): ProtocolError {
  const found = value === null ? 'null' : value instanceof Uint8Array ? 'bytes' : typeof value
  return new ProtocolError(`${found} where ${expected} should be`)
}

assert(FOLLOWING[0xc7] === REFUSED && FOLLOWING[0x81] === REFUSED, 'extensions and maps are refused')
