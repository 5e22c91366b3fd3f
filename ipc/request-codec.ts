/**
 * Requests as scalars. The names of stores are written once per message and then referred to by their place, as
 * most requests are about the same few; everything else of a step stands in a fixed order after its kind.
 *
 * Requests of one put each, into the same store and with numbers that follow one another, are one entry, a run: what they have in common stands
 * there once, their records one behind the other as one value, and for each of them the size of its record.
 *
 * Only shapes are checked here: each field has the type that it should have. Whether a request makes sense is for those to
 * say who apply it.
 */
import { assert } from '../src/assert.js'
import { ERROR_CODES, type ErrorCode } from '../src/errors.js'
import type { CommitRequest, ReadStep, StateId, Step } from '../src/txn/index.js'
import type { Synchronous } from '../src/units.js'
import { encodeMessage, ProtocolError, type Scalar, type ScalarReader } from './message-codec.js'
import { MESSAGE_SIZE_MAX, REQUEST_COUNT_MAX, REQUESTS, VALUE_COUNT_MAX } from './protocol.js'

/** Numbers of the kinds of steps: the protocol's, never used for another kind. */
const PUT = 0
const INSERT = 1
const UPDATE = 2
const DELETE = 3
const CREATE = 4
const DROP = 5
const GET = 6
const HAS = 7
const COUNT = 8
const RANGE = 9
const NEXT = 10
const EXPECT = 11
const SAVEPOINT = 12
const RELEASE = 13
const ROLLBACK = 14
const SCHEMA = 15

/** Places in this list are the protocol's. */
const MODES: readonly Synchronous[] = ['off', 'normal', 'full', 'extra']
const MODE_OF: Readonly<Record<Synchronous, number>> = { off: 0, normal: 1, full: 2, extra: 3 }

/** Beside the mode in the flags of a request. */
const MODE_BITS = 0b0011
const WANTS_RESULTS_BIT = 0b0100
const HAS_BASE_BIT = 0b1000
const RUN_BIT = 0b10000
const FLAGS_BOUND = 0b100000

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

/** What is left of a run that is being read. */
interface Run extends Pick<CommitRequest, 'synchronous' | 'wantsResults'> {
  readonly store: string
  readonly layout: number
  readonly records: Uint8Array
  /** Of the next request, and where its record begins. */
  number: number
  at: number
  leftCount: number
}

/** Reads the requests of one message, in their order. */
export class RequestReader {
  /** All answers up to this number have come. */
  readonly acknowledged: number
  readonly #values: ScalarReader
  readonly #stores: string[] = []
  #run: Run | null = null
  #count = 0

  /** @param values at the first value after the type of the message */
  constructor(values: ScalarReader) {
    this.#values = values
    this.acknowledged = values.count()
  }

  /** @throws ProtocolError; null: there are no more */
  next(): CommitRequest | null {
    const values = this.#values
    if (this.#run === null && values.isAtEnd) return null
    if (++this.#count > REQUEST_COUNT_MAX)
      throw new ProtocolError(`a message of more than ${REQUEST_COUNT_MAX} requests`)
    if (this.#run !== null) return this.#nextOfRun(this.#run)
    const number = values.count()
    const flags = values.choice(FLAGS_BOUND)
    if ((flags & RUN_BIT) !== 0) return this.#nextOfRun(this.#beginRun(number, flags))
    const base = (flags & HAS_BASE_BIT) === 0 ? null : this.#base()
    const count = values.count()
    const steps: Step[] = []
    // Not an array of that length at once: it is only what the sender says.
    for (let index = 0; index < count; index++) steps.push(this.#step())
    const synchronous = MODES[flags & MODE_BITS]!
    return { number, synchronous, steps, base, wantsResults: (flags & WANTS_RESULTS_BIT) !== 0 }
  }

  #beginRun(number: number, flags: number): Run {
    const values = this.#values
    if ((flags & HAS_BASE_BIT) !== 0) throw new ProtocolError('a run of requests with a base')
    const store = this.#store()
    const layout = values.count()
    const leftCount = values.count()
    if (leftCount === 0) throw new ProtocolError('a run of no requests')
    if (!Number.isSafeInteger(number + leftCount)) throw new ProtocolError(`a run of ${leftCount} from ${number} on`)
    const synchronous = MODES[flags & MODE_BITS]!
    const wantsResults = (flags & WANTS_RESULTS_BIT) !== 0
    this.#run = { number, synchronous, wantsResults, store, layout, records: values.bytes(), at: 0, leftCount }
    return this.#run
  }

  #nextOfRun(run: Run): CommitRequest {
    const { number, synchronous, wantsResults, store, layout, records, at } = run
    const end = at + this.#values.count()
    run.number++
    run.at = end
    if (--run.leftCount === 0) this.#run = null
    if (end > records.length || (run.leftCount === 0 && end < records.length)) {
      throw new ProtocolError(`records that end at ${end} of ${records.length} bytes`)
    }
    const step: Step = { type: 'put', store, layout, rowid: null, record: records.subarray(at, end) }
    return { number, synchronous, steps: [step], base: null, wantsResults }
  }

  #base(): StateId {
    const values = this.#values
    return [values.count(), values.count(), values.count(), values.count(), values.count()]
  }

  #step(): Step {
    const values = this.#values
    const kind = values.count()
    switch (kind) {
      case PUT:
        return this.#put('put')
      case INSERT:
        return this.#put('insert')
      case UPDATE:
        return this.#update()
      case DELETE:
        return {
          type: 'delete',
          store: this.#store(),
          layout: values.count(),
          rowid: values.rowidOrNull(),
          key: values.bytesOrNull(),
        }
      case CREATE:
        return { type: 'create', store: this.#store(), sql: values.text() }
      case DROP:
        return { type: 'drop', store: this.#store() }
      default:
        return this.#readStep(kind)
    }
  }

  #put(type: 'put' | 'insert'): Step {
    const values = this.#values
    return {
      type,
      store: this.#store(),
      layout: values.count(),
      rowid: values.rowidOrNull(),
      record: values.bytes(),
    }
  }

  #update(): Step {
    const values = this.#values
    const store = this.#store()
    const layout = values.count()
    const rowid = values.rowidOrNull()
    const key = values.bytesOrNull()
    const record = values.bytes()
    const count = values.count()
    const places: number[] = []
    for (let index = 0; index < count; index++) places.push(values.count())
    return { type: 'update', store, layout, rowid, key, places, record }
  }

  #readStep(kind: number): ReadStep {
    const values = this.#values
    switch (kind) {
      case GET:
        return { type: 'get', ...this.#place(), digest: this.#digestOrNull() }
      case HAS:
        return { type: 'has', ...this.#place(), found: values.boolean() }
      case COUNT:
        return { type: 'count', store: this.#store(), layout: values.count(), count: values.count() }
      case RANGE:
        return this.#range()
      case NEXT:
        return {
          type: 'next',
          range: values.count(),
          count: values.count(),
          digest: [values.count(), values.count()],
          ended: values.boolean(),
        }
      case EXPECT:
        return {
          type: 'expect',
          existed: values.boolean(),
          rowid: values.rowidOrNull(),
          refusal: this.#refusalOrNull(),
        }
      case SCHEMA:
        return { type: 'schema', cookie: values.count() }
      case SAVEPOINT:
        return { type: 'savepoint' }
      case RELEASE:
        return { type: 'release' }
      case ROLLBACK:
        return { type: 'rollback' }
      default:
        throw new ProtocolError(`a step of kind ${kind}`)
    }
  }

  #place(): { store: string; layout: number; rowid: number | bigint | null; key: Uint8Array | null } {
    const values = this.#values
    return {
      store: this.#store(),
      layout: values.count(),
      rowid: values.rowidOrNull(),
      key: values.bytesOrNull(),
    }
  }

  #range(): ReadStep {
    const values = this.#values
    return {
      type: 'range',
      range: values.count(),
      store: this.#store(),
      layout: values.count(),
      lower: values.bytesOrNull(),
      isLowerOpen: values.boolean(),
      upper: values.bytesOrNull(),
      isUpperOpen: values.boolean(),
      reverse: values.boolean(),
    }
  }

  #digestOrNull(): readonly [number, number] | null {
    const high = this.#values.scalar()
    if (high === null) return null
    if (typeof high !== 'number') throw new ProtocolError('a digest that is no number')
    return [high, this.#values.count()]
  }

  #refusalOrNull(): ErrorCode | null {
    const index = this.#values.scalar()
    if (index === null) return null
    const code = typeof index === 'number' ? ERROR_CODES[index] : undefined
    if (code === undefined) throw new ProtocolError('an error code that does not exist')
    return code
  }

  #store(): string {
    const name = this.#values.scalar()
    if (typeof name === 'string') {
      this.#stores.push(name)
      return name
    }
    const known = typeof name === 'number' ? this.#stores[name] : undefined
    if (known === undefined) throw new ProtocolError('a store that was not named before')
    return known
  }
}
