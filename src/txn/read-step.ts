/**
 * What a transaction function has read, step by step between its operations: enough to read the same again on a newer
 * state, and to compare.
 */
import type { ErrorCode } from '../errors.js'
import type { Digest, EntryPlace, PlainBounds, Rowid } from '../store/index.js'

/** A key was looked up: digest of the entry found, null if there was none. */
export interface GetStep extends EntryPlace {
  readonly type: 'get'
  readonly store: string
  readonly layout: number
  readonly digest: Digest | null
}

/** It was asked whether there is a key. */
export interface HasStep extends EntryPlace {
  readonly type: 'has'
  readonly store: string
  readonly layout: number
  readonly found: boolean
}

/** All entries of a store were counted. */
export interface CountStep {
  readonly type: 'count'
  readonly store: string
  readonly layout: number
  readonly count: number
}

/** An iteration over a range began; `range` numbers the iterations of this transaction from 0. */
export interface RangeStep extends PlainBounds {
  readonly type: 'range'
  readonly range: number
  readonly store: string
  readonly layout: number
}

/** That iteration went on by `count` entries with this digest in all; `ended`: there was none after them. */
export interface NextStep {
  readonly type: 'next'
  readonly range: number
  readonly count: number
  readonly digest: Digest
  readonly ended: boolean
}

/** The result of the operation before it was seen, or its refusal was: it must be the same again. */
export interface ExpectStep {
  readonly type: 'expect'
  readonly existed: boolean
  readonly rowid: Rowid | null
  readonly refusal: ErrorCode | null
}

/** A call was refused for what the schema says (no such store, a value of the wrong type): the schema must be the same. */
export interface SchemaStep {
  readonly type: 'schema'
  readonly cookie: number
}

/** A savepoint began, was kept, or was undone. */
export interface SavepointStep {
  readonly type: 'savepoint' | 'release' | 'rollback'
}

export type ReadStep = GetStep | HasStep | CountStep | RangeStep | NextStep | ExpectStep | SchemaStep | SavepointStep
