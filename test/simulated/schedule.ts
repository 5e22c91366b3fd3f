/**
 * Virtual processes on one simulated machine, in an order drawn from a seed: the same seed gives the same run.
 *
 * What each process does is a row of steps (`Blocking`), and between two steps any other may go on. Within a step,
 * before and after each call on the system, another process may be run for some steps, and within its calls a third
 * one; the same goes for each atomic load and store. So a process can be overtaken at every lock, read, write and sync,
 * and between the words of a header, by whole steps of others; what cannot happen is that two processes stand within
 * a step and go on by turns. Processes are killed, and the power is cut, at any call.
 *
 * In runs with groups, most processes commit through `GroupCommit`, on an event loop of their own: what they wait for (syncs,
 * delays, ends of turns) ends in an order drawn from the seed, others run in between, and now and then a sync fails. What
 * such a process does in one turn of its event loop is one step.
 *
 * In runs with races, checkpointers and writers meet where the WAL-reset race can happen (race-pauses.ts), with one kind of them as it was
 * in SQLite before 3.51.3.
 */
import { EndmarkError } from '../../src/errors.js'
import type { Synchronous } from '../../src/units.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import {
  CHANGING_OPERATIONS,
  ProcessKilled,
  type SimulatedEvent,
  type SimulatedFault,
  type SimulatedHook,
  SimulatedMachine,
  type SimulatedStep,
} from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { type Blocking, type CheckpointMode, runSync } from '../../src/wal/index.js'
import { Random } from '../support/random.js'
import { Actor, type Foreign, type World } from './actor.js'
import { type AtomicOperation, stepAtomics } from './atomic-steps.js'
import { CommitModel } from './commit-model.js'
import { drawGrouping, type GroupedCommits } from './grouped-commits.js'
import type { WatchCounts } from './watcher.js'

/** Steps chosen at the bottom of the stack, per run. */
const TURNS = 40
/** In runs with groups, where a commit takes several. */
const GROUPED_TURNS = 120
/** In runs with races, where a process that pauses takes some of them. */
const RACE_TURNS = 200
/** Events until everybody has heard of the end of his commits. */
const EVENTS_MAX = 1000
const DEPTH_MAX = 3
/**
 * After so many commits nobody is overtaken any more, and the run comes to its end: where checkpoints are never made, somebody who waits
 * for a lock while others commit would make the log longer than a simulated file can be.
 */
const COMMITS_MAX = 2000
/** Damages tried of each power loss; the run goes on with the last. */
const DAMAGES = 6
const MODES: readonly Synchronous[] = ['full', 'full', 'full', 'normal', 'off']
const DURABLE_MODES: readonly Synchronous[] = ['full', 'full', 'normal']
const CHECKPOINT_MODES: readonly CheckpointMode[] = ['passive', 'passive', 'passive', 'full', 'restart', 'truncate']
const FOREIGN: readonly Foreign[] = ['nobody', 'writers', 'writers', 'checkpointers']

export interface ScheduleOptions {
  /** Processes also watch for the commits of all. */
  readonly watches?: boolean
  /** Processes group their commits. */
  readonly groups?: boolean
  /** The WAL-reset race is likely, but for what keeps it from happening; these behave like a SQLite before 3.51.3. */
  readonly races?: Exclude<Foreign, 'nobody'>
}

export interface RunCounts {
  commits: number
  kills: number
  powerLosses: number
  switches: number
  failedSyncs: number
}

type Activity = 'read' | 'commit' | 'commitBlocking' | 'checkpoint' | 'leave'

/** What a run does often, rarely or never: drawn for each, since many faults show only where something is missing. */
interface Habits {
  readonly processes: number
  readonly weights: Readonly<Record<Activity, number>>
  readonly kills: boolean
  /** Then there are no commits in mode off, which promise nothing. */
  readonly cutsPower: boolean
  /** Others go on at one call in so many, and at one atomic operation in so many. */
  readonly callsPerSwitch: number
  readonly atomicsPerSwitch: number
}

function drawHabits(random: Random): Habits {
  const weight = () => random.pick([0, 1, 3, 8])
  return {
    processes: random.between(2, 4),
    weights: {
      read: weight(),
      commit: weight() + 1,
      commitBlocking: weight(),
      checkpoint: weight() + 1,
      leave: random.below(2),
    },
    kills: random.below(3) > 0,
    cutsPower: random.below(2) === 0,
    callsPerSwitch: random.pick([4, 8, 20]),
    atomicsPerSwitch: random.pick([10, 30, 100]),
  }
}

/**
 * Short logs that are often copied to their end, and processes that often have nothing to do: whoever commits while a checkpoint begins
 * keeps the log from being started over. Commits that block are Endmark's own in any case.
 */
function drawRaceHabits(random: Random): Habits {
  return {
    processes: random.between(2, 3),
    weights: {
      read: random.pick([1, 6]),
      commit: 3,
      commitBlocking: 0,
      checkpoint: random.between(1, 4),
      leave: 0,
    },
    kills: false,
    cutsPower: false,
    callsPerSwitch: random.pick([8, 20, 50]),
    atomicsPerSwitch: random.pick([30, 100, 300]),
  }
}

class PowerLoss extends Error {}

/** The place of a process: somebody joins, works, and leaves or is killed; then somebody else joins. */
interface Place {
  vfs: SimulatedVfs
  actor: Actor | null
  /** The operation under way, and the step it waits in. */
  task: Blocking<void> | null
  step: { sync(): void } | null
  /** What it waits for on its event loop, oldest first. */
  events: PendingEvent[]
  isRunning: boolean
}

interface PendingEvent {
  readonly event: SimulatedEvent
  readonly end: () => void
}

export class Schedule {
  readonly counts = newCounts()
  readonly #random: Random
  readonly #world: World
  readonly #hook: SimulatedHook = (step) => this.#interrupt(step)
  readonly #habits: Habits
  #machine: SimulatedMachine
  #places: Place[]
  #depth = 0
  /** The process that is running, the innermost of those that stand within a step. */
  #running: SimulatedVfs | null = null
  #isDown = false
  /** A sync of it has failed, and it has not written since: what it does next is to make those frames unreadable. */
  #erasing: SimulatedVfs | null = null
  #failure: { readonly error: unknown } | null = null

  readonly #watches: boolean

  /** The same seed gives another run with other options. */
  constructor(seed: number, { watches = false, groups = false, races }: ScheduleOptions = {}) {
    this.#watches = watches
    this.#random = new Random(seed)
    const random = this.#random
    this.#habits = races === undefined ? drawHabits(random) : drawRaceHabits(random)
    // Snapshots that are held keep the log from being started over.
    const snapshotsMax = races === undefined ? random.pick([0, 0, 1, 3]) : 0
    const watched = { told: 0, vague: 0, pages: 0, overwritten: 0 }
    const foreign = races ?? random.pick(FOREIGN)
    this.#world = {
      model: new CommitModel(''),
      random,
      foreign,
      races: races !== undefined,
      snapshotsMax,
      watched,
      deaths: 0,
      nextCommit: 1,
      grouping: groups ? drawGrouping(random) : null,
      fail: (error) => this.#note(error),
      isDown: () => this.#isDown,
    }
    this.#machine = this.#start(new SimulatedDisk())
    this.#machine.hook = this.#hook
    this.#places = this.#newPlaces()
  }

  get watched(): WatchCounts {
    return this.#world.watched
  }

  /** @throws what was found to be wrong */
  async run(): Promise<RunCounts> {
    const end = stepAtomics((operation) => this.#atomicStep(operation))
    try {
      for (let turn = 0; turn < this.#turns; turn++) {
        const going = this.#turn(this.#random.pick(this.#places))
        if (going !== null) await going
      }
      if (this.#world.grouping !== null) await this.#endCommits()
    } finally {
      end()
    }
    return this.counts
  }

  get #turns(): number {
    const { races, grouping } = this.#world
    if (races) return RACE_TURNS
    return grouping === null ? TURNS : GROUPED_TURNS
  }

  /** @returns what goes on of it, if its commits are grouped */
  #turn(place: Place, advance = () => this.#advance(place)): Promise<void> | null {
    const { vfs, actor } = place
    try {
      this.#move(place, advance)
    } catch (error) {
      if (!this.#isDown) throw error
    }
    if (actor !== null && actor.grouped !== null) return this.#goOn(place, vfs)
    this.#endTurn()
    return null
  }

  /** What a process has promised itself in this turn of its event loop goes on as far as the next event. */
  async #goOn(place: Place, vfs: SimulatedVfs): Promise<void> {
    this.#running = vfs
    place.isRunning = true
    await new Promise((resolve) => setImmediate(resolve))
    place.isRunning = false
    this.#running = null
    if (place.vfs.isKilled) this.#emptied(place)
    this.#endTurn()
  }

  #endTurn(): void {
    if (this.#failure !== null) throw this.#failure.error
    if (this.#isDown) this.#restart()
  }

  /** @throws if somebody does not hear of the end of his commit */
  async #endCommits(): Promise<void> {
    for (let count = 0; ; count++) {
      const waiting = this.#places.filter(({ actor }) => actor?.grouped?.isIdle === false)
      if (waiting.length === 0) break
      const place = this.#random.pick(this.#places.filter(({ events, task }) => events.length > 0 || task !== null))
      if (place === undefined || count > EVENTS_MAX) throw new Error('a commit has no end')
      await this.#turn(place, () => this.#finish(place))
    }
    const left = this.#places.find(({ actor }) => (actor?.grouped?.count ?? 0) > 0)
    if (left !== undefined) throw new Error('nobody was told of the end of a commit')
  }

  #finish(place: Place): void {
    if (!this.#endEvent(place) && place.task !== null) this.#continue(place, place.task)
  }

  #start(disk: SimulatedDisk): SimulatedMachine {
    const machine = new SimulatedMachine(disk, this.#random)
    machine.events = (process, event, end) =>
      this.#places.find(({ vfs }) => vfs === process)?.events.push({ event, end })
    return machine
  }

  #newPlaces(): Place[] {
    return Array.from({ length: this.#habits.processes }, () => this.#emptied({} as Place))
  }

  /** Makes room for another process. */
  #emptied(place: Place): Place {
    const vfs = new SimulatedVfs(this.#machine)
    return Object.assign(place, { vfs, actor: null, task: null, step: null, events: [], isRunning: false })
  }

  /** The power comes back: whoever comes first must find what was acknowledged as durable, whatever the damage. */
  #restart(): void {
    this.#isDown = false
    this.#depth = 0
    this.#running = null
    const { disk } = this.#machine
    const { model } = this.#world
    for (let damage = 1; damage < DAMAGES; damage++) {
      model.assertRecoverable(this.#join(new SimulatedMachine(disk.crash(this.#random), this.#random)).state())
    }
    this.#machine = this.#start(disk.crash(this.#random))
    this.#places = this.#newPlaces()
    const place = this.#places[0]!
    place.actor = this.#join(this.#machine, place.vfs)
    model.recovered(place.actor.state())
    this.#machine.hook = this.#hook
  }

  #join(machine: SimulatedMachine, vfs = new SimulatedVfs(machine)): Actor {
    return runSync(Actor.join(vfs, this.#world))
  }

  /** Runs one process as far as its next wait. */
  #move(place: Place, advance = () => this.#advance(place)): void {
    const outer = this.#running
    this.#running = place.vfs
    place.isRunning = true
    try {
      advance()
    } catch (error) {
      if (this.#isDown) throw error
      if (error instanceof ProcessKilled && place.vfs.isKilled) this.#emptied(place)
      else if (!isBusy(error) && !hasFailed(place, error)) this.#fail(error)
    } finally {
      place.isRunning = false
      this.#running = outer
    }
  }

  /** Kept as well as thrown: it may be thrown through a process that takes it for the failure of a call. */
  #fail(error: unknown): never {
    this.#note(error)
    throw error
  }

  #note(error: unknown): void {
    this.#failure ??= { error }
  }

  #advance(place: Place): void {
    const { actor, task } = place
    if (actor !== null && actor.grouped !== null) {
      this.#advanceGrouped(place, actor, actor.grouped)
      return
    }
    if (task !== null) this.#continue(place, task)
    if (actor !== null && (task === null || this.#random.below(2) === 0)) this.#work(place, actor)
    if (actor === null && task === null) place.task = this.#enter(place)
  }

  #continue(place: Place, task: Blocking<void>): void {
    let failure: { readonly error: unknown } | undefined
    try {
      place.step?.sync()
    } catch (error) {
      failure = { error }
    }
    // Unless it gets to another step, by return or by throw, it is over.
    place.step = null
    place.task = null
    const { done, value } = failure === undefined ? task.next() : task.throw(failure.error)
    if (done) return
    place.task = task
    place.step = value
  }

  /** Within a step of another process, only what leaves no promises: they would go on in the turn of the other one. */
  #advanceGrouped(place: Place, actor: Actor, grouped: GroupedCommits): void {
    const isTurn = this.#depth === 0
    // Those who come during a sync get a batch behind the one that is being synced.
    const isSyncing = isTurn && place.events.some(({ event }) => event === 'datasync')
    if (isSyncing && this.#random.below(3) > 0) this.#ask(grouped)
    if (isTurn && this.#random.below(4) > 0 && this.#endEvent(place)) return
    if (isTurn && place.task !== null) this.#continue(place, place.task)
    if (place.task !== null) {
      actor.read()
      return
    }
    const activity = this.#activity()
    if (activity === 'read') actor.read()
    if (activity === 'commitBlocking') actor.commitBlocking(this.#mode())
    if (!isTurn) return
    if (activity === 'commit') this.#ask(grouped)
    if (activity === 'checkpoint') place.task = actor.checkpoint(this.#random.pick(CHECKPOINT_MODES))
    if (this.#random.below(8) === 0) grouped.abort()
    // Whoever cannot commit any more opens the database again.
    if (place.task === null && grouped.isIdle && (activity === 'leave' || actor.hasFailed)) this.#leave(place, actor)
  }

  #leave(place: Place, actor: Actor): void {
    place.actor = null
    actor.leave()
  }

  #ask(grouped: GroupedCommits): void {
    grouped.ask(
      () => this.#mode(),
      () => this.counts.commits++,
    )
  }

  /** Ends one of the things that a process waits for: a sync at any time, the rest in their order. @returns false if there is none */
  #endEvent({ events }: Place): boolean {
    const next = events.find(({ event }) => event === 'endOfTurn') ?? events.find(({ event }) => event === 'delay')
    const possible = events.filter((pending) => pending.event === 'datasync' || pending === next)
    if (possible.length === 0) return false
    const ended = this.#random.pick(possible)
    events.splice(events.indexOf(ended), 1)
    ended.end()
    return true
  }

  *#enter(place: Place): Blocking<void> {
    place.actor = yield* Actor.join(place.vfs, this.#world)
  }

  /** Something new: of what cannot be begun beside a task, only reads. */
  #work(place: Place, actor: Actor): void {
    if (this.#watches && this.#random.below(2) === 0) {
      actor.watch()
      return
    }
    const activity = this.#activity()
    if (activity === 'read') actor.read()
    if (place.task !== null) return
    if (activity === 'commit') place.task = this.#counted(actor.commit(this.#mode()))
    if (activity === 'commitBlocking') actor.commitBlocking(this.#mode())
    if (activity === 'checkpoint') place.task = actor.checkpoint(this.#random.pick(CHECKPOINT_MODES))
    if (activity === 'leave' || (actor.hasFailed && place.task === null)) this.#leave(place, actor)
  }

  #activity(): Activity {
    const choices = (Object.entries(this.#habits.weights) as [Activity, number][]).flatMap(([activity, weight]) =>
      Array.from({ length: weight }, () => activity),
    )
    return this.#random.pick(choices)
  }

  *#counted(task: Blocking<void>): Blocking<void> {
    yield* task
    this.counts.commits++
  }

  #mode(): Synchronous {
    // What a failed sync has left in doubt, no later one saves (DUR-3): not for commits that were not to be durable either.
    if (this.#world.grouping?.failsSyncs === true) return 'full'
    return this.#random.pick(this.#habits.cutsPower ? DURABLE_MODES : MODES)
  }

  /** At a call of a process: others may run, and accidents happen. */
  #interrupt(step: SimulatedStep): SimulatedFault | undefined {
    const { process, operation } = step
    if (this.#isDown) throw new PowerLoss()
    if (process === this.#erasing && operation === 'write' && step.when === 'after') this.#erasing = null
    if (this.#habits.kills && this.#random.below(400) === 0 && process !== this.#erasing) {
      this.counts.kills++
      this.#kill(process)
      return undefined
    }
    if (this.#habits.cutsPower && this.#random.below(CHANGING_OPERATIONS.includes(operation) ? 150 : 5000) === 0) {
      this.counts.powerLosses++
      this.#isDown = true
      throw new PowerLoss()
    }
    this.#letOthersRun(this.#habits.callsPerSwitch)
    return this.#world.grouping === null ? undefined : this.#syncFault(step)
  }

  /** Syncs take their time, and those of the log fail now and then, for processes that group their commits. */
  #syncFault({ process, operation, when, path }: SimulatedStep): SimulatedFault | undefined {
    if (operation !== 'datasync' || when !== 'before') return undefined
    const { syncMs, failsSyncs } = this.#world.grouping!
    this.#machine.pass(syncMs)
    const place = this.#places.find(({ vfs }) => vfs === process)
    const actor = place?.actor ?? null
    // Where that of a recovery fails, nobody can know what the log keeps (WAL-8).
    const mayFail = failsSyncs && path.endsWith('-wal') && actor?.grouped && !actor.isRecovering
    if (!mayFail || this.#random.below(15) > 0) return undefined
    this.counts.failedSyncs++
    // Were it killed before that, whoever comes next would take frames for a commit that no sync makes durable any more.
    this.#erasing = process
    return { code: 'EIO' }
  }

  #kill(process: SimulatedVfs): void {
    this.#world.deaths++
    process.kill()
  }

  /** Before an atomic load or store. */
  #atomicStep(operation: AtomicOperation): void {
    const process = this.#running
    if (process === null) return
    if (this.#isDown) throw new PowerLoss()
    if (this.#habits.kills && this.#random.below(operation === 'store' ? 800 : 8000) === 0) this.#kill(process)
    if (process.isKilled) throw new ProcessKilled()
    this.#letOthersRun(this.#habits.atomicsPerSwitch)
    if (process.isKilled) throw new ProcessKilled()
  }

  /** One time in `rarity`, and less often the deeper the stack is. */
  #letOthersRun(rarity: number): void {
    if (this.#depth >= DEPTH_MAX || this.#world.nextCommit > COMMITS_MAX) return
    if (this.#random.below(rarity << this.#depth) !== 0) return
    const others = this.#places.filter((place) => !place.isRunning)
    if (others.length === 0) return
    this.counts.switches++
    this.#depth++
    const other = this.#random.pick(others)
    for (let moves = this.#random.between(1, 6); moves > 0; moves--) this.#move(other)
    this.#depth--
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof EndmarkError && error.code === 'ENDMARK_BUSY'
}

/**
 * The log could not be made durable: the process hears of that again and again, until it opens the database anew; who is opening it may
 * hear in a recovery that somebody else's sync has failed.
 */
function hasFailed({ actor }: Place, error: unknown): boolean {
  return error instanceof EndmarkError && error.code === 'ENDMARK_IO' && (actor === null || actor.hasFailed)
}

function newCounts(): RunCounts {
  return { commits: 0, kills: 0, powerLosses: 0, switches: 0, failedSyncs: 0 }
}

export interface HuntOptions extends ScheduleOptions {
  /** Nothing but a lost state is looked for: of what the engine notices itself, and refuses to go on with, there is no loss. */
  readonly losses?: boolean
}

export interface Hunt {
  /** Runs made. */
  readonly runs: number
  readonly counts: RunCounts
  /** The first run that failed, and how. */
  readonly failure: { readonly seed: number; readonly error: unknown } | null
}

/** As the model says it of a state, or a snapshot of itself. */
export const LOSS = /was seen where|was recovered where|has become/

/** Runs seeds from `first` on until one fails. */
export async function hunt(first: number, runs: number, options: HuntOptions = {}): Promise<Hunt> {
  const counts = newCounts()
  for (let i = 0; i < runs; i++) {
    const seed = first + i
    try {
      const found = await new Schedule(seed, options).run()
      for (const name of Object.keys(counts) as (keyof RunCounts)[]) counts[name] += found[name]
    } catch (error) {
      if (options.losses !== true || LOSS.test(String(error))) return { runs: i + 1, counts, failure: { seed, error } }
    }
  }
  return { runs, counts, failure: null }
}
