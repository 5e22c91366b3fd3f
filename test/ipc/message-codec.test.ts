import test from 'ava'
import { Packr, pack } from 'msgpackr'
import { decodeBody, encodeMessage, LENGTH_SIZE, ProtocolError, type Scalar } from '../../ipc/message-codec.js'
import { MessageReader } from '../../ipc/message-reader.js'
import { encodePrelude, MESSAGE_SIZE_MAX, parsePrelude, VALUE_COUNT_MAX } from '../../ipc/protocol.js'
import { seededRandom } from '../support/random.js'

const SAMPLES: readonly Scalar[] = [
  null,
  true,
  false,
  0,
  1,
  0x7f,
  0x80,
  0xffff,
  0x10000,
  0xffffffff,
  2 ** 48 - 1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  -1,
  -33,
  -129,
  -40_000,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  '',
  'users',
  'Zürich – 東京 – 🙂',
  'a'.repeat(40),
  'b'.repeat(300),
  'c'.repeat(70_000),
  new Uint8Array(0),
  Uint8Array.from({ length: 255 }, (_, index) => index),
  new Uint8Array(256).fill(7),
  new Uint8Array(70_000).fill(9),
]

/** Body bytes as msgpackr writes anything. */
function bodyOf(value: unknown): Uint8Array {
  return new Uint8Array(pack(value))
}

function decode(body: Uint8Array): Scalar[] {
  return decodeBody(body, 0, body.length)
}

function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_SIZE + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length, true)
  bytes.set(body, LENGTH_SIZE)
  return bytes
}

test('every kind of scalar comes back as it was', (t) => {
  const message = encodeMessage(SAMPLES)
  t.is(Buffer.from(message).readUInt32LE(0), message.length - LENGTH_SIZE)
  const reader = new MessageReader()
  reader.push(message)
  t.deepEqual(reader.next(MESSAGE_SIZE_MAX), [...SAMPLES])
  t.is(reader.next(MESSAGE_SIZE_MAX), null)
})

test('bytes come back as plain views of the chunk, not as copies and not as Buffers', (t) => {
  const chunk = encodeMessage([1, new Uint8Array([1, 2, 3])])
  const reader = new MessageReader()
  reader.push(chunk)
  const bytes = reader.next(MESSAGE_SIZE_MAX)?.[1] as Uint8Array
  t.is(bytes.constructor, Uint8Array)
  t.is(bytes.buffer, chunk.buffer)
})

test('a message is never written to again by the encoder', (t) => {
  const first = encodeMessage([1, 'first'])
  const copy = Buffer.from(first)
  for (let index = 0; index < 2000; index++) encodeMessage([2, new Uint8Array(index).fill(255)])
  encodeMessage([3, new Uint8Array(3 << 20)])
  encodeMessage([4])
  t.deepEqual(Buffer.from(first), copy)
})

test('what is not a list of scalars is refused before it is decoded', (t) => {
  const hostile: Record<string, Uint8Array> = {
    'a scalar alone': bodyOf(1),
    nothing: new Uint8Array(0),
    'an empty list': bodyOf([]),
    'a list in a list': bodyOf([1, [2]]),
    'a map': bodyOf({ __proto__: null, type: 1 }),
    'a map in a list': bodyOf([1, { a: 1 }]),
    'an object that names __proto__': bodyOf([JSON.parse('{"__proto__": {"polluted": true}}')]),
    'a record, that would define a reader': new Uint8Array(new Packr({ useRecords: true }).pack([{ a: 1 }, { a: 2 }])),
    'a date': bodyOf([new Date(0)]),
    'a set': new Uint8Array(new Packr({ moreTypes: true }).pack([new Set([1])])),
    'a regular expression': new Uint8Array(new Packr({ moreTypes: true }).pack([/(a+)+$/])),
    'an error': new Uint8Array(new Packr({ moreTypes: true }).pack([new Error('x')])),
    'an array of 32-bit numbers': new Uint8Array(new Packr({ moreTypes: true }).pack([new Uint32Array(4)])),
    undefined: bodyOf([undefined]),
    'a large integer of any size': new Uint8Array(new Packr({ useBigIntExtension: true }).pack([2n ** 200n])),
    'a 32-bit float': Uint8Array.of(0x91, 0xca, 0, 0, 0, 0),
    'the byte that never is': Uint8Array.of(0x91, 0xc1),
    'a bundle of strings': new Uint8Array(new Packr({ bundleStrings: true }).pack(['long enough', 'to be bundled'])),
  }
  for (const [what, body] of Object.entries(hostile)) {
    t.throws(() => decode(body), { instanceOf: ProtocolError }, what)
  }
})

test('a length that lies is found out before anything is allocated', (t) => {
  const lies: Record<string, Uint8Array> = {
    'more values than there are': Uint8Array.of(0x95, 1, 2),
    'four thousand million values': Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1),
    'fewer values than there are': Uint8Array.of(0x91, 1, 2),
    'a list whose length is cut off': Uint8Array.of(0xdc, 0),
    'text past the end': Uint8Array.of(0x91, 0xa5, 0x61),
    'long text past the end': Uint8Array.of(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61),
    'bytes past the end': Uint8Array.of(0x91, 0xc4, 200, 1),
    'four gigabytes past the end': Uint8Array.of(0x91, 0xc6, 0xff, 0xff, 0xff, 0xff, 1),
    'a length that is cut off': Uint8Array.of(0x91, 0xc6, 0xff),
    'a number that is cut off': Uint8Array.of(0x91, 0xcb, 0, 0),
  }
  for (const [what, body] of Object.entries(lies)) {
    t.throws(() => decode(body), { instanceOf: ProtocolError }, what)
    // The same with more bytes after it, as when the next message has come along.
    const chunk = new Uint8Array(body.length + 100)
    chunk.set(body)
    t.throws(() => decodeBody(chunk, 0, body.length), { instanceOf: ProtocolError }, what)
  }
})

test('a message of too many values is refused', (t) => {
  const body = new Uint8Array(5 + VALUE_COUNT_MAX + 1)
  body[0] = 0xdd
  new DataView(body.buffer).setUint32(1, VALUE_COUNT_MAX + 1)
  t.throws(() => decode(body), { instanceOf: ProtocolError })
})

test('random bytes decode to scalars or are refused, and nothing else happens', (t) => {
  const random = seededRandom(t)
  const valid = bodyOf(SAMPLES.slice(0, 24))
  let refused = 0
  for (let round = 0; round < 20_000; round++) {
    const body = round % 2 === 0 ? random.bytes(random.between(1, 40)) : Uint8Array.from(valid)
    if (round % 2 === 1) body[random.below(body.length)] = random.below(256)
    if (round % 4 === 2) body[0] = 0x90 + random.below(16)
    try {
      for (const value of decode(body)) {
        t.true(value === null || typeof value !== 'object' || value instanceof Uint8Array)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      refused++
    }
  }
  t.true(refused > 5000)
})

test('messages come out the same however they are cut into chunks', (t) => {
  const random = seededRandom(t)
  const lists: Scalar[][] = Array.from({ length: 200 }, (_, index) => [index, random.bytes(random.below(300)), 'x'])
  const stream = Buffer.concat(lists.map((values) => encodeMessage(values)))
  for (const chunkSize of [1, 3, 4, 5, 64, 1000, 65_536]) {
    const reader = new MessageReader()
    const read: Scalar[][] = []
    for (let at = 0; at < stream.length; at += chunkSize) {
      reader.push(Buffer.from(stream.subarray(at, at + chunkSize)))
      for (let values = reader.next(MESSAGE_SIZE_MAX); values !== null; values = reader.next(MESSAGE_SIZE_MAX)) {
        read.push(values)
      }
    }
    t.deepEqual(read, lists)
    t.is(reader.size, 0)
  }
})

test('a chunk that is let go of may be written to, whatever part of a message it ends with', (t) => {
  const lists: Scalar[][] = Array.from({ length: 200 }, (_, index) => [index, 'x'.repeat(index)])
  const stream = Buffer.concat(lists.map((values) => encodeMessage(values)))
  for (const chunkSize of [1, 3, 4, 5, 64, 1000, 65_536]) {
    const reader = new MessageReader()
    const chunk = new Uint8Array(chunkSize)
    const read: Scalar[][] = []
    for (let at = 0; at < stream.length; at += chunkSize) {
      const count = Math.min(chunkSize, stream.length - at)
      chunk.set(stream.subarray(at, at + count))
      reader.push(chunk.subarray(0, count))
      for (let values = reader.next(MESSAGE_SIZE_MAX); values !== null; values = reader.next(MESSAGE_SIZE_MAX)) {
        read.push(values)
      }
      reader.letGo()
      chunk.fill(0xff)
    }
    t.deepEqual(read, lists)
  }
})

test('the largest message comes together from small chunks', (t) => {
  const record = new Uint8Array(MESSAGE_SIZE_MAX - 100).fill(5)
  const message = encodeMessage([1, record])
  const reader = new MessageReader()
  let values: Scalar[] | null = null
  for (let at = 0; at < message.length; at += 4096) {
    t.is(values, null)
    reader.push(Buffer.from(message.subarray(at, at + 4096)))
    values = reader.next(MESSAGE_SIZE_MAX)
  }
  t.is(Buffer.compare(values?.[1] as Uint8Array, record), 0)
})

test('a message that announces too much is refused by its length alone', (t) => {
  const reader = new MessageReader()
  reader.push(Uint8Array.of(1, 0, 0, 1))
  t.throws(() => reader.next(MESSAGE_SIZE_MAX), { instanceOf: ProtocolError, message: /16777217 bytes/ })
})

test('a message of no bytes is refused', (t) => {
  const reader = new MessageReader()
  reader.push(framed(new Uint8Array(0)))
  t.throws(() => reader.next(MESSAGE_SIZE_MAX), { instanceOf: ProtocolError })
})

test('the prelude says the version, in whatever pieces it comes', (t) => {
  const prelude = encodePrelude(0x01020304)
  t.is(Buffer.from(prelude).toString('latin1'), 'endmark-ipc\0\x04\x03\x02\x01')
  t.is(parsePrelude(prelude), 0x01020304)
  const reader = new MessageReader()
  for (const byte of prelude.subarray(0, -1)) {
    reader.push(Uint8Array.of(byte))
    t.is(reader.prelude(), null)
  }
  reader.push(prelude.subarray(-1))
  t.is(reader.prelude(), 0x01020304)
})

test('bytes that cannot become a prelude are refused at the first one', (t) => {
  const reader = new MessageReader()
  reader.push(Buffer.from('en'))
  t.is(reader.prelude(), null)
  reader.push(Buffer.from('D'))
  t.throws(() => reader.prelude(), { instanceOf: ProtocolError })
})
