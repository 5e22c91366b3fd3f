/** Writes requests into messages: their format is that of `request-format.ts`. */
import { assert } from '../src/assert.js'
import { ERROR_CODES } from '../src/errors.js'
import type { CommitRequest, ReadStep, Step } from '../src/txn/index.js'
import { encodeMessage, type Scalar } from './message-codec.js'
import { MESSAGE_SIZE_MAX, REQUEST_COUNT_MAX, REQUESTS, VALUE_COUNT_MAX } from './protocol.js'
import {
  COUNT,
  CREATE,
  DELETE,
  DROP,
  EXPECT,
  GET,
  HAS,
  HAS_BASE_BIT,
  INSERT,
  MODE_OF,
  NEXT,
  PUT,
  RANGE,
  RELEASE,
  ROLLBACK,
  RUN_BIT,
  SAVEPOINT,
  SCHEMA,
  UPDATE,
  WANTS_RESULTS_BIT,
} from './request-format.js'

/** Bytes of a scalar that is neither text nor bytes, and of the start of one that is, at most. */
const SCALAR_SIZE_MAX = 9
/** Bytes of a character of text, at most. */
const CHARACTER_SIZE_MAX = 3
/** Scalars of a request before its steps, and of a step without the places of an update, at most. */
const REQUEST_VALUE_COUNT = 9
const STEP_VALUE_COUNT = 9

/** What `requestSize` says of the smallest. */
export const REQUEST_SIZE_MIN = REQUEST_VALUE_COUNT * SCALAR_SIZE_MAX

/** Bytes that a request takes in a message, at most; infinite if it must not be sent at all. */
export function requestSize({ steps }: CommitRequest): number {
  let size = REQUEST_SIZE_MIN
  let count = REQUEST_VALUE_COUNT
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index]!
    size += STEP_VALUE_COUNT * SCALAR_SIZE_MAX + variableSize(step)
    count += STEP_VALUE_COUNT
    if (step.type === 'update') {
      size += step.places.length * SCALAR_SIZE_MAX
      count += step.places.length
    }
  }
  return count > VALUE_COUNT_MAX / 2 ? Number.POSITIVE_INFINITY : size
}

function variableSize(step: Step): number {
  let size = 'store' in step ? step.store.length * CHARACTER_SIZE_MAX : 0
  switch (step.type) {
    case 'put':
    case 'insert':
      return size + step.record.length
    case 'update':
      size += step.record.length
      return size + (step.key?.length ?? 0)
    case 'delete':
    case 'get':
    case 'has':
      return size + (step.key?.length ?? 0)
    case 'create':
      return size + step.sql.length * CHARACTER_SIZE_MAX
    case 'range':
      return size + (step.lower?.length ?? 0) + (step.upper?.length ?? 0)
    default:
      return size
  }
}

type PutStep = Extract<Step, { readonly type: 'put' | 'insert' }>

const NO_BYTES = new Uint8Array(0)
/** Room for the records of runs; more than the largest is given up after a message that needed it. */
const RECORDS_SIZE_MIN = 16 << 10
const RECORDS_SIZE_MAX = 1 << 20

/** The put that is all of this request, if it may be part of a run. */
function onlyPutOf({ base, steps }: CommitRequest): PutStep | null {
  const step = steps[0]
  return base === null && steps.length === 1 && step?.type === 'put' && step.rowid === null ? step : null
}

/** Collects requests for one message. */
export class RequestWriter {
  #values: Scalar[] = [REQUESTS, 0]
  #stores = new Map<string, number>()
  #size = 0
  #count = 0
  /** The records of runs, up to `#recordsEnd`; those of the run that is open begin at `#runStart`. */
  #records = NO_BYTES
  #recordsEnd = 0
  #runStart = 0
  /** Place in `#values` of the count of the run that is open, its records behind it; 0: none is. */
  #runCountAt = 0
  /** The request that would continue it, but for its record. */
  #runNumber = 0
  #runFlags = 0
  #runStore = ''
  #runLayout = 0

  /** Bytes of the requests collected, at most. */
  get size(): number {
    return this.#size
  }

  get isEmpty(): boolean {
    return this.#values.length === 2
  }

  /** @param size what `requestSize` says */
  add(request: CommitRequest, size: number): void {
    assert(this.#size + size <= MESSAGE_SIZE_MAX, () => `${this.#size} and ${size} bytes do not fit into a message`)
    assert(this.#count < REQUEST_COUNT_MAX, 'the message has as many requests as it may')
    this.#size += size
    this.#count++
    const { base, steps } = request
    const flags = MODE_OF[request.synchronous] | (request.wantsResults ? WANTS_RESULTS_BIT : 0)
    const put = onlyPutOf(request)
    if (put !== null) {
      this.#addToRun(request.number, flags | RUN_BIT, put)
      return
    }
    this.#endRun()
    const values = this.#values
    values.push(request.number)
    if (base === null) values.push(flags)
    else values.push(flags | HAS_BASE_BIT, base[0], base[1], base[2], base[3], base[4])
    values.push(steps.length)
    for (let index = 0; index < steps.length; index++) this.#addStep(steps[index]!)
  }

  /** The message with what was collected; begins the next one. `acknowledged`: all answers up to this number have come. */
  take(acknowledged: number): Uint8Array {
    this.#endRun()
    const values = this.#values
    values[1] = acknowledged
    try {
      return encodeMessage(values)
    } finally {
      this.discard()
    }
  }

  /** Forgets what was collected. */
  discard(): void {
    this.#values = [REQUESTS, 0]
    this.#stores.clear()
    this.#size = 0
    this.#count = 0
    this.#runCountAt = 0
    this.#recordsEnd = 0
    if (this.#records.length > RECORDS_SIZE_MAX) this.#records = NO_BYTES
  }

  #addToRun(number: number, flags: number, { store, layout, record }: PutStep): void {
    const continues = number === this.#runNumber && flags === this.#runFlags && layout === this.#runLayout
    if (this.#runCountAt === 0 || !continues || store !== this.#runStore) {
      this.#endRun()
      this.#runFlags = flags
      this.#runStore = store
      this.#runLayout = layout
      this.#runStart = this.#recordsEnd
      this.#values.push(number, flags, this.#store(store), layout)
      this.#runCountAt = this.#values.push(0, null) - 2
    }
    this.#runNumber = number + 1
    this.#values.push(record.length)
    const end = this.#recordsEnd + record.length
    if (end > this.#records.length) this.#makeRoom(end)
    this.#records.set(record, this.#recordsEnd)
    this.#recordsEnd = end
  }

  #endRun(): void {
    const at = this.#runCountAt
    if (at === 0) return
    this.#runCountAt = 0
    this.#values[at] = this.#values.length - at - 2
    this.#values[at + 1] = this.#records.subarray(this.#runStart, this.#recordsEnd)
  }

  /** Runs that have ended go on lying where they did. */
  #makeRoom(size: number): void {
    const records = new Uint8Array(Math.max(size, this.#records.length * 2, RECORDS_SIZE_MIN))
    records.set(this.#records.subarray(0, this.#recordsEnd))
    this.#records = records
  }

  #addStep(step: Step): void {
    const values = this.#values
    switch (step.type) {
      case 'put':
        values.push(PUT, this.#store(step.store), step.layout, step.rowid, step.record)
        break
      case 'insert':
        values.push(INSERT, this.#store(step.store), step.layout, step.rowid, step.record)
        break
      case 'update':
        values.push(UPDATE, this.#store(step.store), step.layout, step.rowid, step.key, step.record)
        values.push(step.places.length)
        for (let index = 0; index < step.places.length; index++) values.push(step.places[index]!)
        break
      case 'delete':
        values.push(DELETE, this.#store(step.store), step.layout, step.rowid, step.key)
        break
      case 'create':
        values.push(CREATE, this.#store(step.store), step.sql)
        break
      case 'drop':
        values.push(DROP, this.#store(step.store))
        break
      default:
        this.#addReadStep(step)
    }
  }

  #addReadStep(step: ReadStep): void {
    const values = this.#values
    switch (step.type) {
      case 'get':
        values.push(GET, this.#store(step.store), step.layout, step.rowid, step.key)
        if (step.digest === null) values.push(null)
        else values.push(step.digest[0], step.digest[1])
        break
      case 'has':
        values.push(HAS, this.#store(step.store), step.layout, step.rowid, step.key, step.found)
        break
      case 'count':
        values.push(COUNT, this.#store(step.store), step.layout, step.count)
        break
      case 'range':
        values.push(RANGE, step.range, this.#store(step.store), step.layout, step.lower, step.isLowerOpen)
        values.push(step.upper, step.isUpperOpen, step.reverse)
        break
      case 'next':
        values.push(NEXT, step.range, step.count, step.digest[0], step.digest[1], step.ended)
        break
      case 'expect':
        values.push(EXPECT, step.existed, step.rowid, step.refusal === null ? null : ERROR_CODES.indexOf(step.refusal))
        break
      case 'schema':
        values.push(SCHEMA, step.cookie)
        break
      case 'savepoint':
        values.push(SAVEPOINT)
        break
      case 'release':
        values.push(RELEASE)
        break
      case 'rollback':
        values.push(ROLLBACK)
        break
    }
  }

  /** The name where it is new in this message, then its place among those before. */
  #store(name: string): string | number {
    const place = this.#stores.get(name)
    if (place !== undefined) return place
    this.#stores.set(name, this.#stores.size)
    return name
  }
}
