/**
 * A WriterLink that loads the real one only when there may be a writer process: someone who never meets one loads no
 * sockets and no messages. Until then it answers for a link that is not connected.
 *
 * `wake` is called with every commit that goes directly, so it looks for a writer process at most every `LOOK_MS`. Where the
 * Database wants a writer process, it also sees to it that one is started when there is none.
 */
import { assert } from '../assert.js'
import type { Vfs } from '../vfs/index.js'
import type { CommitRequest, OpenWriterLink, WriterLink, WriterLinkHandlers } from './request.js'

export interface LazyLinkParts {
  readonly vfs: Pick<Vfs, 'now'>
  /** Whether there are traces of a writer process. */
  readonly mayExist: () => boolean
  readonly load: () => Promise<OpenWriterLink>
  /** Starts a writer process; resolves when it can be connected to. Null: only one that others have started is used. */
  readonly start: (() => Promise<unknown>) | null
}

const LOOK_MS = 200
/** Whoever could not start a writer process does not try again for this long. */
const START_PAUSE_MS = 2000

export class LazyLink implements WriterLink {
  readonly #parts: LazyLinkParts
  readonly #path: string
  readonly #handlers: WriterLinkHandlers
  #link: WriterLink | null = null
  #lookAtMs = Number.NEGATIVE_INFINITY
  /** The loading and starting under way. */
  #preparing: Promise<void> | null = null
  #failure: unknown = null
  #isClosed = false

  constructor(path: string, handlers: WriterLinkHandlers, parts: LazyLinkParts) {
    this.#path = path
    this.#handlers = handlers
    this.#parts = parts
  }

  get clientId(): number {
    return this.#loaded().clientId
  }

  get isConnected(): boolean {
    return this.#link?.isConnected === true
  }

  get writerPid(): number | null {
    return this.#link?.writerPid ?? null
  }

  get failure(): unknown {
    return this.#failure ?? this.#link?.failure ?? null
  }

  wake(): void {
    const nowMs = this.#parts.vfs.now()
    if (nowMs < this.#lookAtMs || this.#preparing !== null || this.#isClosed) return
    this.#lookAtMs = nowMs + LOOK_MS
    const mayExist = this.#parts.mayExist()
    if (mayExist && this.#link !== null) this.#link.wake()
    else if (mayExist || this.#parts.start !== null) this.#preparing = this.#prepare(mayExist)
  }

  send(request: CommitRequest): boolean {
    return this.#loaded().send(request)
  }

  cancel(number: number): void {
    this.#loaded().cancel(number)
  }

  acknowledge(upTo: number): void {
    this.#loaded().acknowledge(upTo)
  }

  requestCheckpoint(): void {
    this.#loaded().requestCheckpoint()
  }

  abandon(why: string): void {
    this.#loaded().abandon(why)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#preparing
    await this.#link?.close()
  }

  /** Never rejects: a failure is kept for `failure`, and commits go on directly. */
  async #prepare(mayExist: boolean): Promise<void> {
    const { start, load, vfs } = this.#parts
    try {
      if (!mayExist) await start!()
      if (this.#link === null) this.#link = (await load())(this.#path, this.#handlers)
      this.#failure = null
      if (!this.#isClosed) this.#link.wake()
    } catch (error) {
      this.#failure = error
      this.#lookAtMs = vfs.now() + START_PAUSE_MS
    } finally {
      this.#preparing = null
    }
  }

  #loaded(): WriterLink {
    assert(this.#link !== null, 'nothing is sent before there was a connection')
    return this.#link
  }
}
