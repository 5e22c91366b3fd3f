/**
 * A writer process without the process: the RequestHandler of a second Database on the same file, behind links that a test can
 * break at any point. What arrives goes on at the end of the turn, as it would through a socket.
 *
 * A plan says what happens to each request. `deliver` is the normal way. Each of the others breaks the link:
 *
 * - `loseUnsent`: the request was about to be sent, and never arrives;
 * - `loseQueued`: it has arrived, and is dropped before it is applied;
 * - `loseAnswer`: it is applied, and the answer does not come back;
 * - `loseLate`: the writer has it and does not notice the break: it goes on to apply it, with those before it that are not
 *   answered, when `releaseLate` is called.
 */
import type { ExecutionContext } from 'ava'
import { Database, requestHandlerOf } from '../../src/database.js'
import type { OpenOptions } from '../../src/index.js'
import { resolveOptions } from '../../src/options.js'
import type {
  ClientHandle,
  CommitRequest,
  OpenWriterLink,
  Outcome,
  WriterLink,
  WriterLinkHandlers,
} from '../../src/txn/index.js'
import { nodeVfs } from '../../src/vfs/index.js'
import { attach, runAsync } from '../../src/wal/index.js'
import { openDatabase } from './open-database.js'

export type Fate = 'deliver' | 'loseUnsent' | 'loseQueued' | 'loseAnswer' | 'loseLate'

const CLIENT_ID_MIN = 2 ** 32

export class FakeWriter {
  readonly database: Database
  readonly links: FakeLink[] = []
  plan: (request: CommitRequest) => Fate = () => 'deliver'
  /** Whether clients can connect. */
  isAccepting = true
  /** What every answer says of other clients. */
  othersActive = true
  /** Requests with more bytes of records are refused as too large. */
  sizeMax = Number.POSITIVE_INFINITY
  /** Nothing goes on while it is stopped, as in a process that was. */
  isStopped = false
  checkpointRequests = 0
  /** Called when a link has broken, before the client hears of it. */
  beforeLost: () => void = () => {}
  /** Stands for a writer process that has not noticed that it was given up. */
  readonly #lateDatabase: Database
  #late: { readonly clientId: number; readonly requests: readonly CommitRequest[] }[] = []

  constructor(database: Database, lateDatabase: Database) {
    this.database = database
    this.#lateDatabase = lateDatabase
  }

  readonly openLink: OpenWriterLink = (_path, handlers) => {
    const link = new FakeLink(this, handlers, CLIENT_ID_MIN + this.links.length)
    this.links.push(link)
    return link
  }

  /** Closes its databases. */
  async close(): Promise<void> {
    // Whoever was about to connect finds nobody, as with a process that has ended.
    this.isAccepting = false
    await this.database.close()
    await this.#lateDatabase.close()
  }

  connect(clientId: number): ClientHandle {
    return requestHandlerOf(this.database).attach(clientId)
  }

  /** Goes on after a stop. */
  resume(): void {
    this.isStopped = false
    for (const link of this.links) link.flushSoon()
  }

  keepLate(clientId: number, requests: readonly CommitRequest[]): void {
    this.#late.push({ clientId, requests })
  }

  /** The writer that did not notice that links broke goes on with what it has. Resolves when it has done it. */
  async releaseLate(): Promise<void> {
    const late = this.#late
    this.#late = []
    const handler = requestHandlerOf(this.#lateDatabase)
    for (const { clientId, requests } of late) {
      const handle = handler.attach(clientId)
      for (const request of requests) handle.submit(request, () => {})
    }
    // Behind them in the same queue.
    await this.#lateDatabase.transaction(() => undefined)
  }

  /** Breaks all links. */
  breakLinks(): void {
    for (const link of this.links) link.break('broken by the test')
  }
}

export class FakeLink implements WriterLink {
  readonly clientId: number
  readonly sent: CommitRequest[] = []
  abandonedBecause: string | null = null
  acknowledged = 0
  failure: unknown = null
  readonly #writer: FakeWriter
  readonly #handlers: WriterLinkHandlers
  #handle: ClientHandle | null = null
  #outbox: (() => void)[] = []
  /** Arrived and not answered. */
  #unanswered: CommitRequest[] = []
  #isFlushDue = false
  #isConnecting = false

  constructor(writer: FakeWriter, handlers: WriterLinkHandlers, clientId: number) {
    this.#writer = writer
    this.#handlers = handlers
    this.clientId = clientId
  }

  get isConnected(): boolean {
    return this.#handle !== null
  }

  get writerPid(): number | null {
    return this.isConnected ? process.pid : null
  }

  wake(): void {
    if (this.isConnected || this.#isConnecting || !this.#writer.isAccepting) return
    this.#isConnecting = true
    setImmediate(() => {
      this.#isConnecting = false
      if (!this.#writer.isAccepting) return
      this.#handle = this.#writer.connect(this.clientId)
      this.#handlers.connected()
    })
  }

  send(request: CommitRequest): boolean {
    if (sizeOf(request) > this.#writer.sizeMax) return false
    // It travels as bytes: what the sender changes later changes nothing.
    const copy = structuredClone(request)
    this.sent.push(copy)
    this.#post(() => this.#deliver(copy))
    return true
  }

  cancel(number: number): void {
    this.#post(() => this.#handle!.cancel(number))
  }

  acknowledge(upTo: number): void {
    this.acknowledged = upTo
    if (this.isConnected) this.#post(() => this.#handle!.acknowledge(upTo))
  }

  requestCheckpoint(): void {
    this.#writer.checkpointRequests++
  }

  /** Nobody is told of commits: whoever watches has to look. */
  watch(): void {}

  abandon(why: string): void {
    this.abandonedBecause = why
    this.break(why)
  }

  async close(): Promise<void> {
    this.#handle?.leave()
    this.#handle = null
    this.#outbox = []
  }

  break(why: string): void {
    const handle = this.#handle
    if (handle === null) return
    this.#handle = null
    this.#outbox = []
    this.#unanswered = []
    this.failure = new Error(why)
    handle.drop()
    this.#writer.beforeLost()
    this.#handlers.lost()
  }

  flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    setImmediate(() => {
      this.#isFlushDue = false
      while (!this.#writer.isStopped && this.#outbox.length > 0) this.#outbox.shift()!()
    })
  }

  #post(message: () => void): void {
    this.#outbox.push(message)
    this.flushSoon()
  }

  #deliver(request: CommitRequest): void {
    const handle = this.#handle!
    const fate = this.#writer.plan(request)
    this.#unanswered.push(request)
    const answered = (number: number, outcome: Outcome) => {
      if (this.#handle !== handle) return
      this.#unanswered.shift()
      if (fate === 'loseAnswer') this.break('lost with an answer')
      else this.#handlers.answered(number, structuredClone(outcome), this.#writer.othersActive)
    }
    if (fate === 'deliver' || fate === 'loseAnswer') handle.submit(request, answered)
    else if (fate === 'loseUnsent') this.break('lost before a request was sent')
    else if (fate === 'loseQueued') {
      handle.submit(request, answered)
      this.break('lost before a request was applied')
    } else {
      // With all before it: a writer has the requests of a connection without gaps.
      this.#writer.keepLate(this.clientId, this.#unanswered)
      this.break('lost with a request that is applied late')
    }
  }
}

/** Bytes of the records of a request. */
function sizeOf({ steps }: CommitRequest): number {
  let size = 0
  for (const step of steps) if ('record' in step) size += step.record.length
  return size
}

/** A writer for the database at `path`, which closes with the test. */
export async function startFakeWriter(t: ExecutionContext<unknown>, path: string): Promise<FakeWriter> {
  const options = { writer: 'inline' } as const
  return new FakeWriter(await openDatabase(t, path, options), await openDatabase(t, path, options))
}

/** A Database whose commits go through that writer. */
export async function openThrough(
  t: ExecutionContext<unknown>,
  writer: FakeWriter,
  given: OpenOptions = {},
): Promise<Database> {
  const options = resolveOptions(given)
  const { create, readOnly, pageSize, timeout } = options
  const attaching = attach(writer.database.path, { vfs: nodeVfs(), create, readOnly, pageSize, timeoutMs: timeout })
  const db = new Database(await runAsync(attaching), options, writer.openLink)
  t.teardown(() => db.close().catch(() => {}))
  return db
}
