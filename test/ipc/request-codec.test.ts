import test from 'ava'
import { AnswerWriter, readAnswers } from '../../ipc/answer-codec.js'
import { encodeMessage, ProtocolError, type Scalar, type ScalarReader } from '../../ipc/message-codec.js'
import { ANSWERS, MESSAGE_SIZE_MAX, REQUEST_COUNT_MAX, REQUESTS } from '../../ipc/protocol.js'
import { RequestReader } from '../../ipc/request-reader.js'
import { RequestWriter, requestSize } from '../../ipc/request-writer.js'
import type { CommitRequest, Outcome, Step } from '../../src/txn/index.js'
import { seededRandom } from '../support/random.js'
import { fieldsOf, putRequest } from './connections.js'

const bytes = (...values: number[]) => Uint8Array.from(values)

const STEPS: readonly Step[] = [
  { type: 'put', store: 'users', layout: 0xffffffff, rowid: 42, record: bytes(1, 2, 3) },
  { type: 'put', store: 'sessions', layout: 2, rowid: null, record: bytes() },
  { type: 'insert', store: 'users', layout: 3, rowid: 2n ** 63n - 1n, record: new Uint8Array(300) },
  { type: 'insert', store: 'users', layout: 3, rowid: -(2n ** 63n), record: bytes(9) },
  { type: 'put', store: 'users', layout: 3, rowid: -7, record: bytes(9) },
  { type: 'put', store: 'users', layout: 3, rowid: Number.MAX_SAFE_INTEGER, record: bytes(9) },
  { type: 'update', store: 'users', layout: 3, rowid: 1, key: null, places: [], record: bytes(1) },
  { type: 'update', store: 'Käufe', layout: 3, rowid: null, key: bytes(5), places: [1, 2000], record: bytes(1) },
  { type: 'delete', store: 'users', layout: 3, rowid: null, key: bytes(5) },
  { type: 'delete', store: 'users', layout: 3, rowid: 9, key: null },
  { type: 'create', store: 'new', sql: 'CREATE TABLE new(k TEXT PRIMARY KEY, v) WITHOUT ROWID' },
  { type: 'drop', store: 'new' },
  { type: 'get', store: 'users', layout: 3, rowid: 9, key: null, digest: null },
  { type: 'get', store: 'users', layout: 3, rowid: null, key: bytes(1), digest: [0xffffffff, 0] },
  { type: 'has', store: 'users', layout: 3, rowid: 9, key: null, found: true },
  { type: 'count', store: 'users', layout: 3, count: 2 ** 40 },
  {
    type: 'range',
    range: 0,
    store: 'users',
    layout: 3,
    lower: null,
    isLowerOpen: false,
    upper: bytes(4),
    isUpperOpen: true,
    reverse: true,
  },
  { type: 'next', range: 0, count: 17, digest: [1, 2], ended: false },
  { type: 'expect', existed: true, rowid: 5, refusal: null },
  { type: 'expect', existed: false, rowid: null, refusal: 'ENDMARK_CONSTRAINT' },
  { type: 'savepoint' },
  { type: 'release' },
  { type: 'rollback' },
  { type: 'schema', cookie: 7 },
]

const REQUESTS_OF_ALL_KINDS: readonly CommitRequest[] = [
  { number: 1, synchronous: 'full', steps: STEPS, base: [1, 2, 3, 4, 0xffffffff], wantsResults: true },
  { number: 2, synchronous: 'off', steps: [], base: null, wantsResults: false },
  { number: 2 ** 40, synchronous: 'normal', steps: STEPS.slice(0, 2), base: null, wantsResults: false },
  { number: 2 ** 40 + 1, synchronous: 'extra', steps: STEPS.slice(4), base: null, wantsResults: true },
]

function putOf(store: string, layout: number, ...record: number[]): Pick<CommitRequest, 'steps' | 'base'> {
  return { steps: [{ type: 'put', store, layout, rowid: null, record: bytes(...record) }], base: null }
}

/** A request of one put without a rowid. */
function mapPut(number: number, size: number): CommitRequest {
  const record = Uint8Array.from({ length: size }, (_, index) => number + index)
  return { number, synchronous: 'full', ...putOf('users', 3, ...record), wantsResults: false }
}

/** Puts that make up runs, and all that ends one. */
const RUNS: readonly CommitRequest[] = [
  { number: 1, synchronous: 'full', ...putOf('users', 3, 1, 2, 3), wantsResults: false },
  { number: 2, synchronous: 'full', ...putOf('users', 3), wantsResults: false },
  { number: 3, synchronous: 'full', ...putOf('users', 3, 4), wantsResults: false },
  { number: 5, synchronous: 'full', ...putOf('users', 3, 5), wantsResults: false },
  { number: 6, synchronous: 'off', ...putOf('users', 3, 6), wantsResults: false },
  { number: 7, synchronous: 'off', ...putOf('users', 3, 7), wantsResults: true },
  { number: 8, synchronous: 'off', ...putOf('users', 4, 8), wantsResults: true },
  { number: 9, synchronous: 'off', ...putOf('sessions', 4, 9), wantsResults: true },
  { number: 10, synchronous: 'off', steps: STEPS.slice(0, 1), base: null, wantsResults: true },
  { number: 11, synchronous: 'off', ...putOf('sessions', 4, 11), wantsResults: true },
  { number: 12, synchronous: 'off', ...putOf('sessions', 4, 12), wantsResults: true },
  { number: 13, synchronous: 'off', ...putOf('sessions', 4, 13), base: [1, 2, 3, 4, 5], wantsResults: true },
  { number: 14, synchronous: 'off', ...putOf('sessions', 4, 14), wantsResults: true },
]

function write(requests: readonly CommitRequest[], acknowledged = 0): Uint8Array {
  const writer = new RequestWriter()
  for (const request of requests) writer.add(request, requestSize(request))
  return writer.take(acknowledged)
}

function readAll(fields: ScalarReader): { acknowledged: number; requests: CommitRequest[] } {
  const reader = new RequestReader(fields)
  const requests: CommitRequest[] = []
  for (let request = reader.next(); request !== null; request = reader.next()) requests.push(request)
  return { acknowledged: reader.acknowledged, requests }
}

test('requests with every kind of step come back as they were', (t) => {
  const read = readAll(fieldsOf(write(REQUESTS_OF_ALL_KINDS, 77)))
  t.deepEqual(read, { acknowledged: 77, requests: [...REQUESTS_OF_ALL_KINDS] })
})

test('puts in a row come back as they were, whatever is between them', (t) => {
  t.deepEqual(readAll(fieldsOf(write(RUNS))).requests, [...RUNS])
  // More than the first room for their records, in several runs.
  const many = Array.from({ length: 500 }, (_, index) => mapPut(index + (index > 250 ? 2 : 1), index))
  t.deepEqual(readAll(fieldsOf(write(many))).requests, many)
})

test('a writer can be used again after its message was taken', (t) => {
  for (const requests of [REQUESTS_OF_ALL_KINDS.slice(0, 1), RUNS, [mapPut(1, 50_000), mapPut(2, 5)]]) {
    const writer = new RequestWriter()
    const writeAgain = () => {
      for (const request of requests) writer.add(request, requestSize(request))
      return Buffer.from(writer.take(0))
    }
    const first = writeAgain()
    t.true(writer.isEmpty)
    t.is(writer.size, 0)
    t.deepEqual(writeAgain(), first)
    for (const request of requests) writer.add(request, requestSize(request))
    writer.discard()
    t.deepEqual(writeAgain(), first)
  }
})

test('many requests of one shape are compact', (t) => {
  const message = write(Array.from({ length: 64 }, (_, index) => mapPut(index + 1, 20)))
  t.true(message.length < 64 * 22, `${message.length} bytes`)
})

test('a request never takes more of a message than was said before', (t) => {
  for (const request of [...REQUESTS_OF_ALL_KINDS, ...RUNS]) {
    t.true(write([request], Number.MAX_SAFE_INTEGER).length - 4 <= requestSize(request))
  }
  const largest = { ...putRequest(Number.MAX_SAFE_INTEGER - 1, MESSAGE_SIZE_MAX - 200) }
  t.true(requestSize(largest) <= MESSAGE_SIZE_MAX)
  t.true(write([largest], Number.MAX_SAFE_INTEGER).length - 4 <= MESSAGE_SIZE_MAX)
  t.true(requestSize(putRequest(1, MESSAGE_SIZE_MAX)) > MESSAGE_SIZE_MAX)
})

test('a request of very many steps is not sent, however small it is', (t) => {
  const steps: Step[] = Array.from({ length: 200_000 }, () => ({ type: 'savepoint' }))
  t.is(requestSize({ ...putRequest(1), steps }), Number.POSITIVE_INFINITY)
})

test('a message of requests with any value of another type, or none, is read or refused, and nothing else', (t) => {
  const values = bodyValues(write([...RUNS, ...REQUESTS_OF_ALL_KINDS], 5))
  const others: Scalar[] = [null, true, -1, 1.5, 3, 2 ** 52, Number.NaN, 2n ** 60n, 'text', bytes(1)]
  let refused = 0
  for (let index = 1; index < values.length; index++) {
    for (const other of others) {
      const changed = [...values]
      changed[index] = other
      refused += isRefused(changed) ? 1 : 0
    }
    refused += isRefused(values.slice(0, index)) ? 1 : 0
    refused += isRefused([...values.slice(0, index), ...values.slice(index + 1)]) ? 1 : 0
  }
  t.true(refused > values.length * 5, `${refused} of ${values.length}`)
})

test('a run that is not what it says is refused', (t) => {
  const run = 0b10010
  const hostile: Record<string, Scalar[]> = {
    'no requests': [1, run, 'users', 3, 0, bytes()],
    'more sizes than there are': [1, run, 'users', 3, 3, bytes(1, 2), 1, 1],
    'more than 2^50': [1, run, 'users', 3, 2 ** 50, bytes(1, 2), 1, 1],
    'records that go on behind the last': [1, run, 'users', 3, 2, bytes(1, 2, 3), 1, 1],
    'records that end before the last': [1, run, 'users', 3, 2, bytes(1), 1, 1],
    'a record past the end, the next one back': [1, run, 'users', 3, 2, bytes(1, 2), 3, -1],
    'numbers past 2^53': [Number.MAX_SAFE_INTEGER, run, 'users', 3, 2, bytes(1, 2), 1, 1],
    'a base': [1, run | 0b1000, 1, 2, 3, 4, 5, 'users', 3, 1, bytes(1), 1],
    'a store without a name': [1, run, 0, 3, 1, bytes(1), 1],
    'text for records': [1, run, 'users', 3, 1, 'x', 1],
  }
  for (const [what, values] of Object.entries(hostile)) t.true(isRefused([REQUESTS, 0, ...values]), what)
  t.false(isRefused([REQUESTS, 0, 1, run, 'users', 3, 2, bytes(1, 2), 1, 1]))
})

test('a message has no more requests than may be in flight, in one run or in many', (t) => {
  const sizes: Scalar[] = new Array(REQUEST_COUNT_MAX).fill(1)
  const run = (first: number, count: number): Scalar[] => {
    return [first, 0b10010, 'users', 3, count, new Uint8Array(count), ...sizes.slice(0, count)]
  }
  t.false(isRefused([REQUESTS, 0, ...run(1, REQUEST_COUNT_MAX)]))
  t.true(isRefused([REQUESTS, 0, ...run(1, REQUEST_COUNT_MAX - 1), ...run(REQUEST_COUNT_MAX, 2)]))
  const empty = sizes.flatMap((_, index): Scalar[] => [index + 1, 0, 0])
  t.false(isRefused([REQUESTS, 0, ...empty]))
  t.true(isRefused([REQUESTS, 0, ...empty, REQUEST_COUNT_MAX + 1, 0, 0]))

  const writer = new RequestWriter()
  for (let number = 1; number <= REQUEST_COUNT_MAX; number++) writer.add(mapPut(number, 2), 100)
  t.throws(() => writer.add(mapPut(REQUEST_COUNT_MAX + 1, 2), 100), { name: 'AssertionError' })
  t.is(readAll(fieldsOf(writer.take(0))).requests.length, REQUEST_COUNT_MAX)
})

test('random lists of scalars are read as requests or refused, and nothing else', (t) => {
  const random = seededRandom(t)
  let refused = 0
  for (let round = 0; round < 20_000; round++) {
    const values: Scalar[] = [REQUESTS, 0, 1, random.below(32)]
    const length = random.between(0, 20)
    for (let index = 0; index < length; index++) {
      values.push(random.pick<Scalar>([null, true, 0, 1, 2, random.below(16), 2n ** 60n, 'users', bytes(1)]))
    }
    refused += isRefused(values) ? 1 : 0
  }
  t.true(refused > 15_000)
})

function bodyValues(message: Uint8Array): Scalar[] {
  const fields = fieldsOf(message)
  const values: Scalar[] = [REQUESTS]
  while (!fields.isAtEnd) values.push(fields.scalar())
  return values
}

function isRefused(values: readonly Scalar[]): boolean {
  try {
    readAll(fieldsOf(encodeMessage(values)))
    return false
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return true
  }
}

interface Answered {
  readonly number: number
  readonly outcome: Outcome
  readonly othersActive: boolean
}

function readAnswersOf(message: Uint8Array, range = { after: 0, upTo: 1000 }): Answered[] {
  const answered: Answered[] = []
  readAnswers(fieldsOf(message), range, (number, outcome, othersActive) => {
    answered.push({ number, outcome, othersActive })
  })
  return answered
}

const COMMITTED: Outcome = { kind: 'committed', results: null }

test('answers come back in order, with every kind of outcome', (t) => {
  const outcomes: Outcome[] = [
    COMMITTED,
    COMMITTED,
    { kind: 'conflict' },
    COMMITTED,
    {
      kind: 'committed',
      results: [
        { existed: true, rowid: 5 },
        { existed: false, rowid: 2n ** 60n },
        { existed: false, rowid: null },
      ],
    },
    { kind: 'committed', results: [] },
    { kind: 'cancelled' },
    { kind: 'failed', code: 'ENDMARK_WAL_FULL', message: 'the log is full' },
    COMMITTED,
    COMMITTED,
  ]
  const writer = new AnswerWriter()
  for (const [index, outcome] of outcomes.entries()) writer.add(index + 1, outcome)
  t.false(writer.isEmpty)
  const answered = readAnswersOf(writer.take(true))
  t.deepEqual(
    answered,
    outcomes.map((outcome, index) => ({ number: index + 1, outcome, othersActive: true })),
  )
  t.true(writer.isEmpty)
})

test('a run of commits is one entry, and a gap in the numbers ends it', (t) => {
  const writer = new AnswerWriter()
  for (let number = 1; number <= 500; number++) if (number !== 250) writer.add(number, COMMITTED)
  const message = writer.take(false)
  t.true(message.length < 30, `${message.length} bytes`)
  const numbers = readAnswersOf(message).map(({ number }) => number)
  t.is(numbers.length, 499)
  t.false(numbers.includes(250))
})

test('a very long text of an error is cut', (t) => {
  const writer = new AnswerWriter()
  writer.add(1, { kind: 'failed', code: 'ENDMARK_IO', message: 'x'.repeat(100_000) })
  t.true(writer.take(false).length < 3000)
})

test('answers to requests that were not sent, or were answered before, are refused', (t) => {
  const hostile: Scalar[][] = [
    [0, 5, 1],
    [0, 6, 6],
    [0, 6, 2 ** 52],
    [0, 6, 0],
    [0, 7, 1, 0, 7, 1],
    [2, 5],
    [2, 11],
    [9, 6],
    [4, 6, 99, 'text'],
    [4, 6, 1, 5],
    [1, 6, 2 ** 50, true],
    [1, 6, 1, 1, 1],
    [0, 'six', 1],
  ]
  for (const values of hostile) {
    const message = encodeMessage([ANSWERS, false, ...values])
    t.throws(() => readAnswersOf(message, { after: 5, upTo: 10 }), { instanceOf: ProtocolError }, values.join(' '))
  }
})
