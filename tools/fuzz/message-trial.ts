/**
 * A writer process that clients of every sort write to. After each, it must still commit for a client that keeps to the rules, have let go of the
 * connection, and have nothing in the file that SQLite's integrity_check finds fault with.
 */
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientLock } from '../../ipc/client-lock.js'
import { encodeBye, encodeHello, PRELUDE } from '../../ipc/handshake.js'
import { socketPathOf } from '../../ipc/socket-path.js'
import { type Database, open } from '../../src/index.js'
import { fileIdentityOf } from '../../src/vfs/index.js'
import { copyFiles } from '../../test/support/damage.js'
import { sqliteNow } from '../../test/support/sqlite-now.js'
import { WriterProcess } from '../../workers/writer-process.js'

/** Most that one client may take; a few milliseconds are usual. */
const CLOSED_WITHIN_MS = 5000
/** Between two questions to SQLite, which cost a process each. */
const CHECK_EVERY = 100

export class MessageTrial {
  readonly #writer: WriterProcess
  readonly #db: Database
  #count = 0

  private constructor(writer: WriterProcess, db: Database) {
    this.#writer = writer
    this.#db = db
  }

  /** @param original the database that the messages were made for */
  static async start(folder: string, original: string): Promise<MessageTrial> {
    const path = join(folder, 'served.db')
    copyFiles(original, path)
    const writer = await WriterProcess.start(path, { log: () => {} })
    return new MessageTrial(writer, await open(path, { writer: 'inline' }))
  }

  /** @returns what is wrong; whatever the server throws ends this process, which is noticed by whoever started it */
  async run(messages: Uint8Array): Promise<string[]> {
    const findings: string[] = []
    if (!(await this.#speak(messages))) findings.push(`the connection was open after ${CLOSED_WITHIN_MS} ms`)
    if (this.#writer.isEnding) findings.push('the writer process has ended')
    const key = `bystander ${this.#count++}`
    const bystanders = await this.#db.map<string, string>('bystanders', { key: 'text', value: 'text' })
    await bystanders.put(key, 'still here')
    if (bystanders.get(key) !== 'still here') findings.push('a commit beside it was lost')
    await bystanders.delete(key)
    if (this.#count % CHECK_EVERY === 0 || findings.length > 0) findings.push(...this.#check())
    return findings
  }

  /** Says hello, the messages, and goodbye. @returns whether the server has closed the connection in time */
  async #speak(messages: Uint8Array): Promise<boolean> {
    const { path } = this.#writer
    const lock = ClientLock.acquire(path)
    const socket = createConnection({ path: socketPathOf(path).path })
    const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))
    const waiting = new AbortController()
    try {
      socket.on('error', () => {})
      socket.on('data', () => {})
      const hello = encodeHello({
        clientId: lock.clientId,
        file: fileIdentityOf(path),
        pid: process.pid,
        timeoutMs: 5000,
      })
      socket.write(Buffer.concat([PRELUDE, hello, messages, encodeBye()]))
      // A message that has lost its end waits for more.
      setTimeout(() => socket.end(), 20).unref()
      const late = delay(CLOSED_WITHIN_MS, false, { signal: waiting.signal }).catch(() => false)
      return await Promise.race([closed, late])
    } finally {
      waiting.abort()
      socket.destroy()
      lock.release()
    }
  }

  #check(): string[] {
    const found = sqliteNow(this.#writer.path, (db) => db.pragma('integrity_check', { simple: true }))
    return found === 'ok' ? [] : [`integrity_check, of this case or one of ${CHECK_EVERY} before it: ${found}`]
  }
}
