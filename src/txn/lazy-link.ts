/**
 * A WriterLink that loads the real one only when there may be a writer process: someone who never meets one loads no
 * sockets and no messages. Until then it answers for a link that is not connected.
 *
 * `wake` is called with every commit that goes directly, so it looks for a writer process at most every `LOOK_MS`.
 */
import { assert } from '../assert.js'
import type { CommitRequest, OpenWriterLink, WriterLink, WriterLinkHandlers } from './request.js'

export interface LazyLinkParts {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** Whether there are traces of a writer process; those of a dead one count. */
  readonly mayExist: () => boolean
  readonly load: () => Promise<OpenWriterLink>
}

const LOOK_MS = 200

export class LazyLink implements WriterLink {
  readonly #parts: LazyLinkParts
  readonly #path: string
  readonly #handlers: WriterLinkHandlers
  #link: WriterLink | null = null
  #lookAtMs = Number.NEGATIVE_INFINITY
  /** The loading under way. */
  #loading: Promise<void> | null = null
  #failure: unknown = null
  #isWatching = false
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
    const nowMs = this.#parts.now()
    if (nowMs < this.#lookAtMs || this.#loading !== null || this.#isClosed) return
    this.#lookAtMs = nowMs + LOOK_MS
    if (!this.#parts.mayExist()) return
    if (this.#link === null) this.#loading = this.#load()
    else this.#link.wake()
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

  watch(isWatching: boolean): void {
    this.#isWatching = isWatching
    if (this.#link !== null) this.#link.watch(isWatching)
    else if (isWatching) this.wake()
  }

  abandon(why: string): void {
    this.#loaded().abandon(why)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#loading
    await this.#link?.close()
  }

  /** Never rejects: a failure is kept for `failure`, and commits go on directly. */
  async #load(): Promise<void> {
    try {
      const openLink = await this.#parts.load()
      if (this.#isClosed) return
      this.#link = openLink(this.#path, this.#handlers)
      this.#failure = null
      if (this.#isWatching) this.#link.watch(true)
      else this.#link.wake()
    } catch (error) {
      this.#failure = error
    } finally {
      this.#loading = null
    }
  }

  #loaded(): WriterLink {
    assert(this.#link !== null, 'nothing is sent before there was a connection')
    return this.#link
  }
}
