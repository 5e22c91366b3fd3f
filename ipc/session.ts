/**
 * One connection of a client, on the server's side.
 *
 *   prelude ──prelude──► hello ──hello fits──► serving ──bye──────────────────────────────► leaving ──► closed
 *      │                   │ does not fit          │ drain() ──► draining ──all answered──►   ▲
 *      │ other version     └──refusal─────────────────────────────────────────────────────────┤
 *      └──────────────────────────────────────────────────────────────────────────────────────┘
 *   from anywhere: hostile bytes, a lost connection, close() ──► closed
 *
 * - prelude, hello: has no handle yet; ends by itself after HANDSHAKE_TIMEOUT_MS.
 * - serving: requests go to the handler as they come, answers go out once per turn for all that were answered in it.
 * - draining: reads nothing more; what was received is answered, then goodbye.
 * - leaving: has said its last word and waits, briefly, for the client to close.
 *
 * Memory is bounded by not reading: while too much of this client is unanswered, or it does not fetch its answers, its socket
 * is paused, and the client finds its own send buffer full. What it sends that is not well formed closes this connection and
 * leaves one line in the log; nobody else notices.
 */
import type { Socket } from 'node:net'
import { assert } from '../src/assert.js'
import { EndmarkError } from '../src/errors.js'
import type { ClientHandle, Outcome } from '../src/txn/index.js'
import { AnswerWriter } from './answer-codec.js'
import { encodeChanged, encodeGoodbye, encodeRefusal, encodeWelcome, PRELUDE, readHello } from './handshake.js'
import { ProtocolError, ScalarReader } from './message-codec.js'
import { MessageReader } from './message-reader.js'
import {
  BYE,
  CANCEL,
  CHECKPOINT,
  HANDSHAKE_SIZE_MAX,
  HANDSHAKE_TIMEOUT_MS,
  HELLO,
  type Hello,
  IN_FLIGHT_SIZE_MAX,
  MESSAGE_SIZE_MAX,
  PROTOCOL_VERSION,
  REQUEST_OVERHEAD_SIZE,
  REQUESTS,
  type Refusal,
  UNREAD_ANSWERS_SIZE_MAX,
  WATCH,
} from './protocol.js'
import { RequestReader } from './request-reader.js'

export type SessionState = 'prelude' | 'hello' | 'serving' | 'draining' | 'leaving' | 'closed'

/** What a session needs of its server. */
export interface SessionHost {
  readonly pid: number
  /** Lets a client in: its handle, or why not. */
  admit(session: Session, hello: Hello): ClientHandle | Refusal
  /** Requests of this client have arrived. */
  requestsArrived(session: Session): void
  /** Whether others than this client have sent requests lately. */
  othersActive(session: Session): boolean
  /** The session has answers to send: `flush` it at the end of this turn. */
  answersWaiting(session: Session): void
  checkpointRequested(): void
  /** A transaction is about to be answered as committed. */
  committed(): void
  /** The session is over. `isDone`: the client has said goodbye, or never came in. */
  closed(session: Session, isDone: boolean): void
  log(event: string, fields: Readonly<Record<string, string | number>>): void
}

/** How long a client may take to close after the last word. */
const LEAVE_TIMEOUT_MS = 1000

/** Requests that arrived in one message, until the last of them is answered. */
interface InFlight {
  readonly lastNumber: number
  readonly size: number
}

export class Session {
  #state: SessionState = 'prelude'
  readonly #socket: Socket
  readonly #host: SessionHost
  readonly #reader = new MessageReader()
  readonly #answers = new AnswerWriter()
  #handle: ClientHandle | null = null
  #hello: Hello | null = null
  #timer: NodeJS.Timeout | null = null
  #lastNumber = 0
  #acknowledged = 0
  #answered = 0
  #unanswered = 0
  readonly #inFlight: InFlight[] = []
  #inFlightSize = 0
  #isPaused = false
  #isWatching = false
  #isTellingChanged = false
  /** There were commits since. */
  #owesChanged = false

  constructor(socket: Socket, host: SessionHost) {
    this.#socket = socket
    this.#host = host
    this.#closeAfter(HANDSHAKE_TIMEOUT_MS, 'said no hello in time')
    socket.on('data', (chunk) => this.#received(chunk))
    socket.on('drain', () => this.#controlFlow())
    socket.on('end', () => this.close())
    // What went wrong does not matter: the connection is gone, and `close` follows.
    socket.on('error', () => {})
    socket.on('close', () => this.close())
  }

  get state(): SessionState {
    return this.#state
  }

  /** Null before the hello. */
  get clientId(): number | null {
    return this.#hello?.clientId ?? null
  }

  /** Has requests that are not answered. */
  get isBusy(): boolean {
    return this.#unanswered > 0
  }

  /** Takes no more requests, and says goodbye when those received are answered. */
  drain(): void {
    if (this.#state !== 'serving') {
      this.close()
      return
    }
    this.#state = 'draining'
    this.#socket.pause()
    this.#sayGoodbyeIfDone()
    this.assertState()
  }

  /** Sends what was answered. */
  flush(): void {
    if (this.#answers.isEmpty || (this.#state !== 'serving' && this.#state !== 'draining')) return
    this.#socket.write(this.#answers.take(this.#host.othersActive(this)))
    this.#sayGoodbyeIfDone()
    this.#controlFlow()
  }

  /**
   * There were commits: tells a client that watches. While the last word of that waits for room in the socket, the next one does
   * for the last, and is one for all of them: nothing adds up.
   */
  tellChanged(): void {
    if (!this.#isWatching || this.#state !== 'serving') return
    this.#owesChanged = this.#isTellingChanged
    if (this.#isTellingChanged) return
    this.#isTellingChanged = true
    this.#socket.write(encodeChanged(), this.#toldChanged)
  }

  readonly #toldChanged = (): void => {
    this.#isTellingChanged = false
    if (this.#owesChanged) this.tellChanged()
  }

  /** Ends the session at once. */
  close(): void {
    if (this.#state === 'closed') return
    const isDone = this.#handle === null
    this.#state = 'closed'
    this.#stopTimer()
    this.#socket.destroy()
    this.#handle?.drop()
    this.#handle = null
    this.assertState()
    this.#host.closed(this, isDone)
  }

  assertState(): void {
    const hasHandle = this.#state === 'serving' || this.#state === 'draining'
    assert((this.#handle !== null) === hasHandle, () => `${this.#state}, handle ${this.#handle !== null}`)
    assert(hasHandle || this.#state !== 'hello' || this.#hello === null, 'a hello before its time')
    assert(this.#unanswered >= 0 && this.#inFlightSize >= 0, () => `${this.#unanswered} requests unanswered`)
    assert(this.#unanswered > 0 || this.#inFlight.length === 0 || !hasHandle, 'in flight, but all is answered')
  }

  #received(chunk: Buffer): void {
    if (this.#state === 'leaving' || this.#state === 'closed') return
    this.#reader.push(chunk)
    this.#read()
  }

  #read(): void {
    try {
      while (!this.#isPaused && this.#readOne()) {}
    } catch (error) {
      const isPeersFault =
        error instanceof ProtocolError || (error instanceof EndmarkError && error.code === 'ENDMARK_INVALID_ARGUMENT')
      if (!isPeersFault) throw error
      this.#fail(error.message)
    }
  }

  /** @returns false if there is nothing more to read for now */
  #readOne(): boolean {
    switch (this.#state) {
      case 'prelude':
        return this.#readPrelude()
      case 'hello':
        return this.#readHello()
      case 'serving':
        return this.#readMessage()
      default:
        return false
    }
  }

  #readPrelude(): boolean {
    const version = this.#reader.prelude()
    if (version === null) return false
    if (version === PROTOCOL_VERSION) {
      this.#state = 'hello'
      return true
    }
    this.#log('connection refused', `its protocol version is ${version}, ours ${PROTOCOL_VERSION}`)
    this.#leave([PRELUDE])
    return false
  }

  #readHello(): boolean {
    const values = this.#reader.next(HANDSHAKE_SIZE_MAX)
    if (values === null) return false
    const fields = new ScalarReader(values, 1)
    if (values[0] !== HELLO) throw new ProtocolError('no hello after the prelude')
    const hello = readHello(fields)
    const admitted = this.#host.admit(this, hello)
    if ('code' in admitted) {
      this.#log('connection refused', admitted.message)
      this.#leave([PRELUDE, encodeRefusal(admitted)])
      return false
    }
    this.#stopTimer()
    this.#hello = hello
    this.#handle = admitted
    this.#state = 'serving'
    this.#socket.write(Buffer.concat([PRELUDE, encodeWelcome({ pid: this.#host.pid })]))
    this.assertState()
    return true
  }

  #readMessage(): boolean {
    const before = this.#reader.size
    const values = this.#reader.next(MESSAGE_SIZE_MAX)
    if (values === null) return false
    const fields = new ScalarReader(values, 1)
    switch (values[0]) {
      case REQUESTS:
        this.#submit(new RequestReader(fields), before - this.#reader.size)
        break
      case CANCEL:
        this.#handle!.cancel(fields.count())
        fields.end()
        break
      case CHECKPOINT:
        fields.end()
        this.#host.checkpointRequested()
        break
      case WATCH:
        this.#isWatching = fields.boolean()
        fields.end()
        break
      case BYE:
        fields.end()
        this.#bye()
        break
      default:
        throw new ProtocolError(`a message of type ${String(values[0])}`)
    }
    return true
  }

  #submit(requests: RequestReader, messageSize: number): void {
    const handle = this.#handle!
    if (requests.acknowledged > this.#acknowledged) {
      this.#acknowledged = requests.acknowledged
      handle.acknowledge(requests.acknowledged)
    }
    this.#host.requestsArrived(this)
    let size = messageSize
    for (let request = requests.next(); request !== null; request = requests.next()) {
      if (request.number <= this.#lastNumber) throw new ProtocolError(`request ${request.number} after its successor`)
      this.#lastNumber = request.number
      size += REQUEST_OVERHEAD_SIZE
      this.#unanswered++
      handle.submit(request, this.#answer)
    }
    this.#inFlight.push({ lastNumber: this.#lastNumber, size })
    this.#inFlightSize += size
    this.#forgetAnswered()
    this.#controlFlow()
  }

  readonly #answer = (number: number, outcome: Outcome): void => {
    if (this.#state !== 'serving' && this.#state !== 'draining') return
    if (this.#answers.isEmpty) this.#host.answersWaiting(this)
    if (outcome.kind === 'committed') this.#host.committed()
    this.#answers.add(number, outcome)
    this.#unanswered--
    this.#answered = number
    this.#forgetAnswered()
    if (this.#answers.isFull) this.flush()
  }

  #forgetAnswered(): void {
    const inFlight = this.#inFlight
    while (inFlight.length > 0 && inFlight[0]!.lastNumber <= this.#answered) {
      this.#inFlightSize -= inFlight.shift()!.size
    }
  }

  /** Reads on, or not: see the comment above. */
  #controlFlow(): void {
    if (this.#state !== 'serving') return
    const isTooMuch = this.#inFlightSize > IN_FLIGHT_SIZE_MAX || this.#socket.writableLength > UNREAD_ANSWERS_SIZE_MAX
    if (isTooMuch === this.#isPaused) return
    this.#isPaused = isTooMuch
    if (isTooMuch) {
      this.#socket.pause()
      return
    }
    this.#socket.resume()
    this.#read()
  }

  #bye(): void {
    const handle = this.#handle!
    if (this.#unanswered > 0) throw new ProtocolError('a goodbye before the last answer')
    this.#handle = null
    handle.leave()
    this.#leave([])
  }

  #sayGoodbyeIfDone(): void {
    if (this.#state !== 'draining' || this.#unanswered > 0 || !this.#answers.isEmpty) return
    const handle = this.#handle!
    this.#handle = null
    // Not `leave`: the client lives on, and its row is what keeps its commits from being repeated.
    handle.drop()
    this.#leave([encodeGoodbye()])
  }

  /** Says the last word and gives the client a moment to close, reading nothing but its end. */
  #leave(words: readonly Uint8Array[]): void {
    this.#state = 'leaving'
    this.#closeAfter(LEAVE_TIMEOUT_MS, null)
    this.#socket.end(Buffer.concat(words))
    this.#socket.resume()
    this.assertState()
  }

  #fail(reason: string): void {
    this.#log('connection closed', reason)
    this.close()
  }

  #log(event: string, reason: string): void {
    const client = this.#hello === null ? {} : { client: this.#hello.clientId, clientPid: this.#hello.pid }
    this.#host.log(event, { reason, ...client })
  }

  #closeAfter(milliseconds: number, complaint: string | null): void {
    this.#stopTimer()
    this.#timer = setTimeout(() => {
      if (complaint === null) this.close()
      else this.#fail(complaint)
    }, milliseconds).unref()
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
