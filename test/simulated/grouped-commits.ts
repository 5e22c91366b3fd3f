/**
 * The commits of a virtual process that go through `GroupCommit` as they do in a real one: several transactions wait at once,
 * batches sync beside the event loop, and the next one is prepared meanwhile. What the process waits for are events, which the
 * schedule ends when it likes.
 *
 * Held against the model: each transaction sees what the one before it in its batch left, the first one the newest state, or that
 * of the batch before it; of a batch only what it makes as a whole is ever seen (TXN-1, TXN-8); what is resolved is
 * committed, and as durable as was asked (TXN-3); what is rejected was not seen by anyone and never will be, but after
 * a power loss (DUR-3); what was aborted in time has not run; and everybody hears of the end.
 */
import { EndmarkError } from '../../src/errors.js'
import type { Pager, WritePages } from '../../src/pager/index.js'
import { GroupCommit } from '../../src/txn/index.js'
import type { Synchronous } from '../../src/units.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import type { Wal } from '../../src/wal/index.js'
import type { Random } from '../support/random.js'
import type { World } from './actor.js'
import { changePages, stateOf } from './numbered-pages.js'

/** What the processes of one run that group their commits have in common. */
export interface Grouping {
  /** How long a sync takes: a fast disk is waited for on the event loop. */
  readonly syncMs: number
  /** Syncs of the log fail now and then. */
  readonly failsSyncs: boolean
}

export function drawGrouping(random: Random): Grouping {
  return { syncMs: random.pick([0, 0.2, 0.5, 2]), failsSyncs: random.below(3) === 0 }
}

/** Asked for at once; many, for batches that are split. */
const COUNTS = [1, 1, 2, 3, 5, 40] as const

/** Transactions that have run together. */
interface Batch {
  /** Before the first, and after those that have run. */
  readonly base: string
  state: string
  synchronous: Synchronous
}

interface Asked {
  readonly synchronous: Synchronous
  readonly abort: AbortController | null
  /** It throws when it has run. */
  readonly throwsAtEnd: boolean
  readonly changes: boolean
  /** Since it has run. */
  batch: Batch | null
  isOver: boolean
}

class Undone extends Error {}

/** As a writer process has them: batches wait for those who come back. */
const CALLERS: readonly object[] = [{}, {}, {}, {}]

export class GroupedCommits {
  readonly #vfs: SimulatedVfs
  readonly #world: World
  readonly #wal: Wal
  readonly #commits: GroupCommit
  /** The one whose transactions run. */
  #running: Batch | null = null
  /** The one before it. */
  #last: Batch | null = null
  readonly #asked = new Set<Asked>()

  constructor(vfs: SimulatedVfs, world: World, { wal, pager }: { readonly wal: Wal; readonly pager: Pager }) {
    this.#vfs = vfs
    this.#world = world
    this.#wal = wal
    const { random } = world
    this.#commits = new GroupCommit(wal, pager, {
      beforeBlocking: () => {},
      beforeLock: () => null,
      beforeBatch: () => {},
      beforeAppend: (pages) => this.#endBatch(pages),
      published: () => {},
      afterCommit: () => {},
    })
    this.#commits.keepBrief(random.below(6) === 0)
    this.#commits.syncInlineUpTo(random.pick([1, 4, Number.POSITIVE_INFINITY]))
    this.#commits.slowDown(random.below(6) === 0)
  }

  /** Transactions whose callers have not heard of their end. */
  get count(): number {
    return this.#asked.size
  }

  /** Whether nothing is queued or under way. */
  get isIdle(): boolean {
    return this.#commits.isIdle
  }

  /** Asks for some commits; `committed` is told of each that comes through. */
  ask(drawMode: () => Synchronous, committed: () => void): void {
    const { random } = this.#world
    for (let count = random.pick(COUNTS); count > 0; count--) this.#ask(drawMode(), committed)
  }

  #ask(synchronous: Synchronous, committed: () => void): void {
    const { random } = this.#world
    const abort = random.below(8) === 0 ? new AbortController() : null
    const throwsAtEnd = random.below(8) === 0
    const asked: Asked = {
      synchronous,
      abort,
      throwsAtEnd,
      changes: random.below(8) > 0,
      batch: null,
      isOver: false,
    }
    this.#asked.add(asked)
    this.#commits.add(
      (pages) => this.#run(asked, pages),
      { synchronous, signal: abort?.signal, caller: CALLERS[this.#asked.size % CALLERS.length]! },
      () => this.#over(asked, () => this.#resolved(asked, committed)),
      (error) => this.#over(asked, () => this.#rejected(asked, error)),
    )
  }

  /** Somebody changes his mind. */
  abort(): void {
    const abortable = [...this.#asked].filter(({ abort }) => abort !== null)
    if (abortable.length > 0) this.#world.random.pick(abortable).abort!.abort()
  }

  /** @throws ENDMARK_BUSY while others are under way */
  commitBlocking(synchronous: Synchronous): void {
    const asked: Asked = { synchronous, abort: null, throwsAtEnd: false, changes: true, batch: null, isOver: false }
    try {
      this.#commits.runSync((pages) => this.#run(asked, pages), { synchronous })
    } catch (error) {
      if (!this.#isGone) this.#takeBack(asked)
      throw error
    }
    if (!this.#isGone) this.#acknowledge(asked)
  }

  #run(asked: Asked, pages: WritePages): void {
    const { random } = this.#world
    if (asked.isOver) this.#world.fail(new Error('a transaction runs whose caller has been told of its end'))
    this.#running ??= this.#newBatch(pages)
    const batch = this.#running
    asked.batch = batch
    const found = stateOf(pages)
    if (found !== batch.state) this.#world.fail(new Error(`a transaction sees ${found} after ${batch.state}`))
    if (!asked.changes) return
    const state = changePages(pages, this.#world.nextCommit++, random)
    if (asked.throwsAtEnd) throw new Undone()
    batch.state = state
    if (asked.synchronous === 'full' || batch.synchronous === 'off') batch.synchronous = asked.synchronous
  }

  #newBatch(pages: WritePages): Batch {
    const { model } = this.#world
    const base = stateOf(pages)
    if (pages.isOnCommitted) model.observe(base, model.newest)
    else if (base !== this.#last?.state) throw new Error(`a batch behind that of ${this.#last?.state} sees ${base}`)
    return { base, state: base, synchronous: 'off' }
  }

  /** All transactions of a batch have run. */
  #endBatch(pages: WritePages): void {
    const batch = this.#running
    this.#running = null
    if (batch === null) return
    this.#last = batch
    const state = stateOf(pages)
    if (state !== batch.state) throw new Error(`transactions that made ${batch.state} have left ${state}`)
    if (state === batch.base) return
    const { synchronous, base } = batch
    this.#world.model.begin(state, { synchronous, isOrphan: () => this.#vfs.isKilled, base })
  }

  /** Whether it does not matter any more what this process is told. */
  get #isGone(): boolean {
    return this.#vfs.isKilled || this.#world.isDown()
  }

  #over(asked: Asked, hear: () => void): void {
    if (this.#isGone) return
    try {
      if (asked.isOver) throw new Error('a transaction has two ends')
      asked.isOver = true
      this.#asked.delete(asked)
      hear()
    } catch (error) {
      this.#world.fail(error)
    }
  }

  #resolved(asked: Asked, committed: () => void): void {
    if (asked.throwsAtEnd && asked.changes) throw new Error('a transaction that has thrown is resolved')
    this.#acknowledge(asked)
    committed()
  }

  #acknowledge({ batch, synchronous, changes }: Asked): void {
    if (batch === null) throw new Error('a transaction is resolved that has not run')
    // What others have committed is as durable as they wanted.
    if (changes && batch.state !== batch.base) this.#world.model.acknowledge(batch.state, synchronous)
    else this.#world.model.observe(batch.state, 0)
  }

  #rejected(asked: Asked, error: unknown): void {
    const { abort, batch } = asked
    if (error instanceof Undone && asked.throwsAtEnd) return
    if (isAbort(error) && abort?.signal.aborted === true && batch === null) return
    if (isCode(error, 'ENDMARK_BUSY') && batch === null) return
    if (!isCode(error, 'ENDMARK_IO') || !this.#wal.hasFailed) throw error
    this.#takeBack(asked)
  }

  #takeBack({ batch }: Asked): void {
    if (batch !== null && batch.state !== batch.base) this.#world.model.reject(batch.state)
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof EndmarkError && error.code === code
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
