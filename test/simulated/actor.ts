/**
 * A virtual process that joins a database, commits, reads, checkpoints and leaves, each as steps that a schedule
 * drives (`Blocking`). Pages 2 and up hold one number each, that of the commit that wrote them, and words made of it: a
 * page that is torn or of two commits shows.
 *
 * Commits are what `GroupCommit` does, by the same parts in the same order, in steps; or its own blocking form.
 */
import type { HeldPages, PageReader, Pager, PageWriter, WritePages } from '../../src/pager/index.js'
import type { GroupCommit } from '../../src/txn/index.js'
import { pageNumber, type Synchronous } from '../../src/units.js'
import type { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import {
  type Attachment,
  attach,
  type Blocking,
  type CheckpointMode,
  checkpoint,
  detach,
  LogAppender,
  type LogSpill,
} from '../../src/wal/index.js'
import { Connection } from '../support/connection.js'
import type { Random } from '../support/random.js'
import type { CommitModel } from './commit-model.js'
import { restartWithoutCkpt, trustSalts } from './old-sqlite.js'
import { PATH } from './simulated-database.js'
import { type WatchCounts, Watcher } from './watcher.js'

const PAGE_SIZE = 512
const TIMEOUT_MS = 3
/** Pages 2 to this one. */
const PAGES_MAX = 10

/** Which processes of a run behave like a SQLite before 3.51.3: one kind at most, since both together lose commits. */
export type Foreign = 'nobody' | 'writers' | 'checkpointers'

/** What the processes of one run share. */
export interface World {
  readonly model: CommitModel
  readonly random: Random
  readonly foreign: Foreign
  /** Snapshots that a process keeps at most. */
  readonly snapshotsMax: number
  /** Processes that were killed. */
  deaths: number
  /** What watches have seen. */
  readonly watched: WatchCounts
  /** Number of the next commit. */
  nextCommit: number
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
    this.#watcher = new Watcher({
      wal,
      pager,
      model: world.model,
      readNumber,
      counts: world.watched,
      deaths: () => world.deaths,
    })
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
    const { foreign } = this.#world
    const { wal } = this.#attachment
    yield* wal.lockWrite()
    try {
      if (foreign === 'writers') restartWithoutCkpt(wal)
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
    try {
      const state = this.#change(pages, synchronous)
      const dirty = pages.finish()
      const batch = { pages: dirty, pageCount: pages.pageCount, synchronous }
      const written = yield* appender.write(batch, { before: null, spill: spills[0] ?? null })
      yield* appender.sync(written, { syncInline: random.below(2) === 0 })
      appender.publish(written)
      if (!this.vfs.isKilled) model.acknowledge(state, synchronous)
      this.#pager.endWrite(dirty)
    } finally {
      pages.close()
    }
  }

  commitBlocking(synchronous: Synchronous): void {
    const state = this.#commits.runSync((pages) => this.#change(pages, synchronous), { synchronous })
    if (!this.vfs.isKilled) this.#world.model.acknowledge(state, synchronous)
  }

  /** Writes some pages. @requires lock WRITE. @returns the state they make */
  #change(pages: WritePages, synchronous: Synchronous): string {
    const { model, random } = this.#world
    model.observe(stateOf(pages), model.newest)
    const commit = this.#world.nextCommit++
    if (pages.pageCount < PAGES_MAX && (pages.pageCount < 4 || random.below(6) === 0)) pages.grow()
    const last = pages.pageCount
    fill(pages, last, readNumber(pages, last) || commit)
    for (let count = random.below(last - 1) + 1; count > 0; count--) {
      fill(pages, random.between(2, last), commit)
      pages.relieve()
    }
    const state = stateOf(pages)
    model.begin(state, synchronous, () => this.vfs.isKilled)
    return state
  }

  *checkpoint(mode: CheckpointMode): Blocking<void> {
    const { random, foreign } = this.#world
    const { wal } = this.#attachment
    const distrust = foreign === 'checkpointers' && mode === 'passive' ? trustSalts(wal) : () => {}
    try {
      const timeoutMs = random.below(2) * TIMEOUT_MS
      const { log, checkpointed } = yield* checkpoint(wal, { mode, synchronous: 'full', timeoutMs })
      if (checkpointed > log) throw new Error(`${checkpointed} frames of ${log} checkpointed`)
    } finally {
      distrust()
    }
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
    if (failure !== null) throw failure
  }
}

function fill(pages: PageWriter, number: number, value: number): void {
  const { bytes } = pages.writable(pageNumber(number))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, wordAt(at, value))
}

/**
 * The number itself, then words that look random. Not the same number over and over: where few of its bits are set, the
 * checksum of the log is the same for zeros, and a torn frame passes for a whole one.
 */
function wordAt(at: number, value: number): number {
  return at === 0 || value === 0 ? value : Math.imul(value + at, 0x9e3779b1) ^ Math.imul(value, 0x85ebca6b)
}

/** The numbers in pages 2 and up. @throws if a page is not all of one commit */
function stateOf(pages: PageReader): string {
  return Array.from({ length: pages.pageCount - 1 }, (_, i) => readNumber(pages, i + 2)).join()
}

function readNumber(pages: PageReader, number: number): number {
  const { bytes } = pages.page(pageNumber(number))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const value = view.getUint32(0)
  for (let at = 4; at < bytes.length; at += 4) {
    if (view.getUint32(at) !== wordAt(at, value) >>> 0) throw new Error(`page ${number} is not all of commit ${value}`)
  }
  return value
}
