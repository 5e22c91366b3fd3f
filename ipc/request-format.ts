/**
 * Requests as scalars. The names of stores are written once per message and then referred to by their place, as
 * most requests are about the same few; everything else of a step stands in a fixed order after its kind.
 *
 * Requests of one put each, into the same store and with numbers that follow one another, are one entry, a run: what they have in common stands
 * there once, their records one behind the other as one value, and for each of them the size of its record.
 */
import type { Synchronous } from '../src/units.js'

/** Numbers of the kinds of steps: the protocol's, never used for another kind. */
export const PUT = 0
export const INSERT = 1
export const UPDATE = 2
export const DELETE = 3
export const CREATE = 4
export const DROP = 5
export const GET = 6
export const HAS = 7
export const COUNT = 8
export const RANGE = 9
export const NEXT = 10
export const EXPECT = 11
export const SAVEPOINT = 12
export const RELEASE = 13
export const ROLLBACK = 14
export const SCHEMA = 15

/** Places in this list are the protocol's. */
export const MODES: readonly Synchronous[] = ['off', 'normal', 'full', 'extra']
export const MODE_OF: Readonly<Record<Synchronous, number>> = { off: 0, normal: 1, full: 2, extra: 3 }

/** Beside the mode in the flags of a request. */
export const MODE_BITS = 0b0011
export const WANTS_RESULTS_BIT = 0b0100
export const HAS_BASE_BIT = 0b1000
export const RUN_BIT = 0b10000
export const FLAGS_BOUND = 0b100000
