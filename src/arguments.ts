/**
 * Checks of what callers give that are the same everywhere: options, signals, functions. What only one call takes is checked where
 * that call is. A message quotes what was given, shortly.
 */
import { invalidArgument } from './errors.js'

/** @throws ENDMARK_INVALID_ARGUMENT unless it is an object with no other properties than these */
export function assertOptions(given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidArgument(`options are an object, not ${preview(given)}`)
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw invalidArgument(`there is no option ${preview(name)}; known: ${known.join(', ')}`)
  }
}

/** @throws ENDMARK_INVALID_ARGUMENT unless it is a signal, be it another realm's or a library's, or left out */
export function assertSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (signal !== undefined && !(typeof aborted === 'boolean' && typeof addEventListener === 'function'))
    throw invalidArgument(`signal is an AbortSignal, not ${preview(signal)}`)
}

/** @throws ENDMARK_INVALID_ARGUMENT unless it is a function. @param what the caller's name for it */
export function assertFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') throw invalidArgument(`${what} is a function, not ${preview(value)}`)
}

const PREVIEW_LENGTH_MAX = 40

/** A short text that shows a caller what was given. */
export function preview(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > PREVIEW_LENGTH_MAX ? `${value.slice(0, PREVIEW_LENGTH_MAX)}…` : value)
    case 'bigint':
      return `${String(value).slice(0, PREVIEW_LENGTH_MAX)}n`
    case 'number':
    case 'boolean':
    case 'symbol':
    case 'undefined':
      return String(value)
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? `an array of ${value.length}` : `an object (${classOf(value)})`
    default:
      return `a ${typeof value}`
  }
}

/** Whatever an object says of itself, if it lets itself be asked. */
function classOf(value: object): string {
  try {
    const name: unknown = value.constructor?.name
    return typeof name === 'string' && name !== '' ? name : 'no class'
  } catch {
    return 'no class'
  }
}
