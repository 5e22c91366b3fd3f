/**
 * A virtual process that joins a database, commits, reads, checkpoints and leaves, each as steps that a schedule
 * drives (`Blocking`).
 *
 * Commits are what `GroupCommit` does, by the same parts in the same order, in steps; or its own blocking form. A process whose
 * commits are grouped leaves them to `GroupCommit` altogether (`grouped-commits.ts`).
 */
import type { HeldPages, Pager, WritePages } from '../../src/pager/index.js'
import type { GroupCommit } from '../../src/txn/index.js'
import type { Synchronous } from '../../src/units.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import {
  type Attachment,
  attach,
  type Blocking,
  type CheckpointMode,
  type CheckpointOptions,
  checkpoint,
  detach,
  LogAppender,
  type LogSpill,
} from '../../src/wal/index.js'
import { Connection } from '../support/connection.js'
import type { Random } from '../support/random.js'
import type { CommitModel } from './commit-model.js'
import { GroupedCommits, type Grouping } from './grouped-commits.js'
import { changePages, readNumber, stateOf } from './numbered-pages.js'
import { restartWithoutCkpt, trustSalts } from './old-sqlite.js'
import { pause, pauseBehindHeader } from './race-pauses.js'
import { PATH } from './simulated-database.js'
import { type WatchCounts, Watcher } from './watcher.js'

const PAGE_SIZE = 512
const TIMEOUT_MS = 3

/** Which processes of a run behave like a SQLite before 3.51.3: one kind at most, since both together lose commits. */
export type Foreign = 'nobody' | 'writers' | 'checkpointers'

/** What the processes of one run share. */
export interface World {
  readonly model: CommitModel
  readonly random: Random
  readonly foreign: Foreign
  /** Passive checkpoints begin with all of the log copied, and pause where a restart of it must not harm them. */
  readonly races: boolean
  /** Snapshots that a process keeps at most. */
  readonly snapshotsMax: number
  /** Processes that were killed. */
  deaths: number
  /** What watches have seen. */
  readonly watched: WatchCounts
  /** Number of the next commit. */
  nextCommit: number
  /** How processes group their commits, if some do. */
  readonly grouping: Grouping | null
  /** Told of what is found to be wrong where nobody would hear of a throw. */
  readonly fail: (error: unknown) => void
  /** Whether the power is cut: what comes to an end now says nothing. */
  readonly isDown: () => boolean
}

interface HeldState {
  readonly held: HeldPages
  readonly state: string
}

export class Actor {
  readonly vfs: SimulatedVfs
  readonly #world: World
  readonly #attachment: Attachment
  readonly #pager: Pager
  readonly #appender: LogAppender
  readonly #commits: GroupCommit
  /** Set if the commits of this process are grouped. */
  readonly grouped: GroupedCommits | null
  readonly #snapshots: HeldState[] = []
  readonly #watcher: Watcher

  constructor(vfs: SimulatedVfs, world: World, attachment: Attachment) {
    this.vfs = vfs
    this.#world = world
    this.#attachment = attachment
    const { pager, commits } = new Connection(attachment)
    this.#pager = pager
    this.#commits = commits
    this.#appender = new LogAppender(attachment.wal)
    const { wal } = attachment
    const isGrouped = world.grouping !== null && world.random.below(4) > 0
    this.grouped = isGrouped ? new GroupedCommits(vfs, world, { wal, pager }) : null
    this.#watcher = new Watcher({
      wal,
      pager,
      model: world.model,
      readNumber,
      counts: world.watched,
      deaths: () => world.deaths,
    })
  }

  /** The log could not be made durable: whoever wants to write opens the database again. */
  get hasFailed(): boolean {
    return this.#attachment.wal.hasFailed
  }

  /** It holds the lock of a recovery. */
  get isRecovering(): boolean {
    return this.#attachment.wal.locks.isHeld('RECOVER')
  }

  /** Looks for the next commit. */
  watch(): void {
    this.#watcher.look(({ pages }) => stateOf(pages))
  }

  static *join(vfs: SimulatedVfs, world: World): Blocking<Actor> {
    const options = { vfs, create: true, readOnly: false, pageSize: PAGE_SIZE, timeoutMs: TIMEOUT_MS }
    return new Actor(vfs, world, yield* attach(PATH, options))
  }

  *commit(synchronous: Synchronous): Blocking<void> {
    const { foreign, races, random } = this.#world
    const { wal } = this.#attachment
    yield* wal.lockWrite()
    try {
      if (foreign === 'writers' && restartWithoutCkpt(wal) && races) yield* pause(random)
      yield* this.#commitUnderWrite(synchronous)
    } finally {
      wal.locks.releaseExclusive('WRITE')
    }
  }

  /** Some of the commits have so little room that pages leave memory for the log before the end. */
  *#commitUnderWrite(synchronous: Synchronous): Blocking<void> {
    const { model, random } = this.#world
    const appender = this.#appender
    const spills: LogSpill[] = []
    const spill = () => {
      const begun = appender.spill(null)
      spills.push(begun)
      return begun
    }
    const pages = this.#pager.beginWrite({ pages: random.pick([2, 1000]), spill })
    let state: string | null = null
    try {
      state = this.#change(pages, synchronous)
      const dirty = pages.finish()
      const batch = { pages: dirty, pageCount: pages.pageCount, synchronous }
      const written = yield* appender.write(batch, { before: null, spill: spills[0] ?? null })
      yield* appender.sync(written, { syncInline: random.below(2) === 0 })
      appender.publish(written)
      if (!this.vfs.isKilled) model.acknowledge(state, synchronous)
      this.#pager.endWrite(dirty)
    } catch (error) {
      this.#failed(state)
      throw error
    } finally {
      pages.close()
    }
  }

  commitBlocking(synchronous: Synchronous): void {
    if (this.grouped !== null) {
      this.grouped.commitBlocking(synchronous)
      return
    }
    let state: string | null = null
    const work = (pages: WritePages) => {
      state = this.#change(pages, synchronous)
      return state
    }
    try {
      const committed = this.#commits.runSync(work, { synchronous })
      if (!this.vfs.isKilled) this.#world.model.acknowledge(committed, synchronous)
    } catch (error) {
      this.#failed(state)
      throw error
    }
  }

  /** A commit has thrown; `state`: what it would have made, if it came so far. */
  #failed(state: string | null): void {
    if (state !== null && !this.vfs.isKilled && !this.#world.isDown()) this.#world.model.reject(state)
  }

  /** Writes some pages. @requires lock WRITE. @returns the state they make */
  #change(pages: WritePages, synchronous: Synchronous): string {
    const { model, random } = this.#world
    model.observe(stateOf(pages), model.newest)
    const state = changePages(pages, this.#world.nextCommit++, random)
    model.begin(state, { synchronous, isOrphan: () => this.vfs.isKilled })
    return state
  }

  *checkpoint(mode: CheckpointMode): Blocking<void> {
    const { random, foreign, races } = this.#world
    const { wal } = this.#attachment
    const isPassive = mode === 'passive'
    // The log is started over only once all of it is copied: the checkpoint that races comes right behind the one that copies.
    if (isPassive && races) yield* this.#checkpoint({ mode, timeoutMs: 0 })
    const distrust = isPassive && foreign === 'checkpointers' ? trustSalts(wal) : () => {}
    const hurry = isPassive && races ? pauseBehindHeader(wal, random) : () => {}
    try {
      yield* this.#checkpoint({ mode, timeoutMs: random.below(2) * TIMEOUT_MS })
    } finally {
      hurry()
      distrust()
    }
  }

  *#checkpoint(options: Pick<CheckpointOptions, 'mode' | 'timeoutMs'>): Blocking<void> {
    const { log, checkpointed } = yield* checkpoint(this.#attachment.wal, { ...options, synchronous: 'full' })
    if (checkpointed > log) throw new Error(`${checkpointed} frames of ${log} checkpointed`)
  }

  /** Takes a snapshot and keeps it, or looks at one that was kept. */
  read(): void {
    const { model, random, snapshotsMax } = this.#world
    if (this.#snapshots.length <= snapshotsMax && random.below(3) > 0) {
      const since = model.newest
      const held = this.#pager.acquire()
      const state = stateOf(held.pages)
      model.observe(state, since)
      this.#snapshots.push({ held, state })
      if (this.#snapshots.length > snapshotsMax) this.#letGo(1)
      return
    }
    for (const { held, state } of this.#snapshots) {
      const found = stateOf(held.pages)
      if (found !== state) throw new Error(`a snapshot of ${state} has become ${found}`)
    }
    this.#letGo(random.below(this.#snapshots.length + 1))
  }

  /** The newest committed state. */
  state(): string {
    const held = this.#pager.acquire()
    try {
      return stateOf(held.pages)
    } finally {
      this.#pager.release(held)
    }
  }

  #letGo(count: number): void {
    for (const { held } of this.#snapshots.splice(0, count)) this.#pager.release(held)
  }

  leave(): void {
    this.#letGo(this.#snapshots.length)
    const failure = detach(this.#attachment, 'full')
    if (failure !== null && !this.hasFailed) throw failure
  }
}
