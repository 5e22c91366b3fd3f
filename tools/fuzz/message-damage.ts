/**
 * Damage of the messages of a client: values replaced by strange ones, left out, doubled or swapped, records damaged inside, and
 * at times plain bytes.
 */
import { unpack } from 'msgpackr'
import { encodeMessage, LENGTH_SIZE, type Scalar } from '../../ipc/message-codec.js'
import type { Random } from '../../test/support/random.js'
import { damageBytes } from './byte-damage.js'

const STRANGE: readonly Scalar[] = [
  ...[null, true, false, 0, 1, 2, -1, 0.5, 15, 16, 255, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, Number.NaN, Infinity],
  ...[2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), '', 'map', 'rows', 'sqlite_schema', 'endmark_clients', 'x'.repeat(5000)],
  ...[new Uint8Array(), new Uint8Array(1), new Uint8Array(70_000), Uint8Array.of(2, 1), Uint8Array.of(255, 255, 255)],
]

/** @param stream messages one after the other, each with its length in front */
export function damageMessages(stream: Uint8Array, random: Random): Uint8Array {
  const messages = messagesOf(stream)
  for (let count = random.between(1, 4); count > 0; count--) {
    const index = random.below(messages.length)
    messages[index] = damageMessage(messages[index]!, random)
    if (random.below(10) === 0) messages.splice(random.below(messages.length), 0, random.pick(messages))
  }
  const bytes = Uint8Array.from(Buffer.concat(messages))
  if (random.below(6) === 0) damageBytes(bytes, random)
  return bytes
}

function damageMessage(message: Uint8Array, random: Random): Uint8Array {
  const values = valuesOf(message)
  if (values === null) return message
  const at = random.below(values.length)
  switch (random.below(6)) {
    case 0:
      values.splice(at, 1)
      break
    case 1:
      values.splice(at, 0, random.pick(STRANGE))
      break
    case 2:
      values[at] = random.pick(values)
      break
    case 3:
      values[at] = random.pick(STRANGE)
      break
    case 4:
      return damageRecord(values, random) ?? message
    default:
      if (typeof values[at] === 'number') values[at] = values[at] + random.pick([-1, 1, 2, 16])
  }
  return values.length === 0 ? message : encodeMessage(values)
}

/** Keys and records are bytes within the message. */
function damageRecord(values: Scalar[], random: Random): Uint8Array | null {
  const places = [...values.keys()].filter((index) => values[index] instanceof Uint8Array)
  if (places.length === 0) return null
  const at = random.pick(places)
  const bytes = Uint8Array.from(values[at] as Uint8Array)
  damageBytes(bytes, random)
  values[at] = bytes
  return encodeMessage(values)
}

/** Cuts a stream where the lengths say; what is left over is a message too. */
export function messagesOf(stream: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = 0; at < stream.length; ) {
    const rest = Buffer.from(stream.buffer, stream.byteOffset + at, stream.length - at)
    const size = rest.length < LENGTH_SIZE ? rest.length : LENGTH_SIZE + rest.readUInt32LE(0)
    messages.push(stream.slice(at, at + size))
    at += size
  }
  return messages
}

/** Null: it was damaged as bytes, and is none any more. */
function valuesOf(message: Uint8Array): Scalar[] | null {
  try {
    const values = unpack(message.subarray(LENGTH_SIZE)) as unknown
    return Array.isArray(values) ? (values as Scalar[]) : null
  } catch {
    return null
  }
}
