/**
 * A simulated machine: one disk, one clock, one source of random numbers, and a hook that sees every call of its
 * virtual processes (`SimulatedVfs`) before and after it takes place. The hook is where a test makes calls fail, kills
 * processes, cuts the power, and lets another process run: calls are the only points at which processes take turns.
 * What a process waits for on its event loop ends when `events` says so.
 *
 * Nothing here asks the real system for anything, so the same seed gives the same run. The clock moves a little with
 * every call, and by as much as anyone waits.
 */

import type { SimulatedDisk } from './simulated-disk.js'
import type { RandomNumbers } from './simulated-durable.js'
import type { SimulatedVfs } from './simulated-vfs.js'
import type { LockMode } from './vfs.js'

export type SimulatedOperation =
  | 'open'
  | 'exists'
  | 'size'
  | 'read'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'tryLock'
  | 'unlock'
  | 'map'
  | 'close'
  | 'remove'
  | 'link'
  | 'syncDirectory'
  | 'delay'

/** The operations that change the disk, or what of it is durable. */
export const CHANGING_OPERATIONS: readonly SimulatedOperation[] = [
  'write',
  'datasync',
  'truncate',
  'link',
  'remove',
  'syncDirectory',
]

export interface SimulatedStep {
  readonly when: 'before' | 'after'
  readonly process: SimulatedVfs
  readonly operation: SimulatedOperation
  /** The file or folder, or the new name of a `link`; empty for `delay`. */
  readonly path: string
  /** Bytes from the start of the file; the new size of a `truncate`. */
  readonly offset?: number
  readonly length?: number
  readonly mode?: LockMode
}

/** How a call is to fail. A failed sync leaves what it was to save in doubt for ever. */
export interface SimulatedFault {
  /** Code of the system's error: EIO, ENOSPC. */
  readonly code: string
  /** Bytes that a failing `write` has written all the same. */
  readonly writtenBytes?: number
}

/** Thrown out of every call of a virtual process that was killed. */
export class ProcessKilled extends Error {
  constructor() {
    super('this virtual process was killed')
    this.name = 'ProcessKilled'
  }
}

/** Returns a fault (only before a call) to make the call fail; whatever it throws is thrown by the call. */
export type SimulatedHook = (step: SimulatedStep) => SimulatedFault | undefined

/** What a virtual process waits for on its event loop, while other code of it runs. */
export type SimulatedEvent = 'datasync' | 'delay' | 'endOfTurn'

/** Decides when such a wait is over: calls `end` then, or never if the process is gone by that time. */
export type SimulatedEvents = (process: SimulatedVfs, event: SimulatedEvent, end: () => void) => void

const STEP_MS = 0.001

export class SimulatedMachine {
  readonly disk: SimulatedDisk
  readonly random: RandomNumbers
  hook: SimulatedHook
  events: SimulatedEvents = (_process, _event, end) => setImmediate(end)
  /** Of the process that comes next. */
  nextPid = 1
  #nowMs = 0

  constructor(disk: SimulatedDisk, random: RandomNumbers, hook: SimulatedHook = () => undefined) {
    this.disk = disk
    this.random = random
    this.hook = hook
  }

  get nowMs(): number {
    return this.#nowMs
  }

  pass(milliseconds: number): void {
    this.#nowMs += Math.max(milliseconds, STEP_MS)
  }
}
