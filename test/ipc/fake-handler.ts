/** A handler without an engine: remembers what it is asked, and answers when the test says so. */
import type { ClientHandle, CommitRequest, Outcome, RequestHandler } from '../../src/txn/index.js'

export const COMMITTED: Outcome = { kind: 'committed', results: null }

type Answer = (number: number, outcome: Outcome) => void

export interface Submitted {
  readonly request: CommitRequest
  readonly answer: Answer
}

/** `at once`: in the same turn, all together; `held`: by `release`. */
export type AnswerMode = 'at once' | 'held'

export class FakeHandler implements RequestHandler {
  mode: AnswerMode
  outcomeOf: (request: CommitRequest) => Outcome = () => COMMITTED
  readonly handles: FakeHandle[] = []
  readonly sweeps: ((clientId: number) => boolean)[] = []

  constructor(mode: AnswerMode = 'at once') {
    this.mode = mode
  }

  attach(clientId: number): FakeHandle {
    const handle = new FakeHandle(clientId, this)
    this.handles.push(handle)
    return handle
  }

  sweep(isAlive: (clientId: number) => boolean): void {
    this.sweeps.push(isAlive)
  }

  /** Requests submitted and not answered, of all clients. */
  get heldCount(): number {
    return this.handles.reduce((sum, handle) => sum + handle.held.length, 0)
  }

  get submittedCount(): number {
    return this.handles.reduce((sum, handle) => sum + handle.submittedCount, 0)
  }

  release(): void {
    for (const handle of this.handles) handle.release()
  }
}

export class FakeHandle implements ClientHandle {
  readonly clientId: number
  readonly #handler: FakeHandler
  held: Submitted[] = []
  submittedCount = 0
  acknowledged = 0
  readonly cancelled: number[] = []
  end: 'dropped' | 'left' | null = null
  #isScheduled = false

  constructor(clientId: number, handler: FakeHandler) {
    this.clientId = clientId
    this.#handler = handler
  }

  submit(request: CommitRequest, answer: Answer): void {
    this.submittedCount++
    this.held.push({ request, answer })
    if (this.#handler.mode === 'held' || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.release()
    })
  }

  release(): void {
    const held = this.held
    this.held = []
    if (this.end !== null) return
    for (const { request, answer } of held) answer(request.number, this.#handler.outcomeOf(request))
  }

  acknowledge(upTo: number): void {
    this.acknowledged = upTo
  }

  cancel(number: number): void {
    this.cancelled.push(number)
  }

  drop(): void {
    this.end = 'dropped'
  }

  leave(): void {
    this.end = 'left'
  }
}
