/**
 * Words of every layer. Branded numbers are quantities that look alike and must not be mixed up. The brands exist for the type
 * checker only and cost nothing at run time; the functions below are the one place where a bare number
 * becomes a branded one.
 */

declare const brand: unique symbol

/** 1-based number of a page of the database; 0 means "no page". */
export type PageNumber = number & { readonly [brand]: 'PageNumber' }

/** 1-based number of a frame of the log; 0 means "no frame". */
export type FrameNumber = number & { readonly [brand]: 'FrameNumber' }

export const NO_PAGE = 0 as PageNumber
export const NO_FRAME = 0 as FrameNumber

/**
 * How durable a commit is when it is acknowledged; SQLite's meaning.
 *
 * - `full`, `extra`: it survives power loss: the log is synced before.
 * - `normal`: it survives a crash of the process; power loss may drop the newest commits, never corrupts.
 * - `off`: nothing is ever synced; it survives a crash of the process only.
 */
export type Synchronous = 'off' | 'normal' | 'full' | 'extra'

export function pageNumber(value: number): PageNumber {
  return value as PageNumber
}

export function frameNumber(value: number): FrameNumber {
  return value as FrameNumber
}
