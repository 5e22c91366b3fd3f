/**
 * The client's side of the socket: the way of one Database to the writer process, if there is one.
 *
 *   idle ──wake()──► connecting ──welcome──► connected ──close()──► closing ──► closed
 *    ▲                   │                      │
 *    └──failed, refused──┴──lost: who waits is in doubt
 *
 * Requests of one turn of the event loop travel as one message: they are collected until the callback that is running, and
 * every promise it has settled, is through. The socket keeps the process alive only while answers are awaited.
 *
 * The link decides nothing about transactions: it says which answers came, in order, and that a connection is lost. What
 * was sent and not answered may have been committed or not; `lost` is called once per connection, before anything else
 * is done with the link, and no answer comes after it.
 */
import { createConnection, type Socket } from 'node:net'
import { assert } from '../src/assert.js'
import { EndmarkError, ioError, unsupported } from '../src/errors.js'
import type { CommitRequest, WriterLink, WriterLinkHandlers } from '../src/txn/index.js'
import { type FileIdentity, fileIdentityOf } from '../src/vfs/index.js'
import { readAnswers } from './answer-codec.js'
import { ClientLock } from './client-lock.js'
import {
  encodeBye,
  encodeCancel,
  encodeCheckpoint,
  encodeHello,
  encodeWatch,
  PRELUDE,
  readRefusal,
  readWelcome,
} from './handshake.js'
import { ProtocolError, ScalarReader } from './message-codec.js'
import { MessageReader } from './message-reader.js'
import {
  ANSWERS,
  CHANGED,
  GOODBYE,
  HANDSHAKE_SIZE_MAX,
  HANDSHAKE_TIMEOUT_MS,
  MESSAGE_SIZE_MAX,
  PROTOCOL_VERSION,
  REFUSAL,
  REQUEST_COUNT_MAX,
  WELCOME,
} from './protocol.js'
import { ReconnectPace } from './reconnect.js'
import { REQUEST_SIZE_MIN, RequestWriter, requestSize } from './request-writer.js'
import { type SocketPath, socketIsThere, socketPathOf } from './socket-path.js'

export interface WriterLinkOptions {
  /** The main file that this process has open. Default: the one that stands under its path now. */
  readonly file?: FileIdentity
  /** How long its commits wait for the lock, ms. Default 0: as long as the writer process does by itself. */
  readonly timeoutMs?: number
  /** Starts a writer process; called, at a limited pace, when none can be reached. */
  readonly start?: () => void
}

type LinkState = 'idle' | 'connecting' | 'connected' | 'closing' | 'closed'

/** Bytes of requests after which a message is sent without waiting for the end of the turn. */
const FLUSH_SIZE = 256 << 10

/** Bytes that are received at a time: answers are short. */
const RECEIVE_SIZE = 64 << 10

/** How long the server may take to close after our goodbye. */
const CLOSE_TIMEOUT_MS = 1000

const READY_POLL_MS = 10

/** @param path the resolved path of the main file, which this process has open */
export function openWriterLink(
  path: string,
  handlers: WriterLinkHandlers,
  options: WriterLinkOptions = {},
): ClientLink {
  return new ClientLink(path, handlers, options)
}

export class ClientLink implements WriterLink {
  readonly #location: SocketPath
  readonly #handlers: WriterLinkHandlers
  readonly #options: WriterLinkOptions
  readonly #lock: ClientLock
  readonly #identity: FileIdentity
  readonly #pace = new ReconnectPace()
  readonly #requests = new RequestWriter()
  readonly #absent: EndmarkError
  #state: LinkState = 'idle'
  #socket: Socket | null = null
  #reader = new MessageReader()
  #isPreludeRead = false
  #timer: NodeJS.Timeout | null = null
  #writerPid: number | null = null
  #failure: unknown = null
  #isRefused = false
  #isFlushScheduled = false
  #isWatching = false
  #acknowledged = 0
  #unanswered = 0
  #lastSent = 0
  #lastAnswered = 0
  #closed: Promise<void> | null = null

  constructor(path: string, handlers: WriterLinkHandlers, options: WriterLinkOptions) {
    this.#location = socketPathOf(path)
    this.#handlers = handlers
    this.#options = options
    // Now, and not when connecting: another file may stand under this name by then.
    this.#identity = options.file ?? fileIdentityOf(path)
    this.#lock = ClientLock.acquire(path)
    const file = this.#location.path
    this.#absent = new EndmarkError('ENDMARK_NOT_FOUND', `no writer process: ${file} does not exist`, { file })
  }

  get clientId(): number {
    return this.#lock.clientId
  }

  get isConnected(): boolean {
    return this.#state === 'connected'
  }

  get writerPid(): number | null {
    return this.#writerPid
  }

  get failure(): unknown {
    return this.#failure
  }

  wake(): void {
    if (this.#state !== 'idle') return
    const now = performance.now()
    if (!this.#pace.mayAttempt(now)) return
    this.#pace.attempted(now)
    this.#isRefused = false
    try {
      if (socketIsThere(this.#location)) this.#connect()
      else this.#notReached(this.#absent)
    } catch (error) {
      this.#failure = error
    }
  }

  /**
   * Resolves when the link is connected.
   * @throws the error that a writer process has refused this client with, or ENDMARK_BUSY after `timeoutMs`
   */
  async ready(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    this.#pace.hurry()
    while (!this.isConnected) {
      this.wake()
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
      if (this.isConnected) return
      if (this.#closed !== null) throw new EndmarkError('ENDMARK_CLOSED', 'the database was closed')
      if (this.#isRefused) throw this.#failure
      if (performance.now() >= deadline) throw this.#notReady(timeoutMs)
      this.#pace.hurry()
    }
  }

  send(request: CommitRequest): boolean {
    if (this.#state !== 'connected') return false
    const size = requestSize(request)
    if (size > MESSAGE_SIZE_MAX) return false
    assert(request.number > this.#lastSent, () => `request ${request.number} after ${this.#lastSent}`)
    const requests = this.#requests
    if (!requests.isEmpty && requests.size + size > FLUSH_SIZE) this.#writeRequests()
    requests.add(request, size)
    this.#lastSent = request.number
    if (this.#unanswered++ === 0) this.#socket!.ref()
    if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true
      process.nextTick(this.#flush)
    }
    return true
  }

  cancel(number: number): void {
    if (this.#state !== 'connected') return
    this.#writeRequests()
    this.#socket!.write(encodeCancel(number))
  }

  acknowledge(upTo: number): void {
    if (upTo > this.#acknowledged) this.#acknowledged = upTo
  }

  requestCheckpoint(): void {
    if (this.#state === 'connected') this.#socket!.write(encodeCheckpoint())
  }

  watch(isWatching: boolean): void {
    if (this.#isWatching !== isWatching && this.#state === 'connected') this.#socket!.write(encodeWatch(isWatching))
    this.#isWatching = isWatching
    if (isWatching) this.wake()
  }

  abandon(why: string): void {
    if (this.#state !== 'connected' && this.#state !== 'connecting') return
    this.#lose(new EndmarkError('ENDMARK_BUSY', `the connection to the writer process was given up: ${why}`))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const socket = this.#socket
    const isConnected = this.#state === 'connected'
    this.#state = 'closing'
    this.#stopTimer()
    if (socket !== null) {
      assert(this.#unanswered === 0, () => `${this.#unanswered} requests wait for their answers`)
      socket.ref()
      if (isConnected) await sayBye(socket)
      socket.destroy()
    }
    this.#socket = null
    this.#writerPid = null
    this.#state = 'closed'
    this.#lock.release()
  }

  #connect(): void {
    // One buffer for all that arrives: by itself the socket makes one of 64 KiB for each message.
    const buffer = new Uint8Array(RECEIVE_SIZE)
    const callback = (count: number) => {
      this.#received(socket, buffer.subarray(0, count))
      return true
    }
    const socket = createConnection({ path: this.#location.path, onread: { buffer, callback } })
    socket.unref()
    this.#socket = socket
    this.#state = 'connecting'
    this.#reader = new MessageReader()
    this.#isPreludeRead = false
    this.#timer = setTimeout(() => this.abandon('it does not answer'), HANDSHAKE_TIMEOUT_MS).unref()
    const { clientId } = this.#lock
    const { timeoutMs = 0 } = this.#options
    const hello = encodeHello({ clientId, file: this.#identity, pid: process.pid, timeoutMs })
    socket.write(Buffer.concat([PRELUDE, hello]))
    socket.on('error', (error) => this.#broken(socket, error))
    socket.on('close', () => this.#broken(socket, new Error('the writer process has closed the connection')))
  }

  #broken(socket: Socket, cause: Error): void {
    if (socket === this.#socket && this.#closed === null) this.#lose(ioError('connection', this.#location.path, cause))
  }

  #received(socket: Socket, chunk: Uint8Array): void {
    if (socket !== this.#socket || this.#closed !== null) return
    this.#reader.push(chunk)
    try {
      while (socket === this.#socket && this.#readOne(socket)) {}
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      if (socket === this.#socket) this.#lose(error)
    } finally {
      // Also when a handler has thrown, with messages behind.
      this.#reader.letGo()
    }
  }

  /** @returns false if there is nothing more to read for now */
  #readOne(socket: Socket): boolean {
    if (!this.#isPreludeRead) return this.#readPrelude()
    const values = this.#reader.next(this.#state === 'connected' ? MESSAGE_SIZE_MAX : HANDSHAKE_SIZE_MAX)
    if (values === null) return false
    const type = values[0]
    const fields = new ScalarReader(values, 1)
    if (this.#state === 'connecting' && type === WELCOME) this.#welcomed(socket, readWelcome(fields).pid)
    else if (this.#state === 'connecting' && type === REFUSAL) {
      const { code, message } = readRefusal(fields)
      this.#refused(new EndmarkError(code, message))
    } else if (this.#state === 'connected' && type === ANSWERS) this.#readAnswers(socket, fields)
    else if (this.#state === 'connected' && type === CHANGED) {
      fields.end()
      this.#handlers.changed()
    } else if (this.#state === 'connected' && type === GOODBYE) {
      fields.end()
      this.#lose(new EndmarkError('ENDMARK_CLOSED', 'the writer process has ended'))
    } else throw new ProtocolError(`a message of type ${String(type)}`)
    return true
  }

  #readPrelude(): boolean {
    const version = this.#reader.prelude()
    if (version === null) return false
    this.#isPreludeRead = true
    if (version === PROTOCOL_VERSION) return true
    const versions = `its protocol version is ${version}, that of this process ${PROTOCOL_VERSION}`
    this.#refused(unsupported(`the writer process is of another version of Endmark: ${versions}`))
    return false
  }

  #welcomed(socket: Socket, pid: number): void {
    this.#stopTimer()
    this.#state = 'connected'
    this.#writerPid = pid
    this.#failure = null
    this.#isRefused = false
    this.#unanswered = 0
    this.#pace.connected()
    socket.unref()
    if (this.#isWatching) socket.write(encodeWatch(true))
    this.#handlers.connected()
  }

  #readAnswers(socket: Socket, fields: ScalarReader): void {
    readAnswers(fields, { after: this.#lastAnswered, upTo: this.#lastSent }, (number, outcome, othersActive) => {
      // A handler may have given the link up: then everything not yet passed on is in doubt already.
      if (socket !== this.#socket || this.#state !== 'connected') return
      this.#lastAnswered = number
      if (--this.#unanswered === 0) socket.unref()
      this.#handlers.answered(number, outcome, othersActive)
    })
  }

  readonly #flush = (): void => {
    this.#isFlushScheduled = false
    if (this.#state === 'connected') this.#writeRequests()
  }

  #writeRequests(): void {
    if (!this.#requests.isEmpty) this.#socket!.write(this.#requests.take(this.#acknowledged))
  }

  #refused(error: EndmarkError): void {
    this.#isRefused = true
    this.#lose(error)
    this.#pace.refused(performance.now())
  }

  /** Ends the attempt or the connection. */
  #lose(failure: unknown): void {
    const wasConnected = this.#state === 'connected'
    const socket = this.#socket
    this.#socket = null
    this.#state = 'idle'
    this.#writerPid = null
    this.#unanswered = 0
    this.#stopTimer()
    socket?.destroy()
    this.#requests.discard()
    this.#pace.attempted(performance.now())
    if (wasConnected) {
      this.#failure = failure
      this.#handlers.lost()
    } else {
      this.#notReached(failure)
    }
  }

  /** No writer process could be reached: starts one, if that is wanted. */
  #notReached(failure: unknown): void {
    this.#failure = failure
    const { start } = this.#options
    if (start === undefined || this.#isRefused) return
    if (!this.#pace.takeStart(performance.now())) return
    try {
      start()
    } catch (error) {
      this.#failure = error
    }
  }

  #notReady(timeoutMs: number): EndmarkError {
    const reason = this.#failure instanceof Error ? this.#failure.message : 'it does not answer'
    const message = `no writer process could be reached within ${timeoutMs} ms: ${reason}`
    return new EndmarkError('ENDMARK_BUSY', message, { cause: this.#failure })
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

/** Says goodbye and waits, within limits, until the other side has closed. */
function sayBye(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.end(encodeBye())
  })
}

assert(FLUSH_SIZE / REQUEST_SIZE_MIN < REQUEST_COUNT_MAX, 'no message gets more requests than it may have')
