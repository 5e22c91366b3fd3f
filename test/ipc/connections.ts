/** Servers, links and raw sockets over the files of a database that is not one: the ipc layer looks at names and locks only. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type ClientLink, openWriterLink, type WriterLinkOptions } from '../../ipc/client.js'
import { ClientLock } from '../../ipc/client-lock.js'
import { encodeHello, PRELUDE } from '../../ipc/handshake.js'
import { encodeMessage, type Scalar, ScalarReader } from '../../ipc/message-codec.js'
import { MessageReader } from '../../ipc/message-reader.js'
import { MESSAGE_SIZE_MAX } from '../../ipc/protocol.js'
import { RequestWriter, requestSize } from '../../ipc/request-writer.js'
import { type LogEntry, WriterServer, type WriterServerOptions } from '../../ipc/server.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import type { CommitRequest, Outcome, Step } from '../../src/txn/index.js'
import { fileIdentityOf } from '../../src/vfs/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { until } from '../support/until.js'
import { FakeHandler } from './fake-handler.js'

/** The path of files that stand for an open database. */
export function fakeDatabase(t: ExecutionContext<unknown>, name = 'app.db'): string {
  const path = join(temporaryFolder(t), name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  writeFileSync(`${path}-shm`, '')
  return path
}

export interface Served {
  readonly path: string
  readonly server: WriterServer
  readonly handler: FakeHandler
  readonly log: LogEntry[]
}

export async function serve(
  t: ExecutionContext<unknown>,
  options: Partial<WriterServerOptions> & { handler?: FakeHandler } = {},
): Promise<Served> {
  const { path = fakeDatabase(t), handler = new FakeHandler() } = options
  const log: LogEntry[] = []
  const server = await WriterServer.start({ log: (entry) => log.push(entry), ...options, path, handler })
  t.teardown(() => {
    handler.mode = 'at once'
    handler.release()
    return server.close()
  })
  return { path, server, handler, log }
}

/** A link with what it has heard. */
export class HeardLink {
  readonly link: ClientLink
  readonly outcomes = new Map<number, Outcome>()
  readonly order: number[] = []
  othersActive = false
  connectedCount = 0
  lostCount = 0
  changedCount = 0
  #number = 0
  onAnswer: (number: number) => void = () => {}

  constructor(t: ExecutionContext<unknown>, path: string, options: WriterLinkOptions = {}) {
    this.link = openWriterLink(
      path,
      {
        connected: () => {
          this.connectedCount++
        },
        answered: (number, outcome, othersActive) => {
          this.outcomes.set(number, outcome)
          this.order.push(number)
          this.othersActive = othersActive
          this.onAnswer(number)
        },
        changed: () => {
          this.changedCount++
        },
        lost: () => {
          this.lostCount++
        },
      },
      options,
    )
    t.teardown(() => {
      this.link.abandon('the test is over')
      return this.link.close()
    })
  }

  /** Sends a request of one put; the number it got. */
  put(size = 20, changes: Partial<CommitRequest> = {}): number {
    const number = ++this.#number
    if (!this.link.send(putRequest(number, size, changes))) throw new Error(`request ${number} was not sent`)
    return number
  }

  async answered(number: number): Promise<Outcome> {
    await until(() => this.outcomes.has(number))
    return this.outcomes.get(number)!
  }
}

export async function connectLink(t: ExecutionContext<unknown>, path: string): Promise<HeardLink> {
  const heard = new HeardLink(t, path)
  await heard.link.ready(5000)
  return heard
}

export function putRequest(number: number, size = 20, changes: Partial<CommitRequest> = {}): CommitRequest {
  const steps: Step[] = [{ type: 'put', store: 'users', layout: 1, rowid: number, record: new Uint8Array(size) }]
  return { number, synchronous: 'full', steps, base: null, wantsResults: false, ...changes }
}

export function requestMessage(...requests: readonly CommitRequest[]): Uint8Array {
  const writer = new RequestWriter()
  for (const request of requests) writer.add(request, requestSize(request))
  return writer.take(0)
}

/** A socket that says what the test wants it to say. */
export class RawClient {
  readonly socket: Socket
  readonly #reader = new MessageReader()
  #isPreludeRead = false
  readonly messages: Scalar[][] = []
  version: number | null = null
  isClosed = false

  constructor(t: ExecutionContext<unknown>, databasePath: string) {
    this.socket = createConnection({ path: socketPathOf(databasePath).path })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('data', (chunk) => this.#received(chunk))
    t.teardown(() => this.socket.destroy())
  }

  write(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.socket.write(piece)
  }

  closed(): Promise<void> {
    return until(() => this.isClosed)
  }

  #received(chunk: Buffer): void {
    this.#reader.push(chunk)
    if (!this.#isPreludeRead) {
      this.version = this.#reader.prelude()
      if (this.version === null) return
      this.#isPreludeRead = true
    }
    for (let body = this.#reader.next(MESSAGE_SIZE_MAX); body !== null; body = this.#reader.next(MESSAGE_SIZE_MAX)) {
      this.messages.push(body)
    }
  }
}

/** The bytes of a client that is let in, and a lock that belongs to them. */
export function helloOf(t: ExecutionContext<unknown>, path: string): { readonly clientId: number; hello: Uint8Array } {
  const lock = ClientLock.acquire(path)
  t.teardown(() => lock.release())
  const { clientId } = lock
  const hello = encodeHello({ clientId, file: fileIdentityOf(path), pid: process.pid, timeoutMs: 5000 })
  return { clientId, hello: Buffer.concat([PRELUDE, hello]) }
}

/** A raw client that has been let in. */
export async function admitted(t: ExecutionContext<unknown>, path: string): Promise<RawClient> {
  const raw = new RawClient(t, path)
  raw.write(helloOf(t, path).hello)
  await until(() => raw.messages.length > 0)
  return raw
}

/** The bytes of these values as a message, whatever they are. */
export function message(...values: readonly Scalar[]): Uint8Array {
  return encodeMessage(values)
}

/** A reader of the values of a message, after its type. */
export function fieldsOf(bytes: Uint8Array): ScalarReader {
  const reader = new MessageReader()
  reader.push(bytes)
  return new ScalarReader(reader.next(MESSAGE_SIZE_MAX)!, 1)
}
