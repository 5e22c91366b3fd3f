/**
 * Requests from a socket: nothing is taken for granted, neither shapes nor types nor sizes. What depends on the schema is
 * checked where the request is applied (check-operation.ts in store/). Whoever sends something else is broken or hostile.
 */
import { type EndmarkError, ERROR_CODES, invalidArgument } from '../errors.js'
import { isRowid, isWellFormedRecord } from '../store/index.js'
import type { Synchronous } from '../units.js'
import type { CommitRequest } from './request.js'

const SYNCHRONOUS: readonly unknown[] = ['off', 'normal', 'full', 'extra'] satisfies Synchronous[]
/** Steps of one request, at most: as many operations as a message has room for. */
const STEP_COUNT_MAX = 1_000_000
/** Savepoints inside one another, at most. */
const SAVEPOINT_DEPTH_MAX = 1000

/** @throws ENDMARK_INVALID_ARGUMENT saying what is wrong */
export function assertRequest(value: unknown): asserts value is CommitRequest {
  const { number, synchronous, steps, base, wantsResults } = objectOf(value, 'a request')
  if (!isCount(number) || number === 0) throw wrong('number')
  if (!SYNCHRONOUS.includes(synchronous)) throw wrong('synchronous')
  if (typeof wantsResults !== 'boolean') throw wrong('wantsResults')
  if (base !== null && !isStateId(base)) throw wrong('base')
  if (!Array.isArray(steps) || steps.length > STEP_COUNT_MAX) throw wrong('steps')
  checkSteps(steps)
}

type Fields = Readonly<Record<string, unknown>>

function checkSteps(steps: readonly unknown[]): void {
  const ranges = { count: 0, ended: null as Set<number> | null }
  let depth = 0
  for (let i = 0; i < steps.length; i++) {
    const step = objectOf(steps[i], 'a step')
    switch (step.type) {
      case 'range':
        if (step.range !== ranges.count++) throw wrong('range')
        checkStep(step)
        break
      case 'next':
        if (!isCount(step.range) || step.range >= ranges.count || ranges.ended?.has(step.range)) throw wrong('range')
        checkStep(step)
        if (step.ended) {
          ranges.ended ??= new Set()
          ranges.ended.add(step.range)
        }
        break
      case 'savepoint':
        if (++depth > SAVEPOINT_DEPTH_MAX) throw wrong('savepoints')
        break
      case 'release':
      case 'rollback':
        if (--depth < 0) throw wrong('savepoints')
        break
      default:
        checkStep(step)
    }
  }
  if (depth !== 0) throw wrong('savepoints')
}

function checkStep(step: Fields): void {
  switch (step.type) {
    case 'put':
    case 'insert':
      checkStore(step)
      if (step.rowid !== null && !isRowid(step.rowid)) throw wrong('rowid')
      if (!isWellFormedRecord(step.record)) throw wrong('record')
      break
    case 'update':
      checkStore(step)
      checkPlace(step)
      if (!Array.isArray(step.places) || !step.places.every(isCount)) throw wrong('places')
      if (!isWellFormedRecord(step.record)) throw wrong('record')
      break
    case 'delete':
      checkStore(step)
      checkPlace(step)
      break
    case 'create':
      if (typeof step.store !== 'string' || typeof step.sql !== 'string') throw wrong('create')
      break
    case 'drop':
      if (typeof step.store !== 'string') throw wrong('drop')
      break
    default:
      checkReadStep(step)
  }
}

function checkReadStep(step: Fields): void {
  switch (step.type) {
    case 'get':
      checkStore(step)
      checkPlace(step)
      if (step.digest !== null && !isDigest(step.digest)) throw wrong('digest')
      break
    case 'has':
      checkStore(step)
      checkPlace(step)
      if (typeof step.found !== 'boolean') throw wrong('found')
      break
    case 'count':
      checkStore(step)
      if (!isCount(step.count)) throw wrong('count')
      break
    case 'range':
      checkStore(step)
      checkBounds(step)
      break
    case 'next':
      if (!isCount(step.count) || !isDigest(step.digest) || typeof step.ended !== 'boolean') throw wrong('next')
      break
    case 'expect':
      checkExpect(step)
      break
    case 'schema':
      if (!isUint32(step.cookie)) throw wrong('cookie')
      break
    default:
      throw invalidArgument('a request with a step of an unknown type')
  }
}

function checkStore({ store, layout }: Fields): void {
  if (typeof store !== 'string' || !isUint32(layout)) throw wrong('store')
}

function checkPlace({ rowid, key }: Fields): void {
  const isRow = key === null && isRowid(rowid)
  if (!isRow && !(rowid === null && isWellFormedRecord(key))) throw wrong('key')
}

function checkBounds({ lower, upper, isLowerOpen, isUpperOpen, reverse }: Fields): void {
  const areBounds = (lower === null || isWellFormedRecord(lower)) && (upper === null || isWellFormedRecord(upper))
  const areFlags = [isLowerOpen, isUpperOpen, reverse].every((flag) => typeof flag === 'boolean')
  if (!areBounds || !areFlags) throw wrong('bounds')
}

function checkExpect({ existed, rowid, refusal }: Fields): void {
  const isKnown = refusal === null || ERROR_CODES.some((code) => code === refusal)
  if (typeof existed !== 'boolean' || !isKnown || (rowid !== null && !isRowid(rowid))) throw wrong('expect')
}

function isStateId(value: unknown): boolean {
  return Array.isArray(value) && value.length === 5 && value.every(isUint32)
}

function isDigest(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isUint32)
}

function isUint32(value: unknown): boolean {
  return typeof value === 'number' && value >>> 0 === value
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function objectOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null) return value as Fields
  throw invalidArgument(`${what} that is no object`)
}

function wrong(field: string): EndmarkError {
  return invalidArgument(`a request that is not well formed: ${field}`)
}
