/**
 * Every error a caller can meet: one class, one stable `code` each. Match on `code`, never on the message.
 * `docs/reference/errors.md` lists the same codes (a test compares the two). A cancelled call rejects with
 * an `AbortError` instead, as everywhere in Node.
 *
 * Damaged files are `ENDMARK_CORRUPT`; mistakes inside the engine are `AssertionError` (see assert.ts). The
 * two are never mixed: the first blames a file, the second blames this code.
 */

export const ERROR_CODES = [
  'ENDMARK_BUSY',
  'ENDMARK_CORRUPT',
  'ENDMARK_NOT_A_DATABASE',
  'ENDMARK_NOT_FOUND',
  'ENDMARK_CONSTRAINT',
  'ENDMARK_READONLY',
  'ENDMARK_UNSUPPORTED',
  'ENDMARK_WAL_FULL',
  'ENDMARK_IO',
  'ENDMARK_CLOSED',
  'ENDMARK_SNAPSHOT_EXPIRED',
  'ENDMARK_INVALID_ARGUMENT',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export interface ErrorDetails {
  /** Path of the file the error is about. */
  readonly file?: string
  /** 1-based page number, where the error is about a page. */
  readonly page?: number
  /** Bytes from the start of the page, or of the file where no page is named. */
  readonly offset?: number
  readonly cause?: unknown
}

export class EndmarkError extends Error {
  readonly code: ErrorCode
  readonly file: string | undefined
  readonly page: number | undefined
  readonly offset: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'EndmarkError'
    this.code = code
    this.file = details.file
    this.page = details.page
    this.offset = details.offset
  }
}

export interface Damage {
  readonly file: string
  /** 1-based page number; absent where the damage is not inside a page. */
  readonly page?: number
  /** Bytes from the start of the page, or of the file where no page is named. */
  readonly offset?: number
  readonly what: string
}

/** The error for a damaged file: says what is wrong and exactly where. The caller throws it. */
export function corrupt({ file, page, offset, what }: Damage): EndmarkError {
  const details: { file: string; page?: number; offset?: number } = { file }
  if (page !== undefined) details.page = page
  if (offset !== undefined) details.offset = offset
  return new EndmarkError('ENDMARK_CORRUPT', `${placeOf({ file, page, offset })}: ${what}`, details)
}

interface Place {
  readonly file: string
  readonly page: number | undefined
  readonly offset: number | undefined
}

function placeOf({ file, page, offset }: Place): string {
  const parts = [file, page === undefined ? '' : `page ${page}`, offset === undefined ? '' : `offset ${offset}`]
  return parts.filter(Boolean).join(', ')
}

/** What the error says, without the place that `corrupt` has put before it. */
export function whatOf(error: EndmarkError): string {
  const { file = '', page, offset } = error
  const place = `${placeOf({ file, page, offset })}: `
  return error.message.startsWith(place) ? error.message.slice(place.length) : error.message
}

export function invalidArgument(message: string): EndmarkError {
  return new EndmarkError('ENDMARK_INVALID_ARGUMENT', message)
}

export function unsupported(feature: string, details?: ErrorDetails): EndmarkError {
  return new EndmarkError('ENDMARK_UNSUPPORTED', feature, details)
}

export function ioError(operation: string, file: string, cause: unknown): EndmarkError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new EndmarkError('ENDMARK_IO', `${operation} failed on ${file}: ${reason}`, { file, cause })
}

/** The error of a call that `signal` cancelled; like Node's own, with the signal's reason as `cause`. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  return Object.assign(error, { code: 'ABORT_ERR' })
}
