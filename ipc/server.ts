/**
 * The writer process' side of the sockets: lets clients of the same file in, hands their requests to the handler, and sends
 * the answers, all of one turn of the event loop together: a batch of the handler's becomes one message per client.
 *
 * Only who holds the role of the writer may start a server; nothing of the file's safety depends on it, though.
 *
 * A client whose connection ends without a goodbye may have died. Then its row in the file is of no use to anyone: about a
 * second later, and when a server starts, the handler is asked to sweep, with the kernel's locks as the sign of life.
 */
import type { Socket } from 'node:net'
import type { ClientHandle, RequestHandler } from '../src/txn/index.js'
import { type FileIdentity, fileIdentityOf, isSameFile } from '../src/vfs/index.js'
import { ClientLockProbe } from './client-lock.js'
import { Listener } from './listener.js'
import { type Hello, OTHERS_ACTIVE_MS, type Refusal } from './protocol.js'
import { Session, type SessionHost } from './session.js'
import { socketPathOf } from './socket-path.js'

/** One line of the log. */
export interface LogEntry {
  readonly event: string
  readonly [field: string]: string | number
}

export interface WriterServerOptions {
  /** The resolved path of the main file, which this process has open. */
  readonly path: string
  readonly handler: RequestHandler
  readonly log: (entry: LogEntry) => void
  /** A client's own commits have made a checkpoint due. */
  readonly checkpointRequested?: () => void
  /** How often to look whether the socket is still there, ms. */
  readonly socketCheckMs?: number
  /** Milliseconds of a clock that never goes back, by which clients count as active. Default: that of the process. */
  readonly now?: () => number
}

export interface ServerStats {
  /** Clients that are connected. */
  readonly clients: number
  /** Transactions answered as committed, since the start. */
  readonly commits: number
  /** Turns of the event loop in which answers were sent. */
  readonly batches: number
  /** How long no client has been connected, ms; 0 while one is. */
  readonly idleMs: number
}

const SWEEP_DELAY_MS = 1000

export class WriterServer {
  readonly #options: WriterServerOptions
  readonly #now: () => number
  readonly #identity: FileIdentity
  readonly #probe: ClientLockProbe
  readonly #listener: Listener
  readonly #sessions = new Set<Session>()
  /** Of the answers that are being sent: others get some as well, or wait for theirs. */
  #isShared = false
  readonly #byClient = new Map<number, Session>()
  readonly #waiting: Session[] = []
  /** Who sent requests last, when, and when anyone else did. */
  #lastSender: Session | null = null
  #lastSentMs = Number.NEGATIVE_INFINITY
  #otherSentMs = Number.NEGATIVE_INFINITY
  #commits = 0
  /** How many of them clients that watch have been told of. */
  #toldCommits = 0
  #batches = 0
  #idleSinceMs = performance.now()
  #sweepTimer: NodeJS.Timeout | null = null
  #closing: Promise<void> | null = null
  #allClosed: (() => void) | null = null

  readonly socketPath: string

  private constructor(options: WriterServerOptions) {
    const location = socketPathOf(options.path)
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.socketPath = location.path
    this.#identity = fileIdentityOf(options.path)
    this.#probe = new ClientLockProbe(options.path)
    this.#listener = new Listener(location, {
      connected: (socket) => this.#connected(socket),
      dropped: () => this.#log('connection refused', { reason: 'there are too many' }),
      nameLost: (failure) => this.#nameLost(failure),
    })
  }

  /** @throws ENDMARK_IO if the socket cannot be made, or a private folder for it is not private */
  static async start(options: WriterServerOptions): Promise<WriterServer> {
    const server = new WriterServer(options)
    try {
      await server.#listener.open(options.socketCheckMs)
    } catch (error) {
      server.#probe.close()
      throw error
    }
    server.#sweep()
    return server
  }

  stats(): ServerStats {
    const clients = this.#byClient.size
    const idleMs = clients > 0 ? 0 : performance.now() - this.#idleSinceMs
    return { clients, commits: this.#commits, batches: this.#batches, idleMs }
  }

  /** Accepts nothing new, lets what was received be answered, says goodbye. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#listener.close()
    if (this.#sweepTimer !== null) clearTimeout(this.#sweepTimer)
    const allClosed = new Promise<void>((resolve) => {
      this.#allClosed = resolve
    })
    for (const session of [...this.#sessions]) session.drain()
    if (this.#sessions.size > 0) await allClosed
    this.#probe.close()
  }

  #connected(socket: Socket): void {
    if (this.#closing !== null) socket.destroy()
    else this.#sessions.add(new Session(socket, this.#host))
  }

  readonly #host: SessionHost = {
    pid: process.pid,
    admit: (session, hello) => this.#admit(session, hello),
    requestsArrived: (session) => this.#requestsArrived(session),
    othersActive: (session) => this.#othersActive(session),
    answersWaiting: (session) => this.#answersWaiting(session),
    checkpointRequested: () => this.#options.checkpointRequested?.(),
    committed: () => {
      this.#commits++
    },
    closed: (session, isDone) => this.#closed(session, isDone),
    log: (event, fields) => this.#log(event, fields),
  }

  #admit(session: Session, { clientId, file, timeoutMs }: Hello): ClientHandle | Refusal {
    const { path, handler } = this.#options
    if (!isSameFile(file, this.#identity)) {
      const message = `the writer process serves another file at ${path}: it was replaced while one of the two had it open`
      return { code: 'ENDMARK_INVALID_ARGUMENT', message }
    }
    // The lock is on the -shm of this very database: a second proof, and what exactly-once needs.
    if (!this.#probe.isAlive(clientId)) {
      return { code: 'ENDMARK_INVALID_ARGUMENT', message: `client ${clientId} does not hold its lock on ${path}-shm` }
    }
    // It has come back before we have noticed that it was gone: what is left of the old connection is in doubt for it.
    this.#byClient.get(clientId)?.close()
    this.#byClient.set(clientId, session)
    return handler.attach(clientId, timeoutMs, () => this.#probe.isAlive(clientId))
  }

  #requestsArrived(session: Session): void {
    const now = this.#now()
    if (this.#lastSender !== session) {
      this.#otherSentMs = this.#lastSentMs
      this.#lastSender = session
    }
    this.#lastSentMs = now
  }

  #isBusyBeside(session: Session | undefined): boolean {
    for (const other of this.#sessions) if (other !== session && other.isBusy) return true
    return false
  }

  #othersActive(session: Session): boolean {
    // However long a batch takes: who shares one, or waits for the next, is active.
    if (this.#isShared) return true
    const othersSentMs = this.#lastSender === session ? this.#otherSentMs : this.#lastSentMs
    return this.#now() - othersSentMs < OTHERS_ACTIVE_MS
  }

  #answersWaiting(session: Session): void {
    // After everything that the handler settles in this turn, promises included: one message per client and batch.
    if (this.#waiting.push(session) === 1) process.nextTick(this.#flush)
  }

  readonly #flush = (): void => {
    this.#batches++
    const sessions = this.#waiting.splice(0)
    this.#isShared = sessions.length > 1 || this.#isBusyBeside(sessions[0])
    for (const session of sessions) session.flush()
    if (this.#toldCommits === this.#commits) return
    this.#toldCommits = this.#commits
    for (const session of this.#sessions) session.tellChanged()
  }

  #closed(session: Session, isDone: boolean): void {
    this.#sessions.delete(session)
    const { clientId } = session
    if (clientId !== null && this.#byClient.get(clientId) === session) {
      this.#byClient.delete(clientId)
      if (this.#byClient.size === 0) this.#idleSinceMs = performance.now()
    }
    if (this.#lastSender === session) this.#lastSender = null
    if (this.#sessions.size === 0) this.#allClosed?.()
    if (!isDone && this.#closing === null) this.#sweepSoon()
  }

  #sweepSoon(): void {
    this.#sweepTimer ??= setTimeout(() => {
      this.#sweepTimer = null
      this.#sweep()
    }, SWEEP_DELAY_MS).unref()
  }

  #sweep(): void {
    this.#options.handler.sweep((clientId) => this.#byClient.has(clientId) || this.#probe.isAlive(clientId))
  }

  #nameLost(failure: unknown): void {
    const fields = { socket: this.socketPath }
    if (failure === null) this.#log('socket replaced', { ...fields, reason: 'it had been removed or taken over' })
    else this.#log('socket lost', { ...fields, reason: failure instanceof Error ? failure.message : String(failure) })
  }

  #log(event: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.log({ event, ...fields })
  }
}
