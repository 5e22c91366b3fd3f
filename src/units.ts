/**
 * Branded numbers: quantities that look alike and must not be mixed up. The brands exist for the type
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

export function pageNumber(value: number): PageNumber {
  return value as PageNumber
}

export function frameNumber(value: number): FrameNumber {
  return value as FrameNumber
}
