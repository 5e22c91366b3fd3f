/**
 * The messages around the work: hello, welcome, refusal, and those that are a type and at most one number. What both sides
 * agree on stands in protocol.ts.
 */
import { ERROR_CODES } from '../src/errors.js'
import { readCode } from './answer-codec.js'
import { encodeMessage, ProtocolError, type ScalarReader } from './message-codec.js'
import {
  BYE,
  CANCEL,
  CHANGED,
  CHECKPOINT,
  CLIENT_ID_BOUND,
  CLIENT_ID_MIN,
  encodePrelude,
  GOODBYE,
  HELLO,
  type Hello,
  PROTOCOL_VERSION,
  REFUSAL,
  type Refusal,
  WATCH,
  WELCOME,
  type Welcome,
} from './protocol.js'

export const PRELUDE = encodePrelude(PROTOCOL_VERSION)

/** Integers of 64 bits are signed in a body where they fit, so that both halves of the range come back as they were. */
const SIGNED_BITS = 64

export function encodeHello({ clientId, file, pid, timeoutMs }: Hello): Uint8Array {
  const device = BigInt.asIntN(SIGNED_BITS, file.device)
  const inode = BigInt.asIntN(SIGNED_BITS, file.inode)
  // As a count: it may be infinite, or a fraction.
  const timeout = Math.min(Math.ceil(timeoutMs), Number.MAX_SAFE_INTEGER)
  return encodeMessage([HELLO, clientId, device, inode, pid, timeout])
}

/** @param values at the first value after the type, as everywhere here */
export function readHello(values: ScalarReader): Hello {
  const clientId = values.count()
  if (clientId < CLIENT_ID_MIN || clientId >= CLIENT_ID_BOUND) throw new ProtocolError(`a client id of ${clientId}`)
  const device = BigInt.asUintN(SIGNED_BITS, values.bigint())
  const inode = BigInt.asUintN(SIGNED_BITS, values.bigint())
  const pid = values.count()
  const timeoutMs = values.count()
  values.end()
  return { clientId, file: { device, inode }, pid, timeoutMs }
}

export function encodeWelcome({ pid }: Welcome): Uint8Array {
  return encodeMessage([WELCOME, pid])
}

export function readWelcome(values: ScalarReader): Welcome {
  const pid = values.count()
  values.end()
  return { pid }
}

export function encodeRefusal({ code, message }: Refusal): Uint8Array {
  return encodeMessage([REFUSAL, ERROR_CODES.indexOf(code), message])
}

export function readRefusal(values: ScalarReader): Refusal {
  const code = readCode(values)
  const message = values.text()
  values.end()
  return { code, message }
}

export function encodeCancel(number: number): Uint8Array {
  return encodeMessage([CANCEL, number])
}

export function encodeCheckpoint(): Uint8Array {
  return encodeMessage([CHECKPOINT])
}

export function encodeWatch(isWatching: boolean): Uint8Array {
  return encodeMessage([WATCH, isWatching])
}

export function encodeChanged(): Uint8Array {
  return encodeMessage([CHANGED])
}

export function encodeBye(): Uint8Array {
  return encodeMessage([BYE])
}

export function encodeGoodbye(): Uint8Array {
  return encodeMessage([GOODBYE])
}
