/**
 * Tokens: the name of a committed state as a string, for handing it to another process or thread. A token holds nothing; it
 * only says which state is meant, so an old one, or one of another database, names a state that is not found (SNAP-6).
 */
import { invalidArgument } from '../errors.js'
import type { StateName } from '../wal/index.js'

const PREFIX = 'endmark-1-'
const NUMBERS = /^endmark-1-([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})$/

export function formatToken({ salt1, salt2, endMark, frameChecksum1, frameChecksum2 }: StateName): string {
  const numbers = [salt1, salt2, endMark, frameChecksum1, frameChecksum2]
  return PREFIX + numbers.map((number) => number.toString(16).padStart(8, '0')).join('')
}

/** @throws ENDMARK_INVALID_ARGUMENT for what is no token */
export function parseToken(token: unknown): StateName {
  const found = typeof token === 'string' ? NUMBERS.exec(token) : null
  if (found === null) {
    const given = typeof token === 'string' ? JSON.stringify(token.slice(0, 80)) : typeof token
    throw invalidArgument(`token is the token of a snapshot, not ${given}`)
  }
  const [salt1, salt2, endMark, frameChecksum1, frameChecksum2] = found.slice(1).map((hex) => Number.parseInt(hex, 16))
  return {
    salt1: salt1!,
    salt2: salt2!,
    endMark: endMark!,
    frameChecksum1: frameChecksum1!,
    frameChecksum2: frameChecksum2!,
  }
}
