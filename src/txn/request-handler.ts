/**
 * The writing side of a writer process: requests of many clients become transactions of the group commit, each in a savepoint of
 * its own, so that one batch commits them all with one append and one sync.
 *
 * The group commit runs and settles in the order in which it was asked, so requests of a client are applied and
 * answered in the order of their numbers. Each is applied at most once, whoever else may have applied it (TXN-6): a request
 * that is not above the number in its client's row is only looked up.
 *
 *   submitted ──► in its batch: known │ cancelled │ applied │ conflict │ failed ──► batch published ──► answered
 *       │ drop                                                                     └─ fails ──► failed
 *       └──► never begun, never answered
 */
import { EndmarkError, type ErrorCode, invalidArgument } from '../errors.js'
import type { WritePages } from '../pager/index.js'
import type { Synchronous } from '../units.js'
import type { Wal } from '../wal/index.js'
import type { BatchSchemas } from './batch-schemas.js'
import { assertRequest } from './check-request.js'
import type { ClientCommits, ClientRow } from './client-commits.js'
import type { GroupCommit } from './group-commit.js'
import { replay } from './replay.js'
import type { ClientHandle, CommitRequest, Outcome, RequestHandler } from './request.js'
import { isState } from './state-id.js'
import type { CommitOptions } from './waiting-commit.js'

export interface CommitRequestsParts {
  readonly wal: Wal
  readonly commits: GroupCommit
  /** Schemas of the batches of `commits`. */
  readonly schemas: BatchSchemas
  /** Told of each batch of `commits` before it is appended. */
  readonly clients: ClientCommits
}

type Answer = (number: number, outcome: Outcome) => void

/** Ids that clients draw: past any offset at which SQLite locks, and small enough for a file offset. */
const CLIENT_ID_MIN = 2 ** 32
const CLIENT_ID_END = 2 ** 48
/** Outcomes that a client has not acknowledged, at most: they stand in its row. */
const UNACKNOWLEDGED_MAX = 100_000

const COMMITTED: Outcome = { kind: 'committed', results: null }
const CONFLICT: Outcome = { kind: 'conflict' }
const CANCELLED: Outcome = { kind: 'cancelled' }

const OFF: CommitOptions = { synchronous: 'off' }

export class CommitRequests implements RequestHandler {
  readonly #parts: CommitRequestsParts
  readonly #attached = new Map<number, Client>()

  constructor(parts: CommitRequestsParts) {
    this.#parts = parts
  }

  /** @throws ENDMARK_INVALID_ARGUMENT unless the id is an integer from 2^32 up to, not including, 2^48 */
  attach(clientId: number, timeoutMs = 0, isAlive = () => true): ClientHandle {
    if (!isClientId(clientId)) throw invalidArgument('an id that no client has')
    // It would not come back if it had not given up the connection from before.
    this.#attached.get(clientId)?.drop()
    const detach = () => {
      if (this.#attached.get(clientId) === client) this.#attached.delete(clientId)
    }
    const client = new Client(this.#parts, { id: clientId, timeoutMs, isAlive, detach })
    this.#attached.set(clientId, client)
    return client
  }

  sweep(isAlive: (clientId: number) => boolean): void {
    const { commits, clients } = this.#parts
    const removeDead = (pages: WritePages) => {
      for (const id of clients.clients(pages)) {
        if (isClientId(id) && !this.#attached.has(id) && !isAlive(id)) clients.remove(pages, id)
      }
    }
    // Rows that stay because this fails are found by the next sweep.
    commits.add(removeDead, OFF, ignore, ignore)
  }
}

function ignore(): void {}

function isClientId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= CLIENT_ID_MIN && (id as number) < CLIENT_ID_END
}

interface ClientParts {
  readonly id: number
  readonly timeoutMs: number
  readonly isAlive: () => boolean
  readonly detach: () => void
}

class Client implements ClientHandle {
  readonly #parts: CommitRequestsParts
  readonly #id: number
  readonly #timeoutMs: number
  readonly #isAlive: () => boolean
  readonly #detach: () => void
  /** Numbers of the last request that was submitted, was run, and is acknowledged. */
  #lastNumber = 0
  #runNumber = 0
  #acknowledgedNumber = 0
  /** Outcomes that are more than "committed", of requests that have run. */
  readonly #unacknowledged = new Map<number, Outcome>()
  /** What the row knew when this client was first seen has been taken over. */
  #hasReadRow = false
  readonly #cancelled = new Set<number>()
  #isDropped = false

  constructor(parts: CommitRequestsParts, { id, timeoutMs, isAlive, detach }: ClientParts) {
    this.#parts = parts
    this.#id = id
    this.#timeoutMs = timeoutMs
    this.#isAlive = isAlive
    this.#detach = detach
  }

  submit(request: CommitRequest, answer: Answer): void {
    assertRequest(request)
    const { number, synchronous } = request
    if (number <= this.#lastNumber) throw invalidArgument(`request ${number} comes after request ${this.#lastNumber}`)
    if (this.#unacknowledged.size >= UNACKNOWLEDGED_MAX) throw invalidArgument('too many answers are not acknowledged')
    if (this.#isDropped) return
    this.#lastNumber = number
    // Read in a batch that was published before this one, so that it is so whatever becomes of this one.
    let known: Outcome | null = null
    this.#parts.commits.add<Outcome>(
      (pages) => {
        const row = this.#isDropped ? null : this.#rowIn(pages)
        if (row === null) return COMMITTED
        this.#runNumber = number
        if (number > row.commitNumber) return this.#apply(pages, row, request)
        const outcome = row.outcomes.get(number) ?? COMMITTED
        if (pages.isOnCommitted && number <= row.found.commitNumber) known = outcome
        return outcome
      },
      this.#options(synchronous),
      (outcome) => {
        if (!this.#isDropped) answer(number, outcome)
      },
      (error) => {
        if (this.#isDropped) return
        const outcome = known ?? failed(error)
        if (known === null) this.#unacknowledged.set(number, outcome)
        answer(number, outcome)
      },
    )
  }

  acknowledge(upTo: number): void {
    if (!Number.isSafeInteger(upTo)) throw invalidArgument('an acknowledgement that is no number')
    if (upTo <= this.#acknowledgedNumber) return
    this.#acknowledgedNumber = upTo
    for (const number of this.#unacknowledged.keys()) if (number <= upTo) this.#unacknowledged.delete(number)
  }

  cancel(number: number): void {
    if (Number.isSafeInteger(number) && number > this.#runNumber && number <= this.#lastNumber) {
      this.#cancelled.add(number)
    }
  }

  drop(): void {
    this.#isDropped = true
    this.#unacknowledged.clear()
    this.#detach()
  }

  leave(): void {
    if (this.#isDropped) return
    this.drop()
    const { commits, clients } = this.#parts
    // A row that stays because this fails is swept once its client is dead.
    commits.add((pages) => clients.remove(pages, this.#id), OFF, ignore, ignore)
  }

  /** A client hears of a busy lock when its own time is up. */
  #options(synchronous: Synchronous): CommitOptions {
    if (this.#timeoutMs === 0) return { synchronous, caller: this }
    return { synchronous, patientUntilMs: this.#parts.wal.vfs.now() + this.#timeoutMs, caller: this }
  }

  /** Null if the client is gone: another writer process may have settled all with it, and removed its row. */
  #rowIn(pages: WritePages): ClientRow | null {
    const row = this.#parts.clients.rowOf(pages, this.#id)
    if (row.commitNumber === 0 && !this.#isAlive()) {
      this.drop()
      return null
    }
    if (this.#hasReadRow) return row
    this.#hasReadRow = true
    for (const [number, outcome] of row.outcomes) {
      if (number > this.#acknowledgedNumber) this.#unacknowledged.set(number, outcome)
    }
    return row
  }

  #apply(pages: WritePages, row: ClientRow, request: CommitRequest): Outcome {
    const { number } = request
    const outcome = this.#cancelled.delete(number) ? CANCELLED : this.#replay(pages, request)
    if (outcome !== COMMITTED) this.#unacknowledged.set(number, outcome)
    if (outcome.kind === 'committed') this.#parts.clients.advance(row, number, this.#unacknowledged)
    return outcome
  }

  #replay(pages: WritePages, request: CommitRequest): Outcome {
    const { wal, schemas } = this.#parts
    const { base, wantsResults } = request
    try {
      const isUnchanged = base !== null && pages.isOnCommitted && pages.dirtyCount === 0 && isState(wal.header, base)
      const results = replay(pages, schemas.of(pages), request, { isUnchanged })
      if (results !== null) return wantsResults ? { kind: 'committed', results } : COMMITTED
      this.#undo(pages)
      return CONFLICT
    } catch (error) {
      this.#undo(pages)
      return failed(error)
    }
  }

  /** Undoes the transaction alone: the group commit goes on as after one that has changed nothing. */
  #undo(pages: WritePages): void {
    pages.rollback()
    pages.savepoint()
    this.#parts.schemas.of(pages).clear()
  }
}

function failed(error: unknown): Outcome {
  const code: ErrorCode = error instanceof EndmarkError ? error.code : 'ENDMARK_IO'
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'failed', code, message }
}
