/**
 * Virtual processes on one simulated machine, in an order drawn from a seed: the same seed gives the same run.
 *
 * What each process does is a row of steps (`Blocking`), and between two steps any other may go on. Within a step,
 * before and after each call on the system, another process may be run for some steps, and within its calls a third
 * one; the same goes for each atomic load and store. So a process can be overtaken at every lock, read, write and sync,
 * and between the words of a header, by whole steps of others; what cannot happen is that two processes stand within
 * a step and go on by turns. Processes are killed, and the power is cut, at any call.
 */
import { EndmarkError } from '../../src/errors.js'
import type { Synchronous } from '../../src/units.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { ProcessKilled, SimulatedMachine, type SimulatedStep } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { type Blocking, type CheckpointMode, runSync } from '../../src/wal/index.js'
import { Random } from '../support/random.js'
import { Actor, type Foreign, type World } from './actor.js'
import { withAtomicSteps } from './atomic-steps.js'
import { CommitModel } from './commit-model.js'

const PROCESSES = 4
/** Steps chosen at the bottom of the stack, per run. */
const TURNS = 40
const DEPTH_MAX = 3
const MODES: readonly Synchronous[] = ['full', 'full', 'full', 'normal', 'off']
const DURABLE_MODES: readonly Synchronous[] = ['full', 'full', 'normal']
const CHECKPOINT_MODES: readonly CheckpointMode[] = ['passive', 'passive', 'passive', 'full', 'restart', 'truncate']
const FOREIGN: readonly Foreign[] = ['nobody', 'writers', 'checkpointers']

export interface RunCounts {
  commits: number
  kills: number
  powerLosses: number
  switches: number
}

class PowerLoss extends Error {}

/** The place of a process: somebody joins, works, and leaves or is killed; then somebody else joins. */
interface Place {
  vfs: SimulatedVfs
  actor: Actor | null
  /** The operation under way, and the step it waits in. */
  task: Blocking<void> | null
  step: { sync(): void } | null
  isRunning: boolean
}

export class Schedule {
  readonly counts: RunCounts = { commits: 0, kills: 0, powerLosses: 0, switches: 0 }
  readonly #random: Random
  readonly #world: World
  /** A run that cuts the power has no commits in mode off, which promise nothing then. */
  readonly #cutsPower: boolean
  readonly #kills: boolean
  #machine: SimulatedMachine
  #places: Place[]
  #depth = 0
  /** The process that is running, the innermost of those that stand within a step. */
  #running: SimulatedVfs | null = null
  #isDown = false

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#cutsPower = this.#random.below(2) === 0
    this.#kills = this.#random.below(3) > 0
    const foreign = this.#random.pick(FOREIGN)
    this.#world = { model: new CommitModel(''), random: this.#random, foreign, nextCommit: 1 }
    this.#machine = this.#start(new SimulatedDisk())
    this.#places = this.#newPlaces()
  }

  /** @throws what was found to be wrong */
  run(): RunCounts {
    withAtomicSteps(() => this.#atomicStep(), () => this.#run())
    return this.counts
  }

  #run(): void {
    for (let turn = 0; turn < TURNS; turn++) {
      try {
        this.#move(this.#random.pick(this.#places))
      } catch (error) {
        if (!this.#isDown) throw error
      }
      if (this.#isDown) this.#restart()
    }
  }

  #start(disk: SimulatedDisk): SimulatedMachine {
    return new SimulatedMachine(disk, this.#random, (step) => this.#interrupt(step))
  }

  #newPlaces(): Place[] {
    return Array.from({ length: PROCESSES }, () => this.#emptied({} as Place))
  }

  /** Makes room for another process. */
  #emptied(place: Place): Place {
    const empty = { vfs: new SimulatedVfs(this.#machine), actor: null, task: null, step: null, isRunning: false }
    return Object.assign(place, empty)
  }

  /** The power comes back: whoever comes first must find what was acknowledged as durable. */
  #restart(): void {
    this.#isDown = false
    this.#depth = 0
    this.#running = null
    this.#machine = this.#start(this.#machine.disk.crash(this.#random))
    this.#places = this.#newPlaces()
    const place = this.#places[0]!
    const { model } = this.#world
    const { hook } = this.#machine
    this.#machine.hook = () => undefined
    place.actor = runSync(Actor.join(place.vfs, this.#world))
    model.recovered(place.actor.state())
    this.#machine.hook = hook
  }

  /** Runs one process as far as its next wait. */
  #move(place: Place): void {
    const outer = this.#running
    this.#running = place.vfs
    place.isRunning = true
    try {
      this.#advance(place)
    } catch (error) {
      if (this.#isDown) throw error
      if (error instanceof ProcessKilled && place.vfs.isKilled) this.#emptied(place)
      else if (!isBusy(error)) throw error
    } finally {
      place.isRunning = false
      this.#running = outer
    }
  }

  #advance(place: Place): void {
    const { actor, task } = place
    if (task !== null) this.#continue(place, task)
    if (actor !== null && (task === null || this.#random.below(2) === 0)) this.#work(place, actor)
    if (actor === null && task === null) place.task = this.#join(place)
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

  *#join(place: Place): Blocking<void> {
    place.actor = yield* Actor.join(place.vfs, this.#world)
  }

  /** Something new: of what cannot be begun beside a task, only reads. */
  #work(place: Place, actor: Actor): void {
    const choice = this.#random.below(place.task === null ? 20 : 6)
    if (choice < 6) actor.read()
    else if (choice < 12) place.task = this.#counted(actor.commit(this.#mode()))
    else if (choice < 14) actor.commitBlocking(this.#mode())
    else if (choice < 19) place.task = actor.checkpoint(this.#random.pick(CHECKPOINT_MODES))
    else {
      place.actor = null
      actor.leave()
    }
  }

  *#counted(task: Blocking<void>): Blocking<void> {
    yield* task
    this.counts.commits++
  }

  #mode(): Synchronous {
    return this.#random.pick(this.#cutsPower ? DURABLE_MODES : MODES)
  }

  /** At a call of a process: others may run, and accidents happen. */
  #interrupt({ process }: SimulatedStep): undefined {
    if (this.#isDown) throw new PowerLoss()
    if (this.#kills && this.#random.below(400) === 0) {
      this.counts.kills++
      process.kill()
      return
    }
    if (this.#cutsPower && this.#random.below(1500) === 0) {
      this.counts.powerLosses++
      this.#isDown = true
      throw new PowerLoss()
    }
    this.#letOthersRun(5)
  }

  /** Before an atomic load or store. */
  #atomicStep(): void {
    const process = this.#running
    if (process === null) return
    if (this.#isDown) throw new PowerLoss()
    if (this.#kills && this.#random.below(4000) === 0) process.kill()
    if (process.isKilled) throw new ProcessKilled()
    this.#letOthersRun(80)
    if (process.isKilled) throw new ProcessKilled()
  }

  /** One time in `rarity`, and less often the deeper the stack is. */
  #letOthersRun(rarity: number): void {
    if (this.#depth >= DEPTH_MAX || this.#random.below(rarity << this.#depth) !== 0) return
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

export interface Hunt {
  /** Runs made. */
  readonly runs: number
  readonly counts: RunCounts
  /** The first run that failed, and how. */
  readonly failure: { readonly seed: number; readonly error: unknown } | null
}

/** Runs seeds from `first` on until one fails. */
export function hunt(first: number, runs: number): Hunt {
  const counts: RunCounts = { commits: 0, kills: 0, powerLosses: 0, switches: 0 }
  for (let i = 0; i < runs; i++) {
    const seed = first + i
    try {
      const found = new Schedule(seed).run()
      for (const name of Object.keys(counts) as (keyof RunCounts)[]) counts[name] += found[name]
    } catch (error) {
      return { runs: i + 1, counts, failure: { seed, error } }
    }
  }
  return { runs, counts, failure: null }
}
