/**
 * The listening socket of a writer process, and its name in the file system.
 *
 * It is bound under an unfinished name, with permissions for this user alone from the first moment (the umask, as bind has
 * no mode of its own), and renamed once it listens. So nobody can connect before it is ready, what a crashed
 * predecessor left is replaced in one step, and libuv, which removes the name it bound when the socket is closed,
 * finds nothing there: the name that others know is removed only while it is still ours.
 *
 * The name may be removed or taken over by somebody who tidies up. Connections go on, but nobody new would find us, so the name
 * is looked at every second, and bound again. Only who has the role of the writer may listen.
 */
import { once } from 'node:events'
import { renameSync, rmSync, type Stats, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { EndmarkError, ioError } from '../src/errors.js'
import { CONNECTION_COUNT_MAX } from './protocol.js'
import { preparePrivateFolder, type SocketPath, statsOf, unfinishedSocketPath } from './socket-path.js'

export interface ListenerHooks {
  connected(socket: Socket): void
  /** There are too many connections already: this one was closed at once. */
  dropped(): void
  /** The name was lost; listening again, or `failure`: not yet, it will be tried again. */
  nameLost(failure: unknown): void
}

/** All permissions but reading and writing for the owner. */
const UMASK = 0o177

const CHECK_MS = 1000

export class Listener {
  readonly #location: SocketPath
  readonly #hooks: ListenerHooks
  #server: Server | null = null
  /** What our name looked like when it was made. */
  #stats: Stats | undefined
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  #isReopening = false

  constructor(location: SocketPath, hooks: ListenerHooks) {
    this.#location = location
    this.#hooks = hooks
  }

  /** @throws ENDMARK_IO if the name cannot be had */
  async open(checkMs: number = CHECK_MS): Promise<void> {
    await this.#listen()
    this.#timer = setInterval(() => void this.#check(), checkMs).unref()
  }

  /** Accepts nobody any more and removes the name; existing connections are not touched. */
  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    if (this.#isOurs()) rmSync(this.#location.path, { force: true })
    this.#server?.close()
  }

  async #listen(): Promise<void> {
    const { path, privateFolder } = this.#location
    if (privateFolder !== null) preparePrivateFolder(privateFolder)
    const unfinished = unfinishedSocketPath(path)
    assertReplaceable(path)
    if (assertReplaceable(unfinished) !== undefined) unlinkSync(unfinished)
    const server = createServer((socket) => this.#hooks.connected(socket))
    server.maxConnections = CONNECTION_COUNT_MAX
    server.on('drop', () => this.#hooks.dropped())
    try {
      bind(server, unfinished)
      await once(server, 'listening')
      renameSync(unfinished, path)
    } catch (error) {
      server.close()
      throw ioError('listen', path, error)
    }
    // Accepting fails when no file can be opened any more: those who are connected go on.
    server.on('error', () => {})
    this.#stats = statsOf(path)
    this.#server = server
  }

  async #check(): Promise<void> {
    if (this.#isClosed || this.#isReopening || this.#isOurs()) return
    this.#isReopening = true
    try {
      // First: closing removes the name that is to be bound next.
      this.#server?.close()
      this.#server = null
      await this.#listen()
      this.#hooks.nameLost(null)
    } catch (error) {
      this.#hooks.nameLost(error)
    } finally {
      this.#isReopening = false
    }
    if (this.#isClosed) this.close()
  }

  #isOurs(): boolean {
    const stats = statsOf(this.#location.path)
    const ours = this.#stats
    // A freed inode number is soon used again: the time of the rename tells the two apart.
    return stats !== undefined && ours !== undefined && stats.ino === ours.ino && stats.ctimeMs === ours.ctimeMs
  }
}

function bind(server: Server, path: string): void {
  const umask = process.umask(UMASK)
  try {
    // Binds before it returns; `exclusive` keeps a cluster's primary process from doing it elsewhere and later.
    server.listen({ path, exclusive: true })
  } finally {
    process.umask(umask)
  }
}

/** @throws ENDMARK_IO if something stands there that is not a socket: it is somebody's, and not replaced */
function assertReplaceable(path: string): Stats | undefined {
  const stats = statsOf(path)
  if (stats !== undefined && !stats.isSocket()) {
    throw new EndmarkError('ENDMARK_IO', `${path} is not a socket, and is not replaced by one`, { file: path })
  }
  return stats
}
