/**
 * Reads requests out of messages: their format is that of `request-format.ts`.
 *
 * Only shapes are checked here: each field has the type that it should have. Whether a request makes sense is for those to
 * say who apply it.
 */
import { ERROR_CODES, type ErrorCode } from '../src/errors.js'
import type { CommitRequest, ReadStep, StateId, Step } from '../src/txn/index.js'
import { ProtocolError, type ScalarReader } from './message-codec.js'
import { REQUEST_COUNT_MAX } from './protocol.js'
import {
  COUNT,
  CREATE,
  DELETE,
  DROP,
  EXPECT,
  FLAGS_BOUND,
  GET,
  HAS,
  HAS_BASE_BIT,
  INSERT,
  MODE_BITS,
  MODES,
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
