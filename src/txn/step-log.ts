/**
 * The log of a transaction function: its operations, what it read, and which results it saw, as steps that can be
 * repeated on a newer state (replay.ts). A transaction has one only while it is recorded.
 *
 * The steps stand in the order in which things happened. Consecutive entries of one iteration are one `next` step, which
 * is put into the log before anything else is.
 */
import type { ErrorCode } from '../errors.js'
import {
  Digester,
  type EntryPlace,
  type Operation,
  type OperationResult,
  type Payload,
  type PlainBounds,
  type RangeLog,
  type ReadLog,
  type Rowid,
} from '../store/index.js'
import type { SavepointStep } from './read-step.js'
import type { Step } from './request.js'

export class StepLog implements ReadLog {
  readonly #steps: Step[] = []
  readonly #digester = new Digester()
  #rangeCount = 0
  /** The iteration that has entries which are in no step yet. */
  #current: RangeSteps | null = null
  /** Schema cookie seen by a call that has left no step yet, or -1. */
  #seenCookie = -1

  /** All steps; the log must not be used any more. */
  finish(): readonly Step[] {
    this.#flush()
    this.#closeCall()
    return this.#steps
  }

  /** A call looks at the schema. If it leaves no step, it was refused, and the schema was the reason. */
  lookedAtSchema(cookie: number): void {
    this.#closeCall()
    this.#seenCookie = cookie
  }

  operation(operation: Operation): void {
    this.#add(operation)
  }

  /** The operation before was carried out; tells what of the result its caller can have seen. */
  result(operation: Operation, { existed, rowid }: OperationResult): void {
    switch (operation.type) {
      case 'update':
      case 'delete':
        this.#steps.push({ type: 'expect', existed, rowid: null, refusal: null })
        break
      case 'put':
      case 'insert':
        // Callers get the key: only one that was assigned is news to them.
        if (operation.rowid === null && rowid !== null) {
          this.#steps.push({ type: 'expect', existed, rowid, refusal: null })
        }
    }
  }

  /** The operation before was refused. */
  refusal(code: ErrorCode): void {
    this.#steps.push({ type: 'expect', existed: false, rowid: null, refusal: code })
  }

  savepoint(type: SavepointStep['type']): void {
    this.#closeCall()
    this.#add({ type })
  }

  got(store: string, layout: number, { rowid, key }: EntryPlace, found: Payload | null): void {
    const digest = found === null ? null : this.#digester.reset().add(found, 0).value()
    this.#add({ type: 'get', store, layout, rowid, key, digest })
  }

  asked(store: string, layout: number, { rowid, key }: EntryPlace, found: boolean): void {
    this.#add({ type: 'has', store, layout, rowid, key, found })
  }

  counted(store: string, layout: number, count: number): void {
    this.#add({ type: 'count', store, layout, count })
  }

  rangeBegan(store: string, layout: number, bounds: PlainBounds): RangeLog {
    const range = this.#rangeCount++
    this.#add({ type: 'range', range, store, layout, ...bounds })
    return new RangeSteps(range, this.#turnTo)
  }

  #add(step: Step): void {
    this.#flush()
    this.#seenCookie = -1
    this.#steps.push(step)
  }

  #closeCall(): void {
    if (this.#seenCookie < 0) return
    const cookie = this.#seenCookie
    this.#add({ type: 'schema', cookie })
  }

  readonly #turnTo = (range: RangeSteps): void => {
    if (this.#current === range) return
    this.#flush()
    this.#current = range
  }

  #flush(): void {
    const current = this.#current
    if (current === null) return
    this.#current = null
    this.#steps.push(current.take())
  }
}

/** The entries of one iteration since its last step. */
class RangeSteps implements RangeLog {
  readonly #range: number
  readonly #turnTo: (range: RangeSteps) => void
  readonly #digester = new Digester()
  #count = 0
  #hasEnded = false

  constructor(range: number, turnTo: (range: RangeSteps) => void) {
    this.#range = range
    this.#turnTo = turnTo
  }

  passed(payload: Payload, rowid: Rowid): void {
    this.#turnTo(this)
    this.#count++
    this.#digester.add(payload, rowid)
  }

  ended(): void {
    this.#turnTo(this)
    this.#hasEnded = true
  }

  take(): Step {
    const digest = this.#digester.value()
    const step: Step = { type: 'next', range: this.#range, count: this.#count, digest, ended: this.#hasEnded }
    this.#count = 0
    this.#digester.reset()
    return step
  }
}
