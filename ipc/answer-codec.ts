/**
 * Answers as scalars, in the order of the requests' numbers. Most are "committed, without results": a run of them with
 * numbers that follow one another is one entry with a count.
 */
import { ERROR_CODES, type ErrorCode } from '../src/errors.js'
import type { Outcome } from '../src/txn/index.js'
import { encodeMessage, ProtocolError, type Scalar, type ScalarReader } from './message-codec.js'
import { ANSWERS, MESSAGE_SIZE_MAX, VALUE_COUNT_MAX } from './protocol.js'

type Results = NonNullable<Extract<Outcome, { readonly kind: 'committed' }>['results']>

/** Kinds of entries: the protocol's numbers. */
const COMMITTED_RUN = 0
const COMMITTED_WITH_RESULTS = 1
const CONFLICT = 2
const CANCELLED = 3
const FAILED = 4

/** Values and bytes after which answers go on in another message: well below both limits. */
const SPLIT_VALUE_COUNT = VALUE_COUNT_MAX / 4
const SPLIT_SIZE = MESSAGE_SIZE_MAX / 4

/** Most characters of an error's message that are sent: texts of ours are a line or two. */
const ERROR_TEXT_LENGTH_MAX = 2000

const COMMITTED: Outcome = { kind: 'committed', results: null }
const CONFLICTED: Outcome = { kind: 'conflict' }
const WAS_CANCELLED: Outcome = { kind: 'cancelled' }

/** Collects the answers for one message. */
export class AnswerWriter {
  #values: Scalar[] = [ANSWERS, false]
  #size = 0
  /** Place of the count of the run that is last in `#values`, and the number that would continue it; 0: none is. */
  #runCount = 0
  #runNext = 0

  get isEmpty(): boolean {
    return this.#values.length === 2
  }

  /** Take the message now: no further answer may fit. */
  get isFull(): boolean {
    return this.#values.length >= SPLIT_VALUE_COUNT || this.#size >= SPLIT_SIZE
  }

  add(number: number, outcome: Outcome): void {
    if (outcome.kind === 'committed' && outcome.results === null) {
      this.#addToRun(number)
      return
    }
    const values = this.#values
    this.#runCount = 0
    switch (outcome.kind) {
      case 'committed':
        values.push(COMMITTED_WITH_RESULTS, number, outcome.results!.length)
        for (const { existed, rowid } of outcome.results!) values.push(existed, rowid)
        break
      case 'conflict':
        values.push(CONFLICT, number)
        break
      case 'cancelled':
        values.push(CANCELLED, number)
        break
      case 'failed': {
        const message = outcome.message.slice(0, ERROR_TEXT_LENGTH_MAX)
        this.#size += message.length * 3
        values.push(FAILED, number, ERROR_CODES.indexOf(outcome.code), message)
      }
    }
  }

  /** The message with what was collected; begins the next one. */
  take(othersActive: boolean): Uint8Array {
    const values = this.#values
    values[1] = othersActive
    this.#values = [ANSWERS, false]
    this.#size = 0
    this.#runCount = 0
    return encodeMessage(values)
  }

  #addToRun(number: number): void {
    const values = this.#values
    if (this.#runCount > 0 && number === this.#runNext) {
      values[this.#runCount] = (values[this.#runCount] as number) + 1
    } else {
      this.#runCount = values.push(COMMITTED_RUN, number, 1) - 1
    }
    this.#runNext = number + 1
  }
}

/**
 * Reads the answers of one message. Numbers must rise, from above `after` up to `upTo`.
 * @param values at the first value after the type of the message
 * @throws ProtocolError
 */
export function readAnswers(
  values: ScalarReader,
  range: { readonly after: number; readonly upTo: number },
  answered: (number: number, outcome: Outcome, othersActive: boolean) => void,
): void {
  const othersActive = values.boolean()
  let last = range.after
  while (!values.isAtEnd) {
    const kind = values.count()
    const first = values.count()
    const count = kind === COMMITTED_RUN ? values.count() : 1
    if (first <= last || count === 0 || first + count - 1 > range.upTo) {
      throw new ProtocolError(`an answer to requests ${first} to ${first + count - 1}`)
    }
    last = first + count - 1
    if (kind === COMMITTED_RUN)
      for (let number = first; number <= last; number++) answered(number, COMMITTED, othersActive)
    else answered(first, readOutcome(kind, values), othersActive)
  }
}

function readOutcome(kind: number, values: ScalarReader): Outcome {
  switch (kind) {
    case COMMITTED_WITH_RESULTS:
      return { kind: 'committed', results: readResults(values) }
    case CONFLICT:
      return CONFLICTED
    case CANCELLED:
      return WAS_CANCELLED
    case FAILED:
      return { kind: 'failed', code: readCode(values), message: values.text() }
    default:
      throw new ProtocolError(`an answer of kind ${kind}`)
  }
}

function readResults(values: ScalarReader): Results {
  const count = values.count()
  const results: Results[number][] = []
  for (let index = 0; index < count; index++) results.push({ existed: values.boolean(), rowid: values.rowidOrNull() })
  return results
}

export function readCode(values: ScalarReader): ErrorCode {
  return ERROR_CODES[values.choice(ERROR_CODES.length)]!
}
