/**
 * What a client and the writer process say to each other over their socket.
 *
 * Both begin with a prelude of raw bytes that every version can read: the magic text, then the version of the protocol. The
 * client speaks first. Whoever sees another version there closes, and the client can say which two do not fit.
 *
 * Then come messages: a length (32 bits, little-endian) and a body in MessagePack. A body is one flat list of null,
 * booleans, numbers, text and bytes: the type of the message, then its fields one after the other; nothing in it nests.
 * So a body of many small requests is compact and cheap to read, and what is dangerous about a general format
 * in hostile hands (depth, extensions, objects with keys of the sender's choice) is refused before it is decoded.
 *
 *   client: prelude, hello ──► (requests | cancel | checkpoint | watch)* ──► bye
 *   server: prelude, welcome | refusal ──► (answers | changed)* ──► goodbye
 *
 * Only one user's processes can open the socket (mode 0600). Every limit below is kept all the same, by each side
 * against the other: a broken peer costs its connection and nothing else.
 */
import { assert } from '../src/assert.js'
import type { ErrorCode } from '../src/errors.js'
import type { FileIdentity } from '../src/vfs/index.js'

/** Rises with every change that an older peer would misread. */
export const PROTOCOL_VERSION = 3

const MAGIC = new TextEncoder().encode('endmark-ipc\0')
export const PRELUDE_SIZE = MAGIC.length + 4

/** Most bytes of a body. A larger transaction is committed directly by its process, as copying it around gains nothing. */
export const MESSAGE_SIZE_MAX = 16 << 20

/** Most bytes of a body before the welcome: a hello is some 50 bytes, a refusal names two files at most. */
export const HANDSHAKE_SIZE_MAX = 4 << 10

/** A client that has not said hello by then is shut out: connecting and saying nothing must not hold a place for ever. */
export const HANDSHAKE_TIMEOUT_MS = 5000

/** Bytes of unanswered requests of one connection, objects included, past which the server stops reading from it. */
export const IN_FLIGHT_SIZE_MAX = 8 << 20

/** What a request weighs beside its bytes: the objects that it becomes. */
export const REQUEST_OVERHEAD_SIZE = 512

/** Requests in one body: with what they weigh beside their bytes, as much as may be in flight. */
export const REQUEST_COUNT_MAX = IN_FLIGHT_SIZE_MAX / REQUEST_OVERHEAD_SIZE

/** Values in one body: keeps the objects that a message becomes within a few times its largest size. */
export const VALUE_COUNT_MAX = 1 << 20

/** Bytes of answers that a client has not read, past which the server reads no more of its requests. */
export const UNREAD_ANSWERS_SIZE_MAX = 1 << 20

/** Connections at a time: well below the number of files a process may have open (1024 as a rule). */
export const CONNECTION_COUNT_MAX = 900

/** Another client counts as active this long after its last request. */
export const OTHERS_ACTIVE_MS = 50

/** Client ids: above every lock byte of the -shm, exact as numbers, and too many to meet by chance. */
export const CLIENT_ID_MIN = 2 ** 32
export const CLIENT_ID_BOUND = 2 ** 48

assert(HANDSHAKE_SIZE_MAX < MESSAGE_SIZE_MAX, 'the handshake is the smaller limit')
assert(VALUE_COUNT_MAX < MESSAGE_SIZE_MAX, 'the limit of values is the stricter one for small values')

/** Types of messages, the first value of a body. The numbers are the protocol's: never reuse one. */
export const HELLO = 1
export const REQUESTS = 2
export const CANCEL = 3
export const CHECKPOINT = 4
export const BYE = 5
export const WATCH = 6
export const WELCOME = 64
export const REFUSAL = 65
export const ANSWERS = 66
export const GOODBYE = 67
export const CHANGED = 68

/** `clientId` is locked on the -shm (client-lock.ts); `file` is the main file that the client has open. */
export interface Hello {
  readonly clientId: number
  readonly file: FileIdentity
  readonly pid: number
  /** How long its commits wait for the lock. */
  readonly timeoutMs: number
}

/** The server takes requests from now on. */
export interface Welcome {
  readonly pid: number
}

/** The server wants nothing to do with this client. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

export function encodePrelude(version: number): Uint8Array {
  const prelude = new Uint8Array(PRELUDE_SIZE)
  prelude.set(MAGIC)
  new DataView(prelude.buffer).setUint32(MAGIC.length, version, true)
  return prelude
}

/** @returns the version of the peer; null if these are not the first bytes of an Endmark peer */
export function parsePrelude(bytes: Uint8Array): number | null {
  assert(bytes.length === PRELUDE_SIZE, () => `a prelude of ${bytes.length} bytes`)
  if (!startsLikePrelude(bytes)) return null
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true)
}

/** Whether these bytes, perhaps not all of them yet, can be the start of a prelude. */
export function startsLikePrelude(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, MAGIC.length)
  for (let index = 0; index < length; index++) if (bytes[index] !== MAGIC[index]) return false
  return true
}
