/**
 * Repeating a transaction from its steps, on whatever is the newest state by now. Its operations are applied in order;
 * between them everything the function has read is read again and compared. As the function depends on nothing else, it
 * would do the same again as long as everything is as it was (TXN-5); with the first difference it has to run again itself.
 *
 * If nothing was committed since the state that it ran on, reads need not be repeated.
 *
 * Steps come from other processes: shapes were checked before (check-request.ts), what depends on the schema is checked here.
 * Called under WRITE, inside a savepoint of the caller, who undoes everything if this throws or reports a conflict.
 */
import { invalidArgument } from '../errors.js'
import type { WritePages } from '../pager/index.js'
import {
  applyOperation,
  checkOperation,
  countAll,
  Digester,
  type EntryRange,
  findEntryAt,
  type Operation,
  type OperationResult,
  type Payload,
  type RangeLog,
  type Rowid,
  repeatRange,
  type SchemaCache,
  type StoreDefinition,
} from '../store/index.js'
import type { ExpectStep, GetStep, HasStep, NextStep, RangeStep, ReadStep } from './read-step.js'
import type { CommitRequest, Step } from './request.js'
import { isRefusal } from './transaction.js'

export interface ReplayOptions {
  /** The state is the one the steps were made on: reads would find the same. */
  readonly isUnchanged: boolean
}

/**
 * @returns the results of the operations, or null if something is not as it was
 * @throws what an operation of a request without reads is refused with; ENDMARK_INVALID_ARGUMENT for steps that make no
 *   sense; ENDMARK_CORRUPT
 */
export function replay(
  pages: WritePages,
  schemas: SchemaCache,
  request: Pick<CommitRequest, 'steps' | 'base'>,
  options: ReplayOptions,
): readonly OperationResult[] | null {
  const { steps, base } = request
  // Most requests are one operation.
  if (base === null && steps.length === 1 && isOperation(steps[0]!)) return [apply(pages, schemas, steps[0])]
  const again = new Replay(pages, schemas, options.isUnchanged)
  try {
    return again.run(steps, base !== null)
  } finally {
    again.leaveSavepoints()
  }
}

function apply(pages: WritePages, schemas: SchemaCache, operation: Operation): OperationResult {
  const schema = schemas.of(pages)
  checkOperation(schema, operation)
  const result = applyOperation(pages, schema, operation)
  pages.relieve()
  return result
}

export function isOperation(step: Step): step is Operation {
  switch (step.type) {
    case 'put':
    case 'insert':
    case 'update':
    case 'delete':
    case 'create':
    case 'drop':
      return true
    default:
      return false
  }
}

class Replay {
  readonly #pages: WritePages
  readonly #schemas: SchemaCache
  readonly #isUnchanged: boolean
  readonly #results: OperationResult[] = []
  readonly #ranges: RepeatedRange[] = []
  readonly #digester = new Digester()
  #depth = 0

  constructor(pages: WritePages, schemas: SchemaCache, isUnchanged: boolean) {
    this.#pages = pages
    this.#schemas = schemas
    this.#isUnchanged = isUnchanged
  }

  run(steps: readonly Step[], hasReads: boolean): readonly OperationResult[] | null {
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!
      if (!isOperation(step)) {
        if (!this.#isSame(step)) return null
        continue
      }
      const next = steps[i + 1]
      const expected = next?.type === 'expect' ? next : null
      if (expected !== null) i++
      if (!this.#operate(step, expected, hasReads)) return null
    }
    return this.#results
  }

  /** After a failure inside of savepoints: what they did is undone with everything else, they only have to end. */
  leaveSavepoints(): void {
    for (; this.#depth > 0; this.#depth--) this.#pages.rollback()
  }

  /** @returns false if the result is not the one that was seen */
  #operate(operation: Operation, expected: ExpectStep | null, hasReads: boolean): boolean {
    let result: OperationResult
    try {
      result = apply(this.#pages, this.#schemas, operation)
    } catch (error) {
      // The function saw it succeed, or fail otherwise: it has to see for itself. Without one, this is the outcome.
      if (!hasReads || !isRefusal(error)) throw error
      return expected !== null && expected.refusal === error.code
    }
    this.#results.push(result)
    if (expected === null) return true
    if (expected.refusal !== null || expected.existed !== result.existed) return false
    return expected.rowid === null || expected.rowid === result.rowid
  }

  #isSame(step: ReadStep): boolean {
    switch (step.type) {
      case 'get':
        return this.#isUnchanged || this.#findsSame(step)
      case 'has':
        return this.#isUnchanged || this.#hasSame(step)
      case 'count': {
        if (this.#isUnchanged) return true
        const definition = this.#definitionFor(step)
        return definition !== null && countAll(this.#pages, definition) === step.count
      }
      case 'range':
        return this.#isUnchanged || this.#beginsRange(step)
      case 'next':
        return this.#isUnchanged || this.#goesOnSame(step)
      case 'schema':
        return this.#pages.schemaCookie === step.cookie
      case 'expect':
        throw invalidArgument('a result is expected of no operation')
      default:
        this.#moveSavepoint(step.type)
        return true
    }
  }

  /** The store of a read, or null if it is not what it was. */
  #definitionFor({ store, layout }: { readonly store: string; readonly layout: number }): StoreDefinition | null {
    const definition = this.#schemas.of(this.#pages).store(store)
    return definition?.layoutDigest === layout && definition.unreadableReason === null ? definition : null
  }

  #findsSame(step: GetStep): boolean {
    const definition = this.#definitionFor(step)
    if (definition === null) return false
    const found = findEntryAt(this.#pages, definition, step)
    if (found === null || step.digest === null) return found === null && step.digest === null
    return this.#digester.reset().add(found, 0).matches(step.digest)
  }

  #hasSame(step: HasStep): boolean {
    const definition = this.#definitionFor(step)
    return definition !== null && (findEntryAt(this.#pages, definition, step) !== null) === step.found
  }

  #beginsRange(step: RangeStep): boolean {
    const definition = this.#definitionFor(step)
    if (definition === null) return false
    this.#ranges.push(new RepeatedRange(this.#pages, definition, step))
    return true
  }

  #goesOnSame(step: NextStep): boolean {
    const range = this.#ranges[step.range]
    if (range === undefined) throw invalidArgument(`there is no range ${step.range}`)
    return range.goesOnSame(step)
  }

  #moveSavepoint(type: 'savepoint' | 'release' | 'rollback'): void {
    if (type === 'savepoint') {
      this.#pages.savepoint()
      this.#depth++
      return
    }
    if (this.#depth === 0) throw invalidArgument('a savepoint ends that did not begin')
    this.#depth--
    if (type === 'release') {
      this.#pages.release()
      return
    }
    this.#pages.rollback()
    this.#schemas.clear()
  }
}

/** An iteration that goes on where the function went on, and by as many entries. */
class RepeatedRange implements RangeLog {
  readonly #range: EntryRange<void>
  readonly #digester = new Digester()
  #hasEnded = false

  constructor(pages: WritePages, definition: StoreDefinition, step: RangeStep) {
    this.#range = repeatRange(pages, definition, step, this)
  }

  passed(payload: Payload, rowid: Rowid): void {
    this.#digester.add(payload, rowid)
  }

  ended(): void {
    this.#hasEnded = true
  }

  goesOnSame({ count, digest, ended }: NextStep): boolean {
    this.#digester.reset()
    if (this.#range.skip(count) < count || !this.#digester.matches(digest)) return false
    if (!ended) return true
    this.#range.skip(1)
    return this.#hasEnded
  }
}
