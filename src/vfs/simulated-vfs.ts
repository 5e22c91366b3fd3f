/**
 * One virtual process of a simulated machine: a `Vfs` whose open files and locks are its own and end with it. Paths are
 * absolute and every folder exists.
 *
 * Every call is two step points of the machine's hook, one before and one after. A process that was killed throws
 * `ProcessKilled` out of every call, so that whatever it was doing comes to its end without touching anything.
 */
import { EndmarkError, ioError } from '../errors.js'
import { SimulatedFile } from './simulated-file.js'
import { SimulatedInode } from './simulated-inode.js'
import {
  ProcessKilled,
  type SimulatedEvent,
  type SimulatedFault,
  type SimulatedMachine,
  type SimulatedStep,
} from './simulated-machine.js'
import type { OpenFileOptions, ThreadIdentity, Vfs } from './vfs.js'

/** A step as its caller tells it. */
export type StepDetails = Omit<SimulatedStep, 'when' | 'process'>

export class SimulatedVfs implements Vfs {
  readonly machine: SimulatedMachine
  readonly #files = new Set<SimulatedFile>()
  readonly #pid: number
  #isKilled = false

  constructor(machine: SimulatedMachine) {
    this.machine = machine
    this.#pid = machine.nextPid++
  }

  get isKilled(): boolean {
    return this.#isKilled
  }

  /** Ends the process as `kill -9` does: its locks go, and it does nothing more. */
  kill(): void {
    this.#isKilled = true
    for (const file of this.#files) file.drop()
    this.#files.clear()
  }

  /**
   * Runs `call` between the two steps of one operation.
   * @param failed what a fault has done to the disk
   */
  step<T>(details: StepDetails, call: () => T, failed: (fault: SimulatedFault) => void = () => {}): T {
    const fault = this.before(details)
    if (fault !== undefined) {
      failed(fault)
      throw this.failure(details, fault)
    }
    const result = call()
    this.after(details)
    return result
  }

  /** @returns how the operation is to fail, if it is */
  before(details: StepDetails): SimulatedFault | undefined {
    this.#assertAlive()
    this.machine.pass(0)
    const fault = this.machine.hook({ when: 'before', process: this, ...details })
    this.#assertAlive()
    return fault
  }

  failure({ operation, path }: StepDetails, { code }: SimulatedFault): EndmarkError {
    return ioError(operation, path, systemError(code))
  }

  after(details: StepDetails): void {
    this.machine.hook({ when: 'after', process: this, ...details })
    this.#assertAlive()
  }

  open(path: string, options: OpenFileOptions): SimulatedFile {
    return this.step({ operation: 'open', path }, () => {
      const file = new SimulatedFile(this, path, this.#findOrCreate(path, options), () => this.#files.delete(file))
      this.#files.add(file)
      return file
    })
  }

  #findOrCreate(path: string, { create = false, exclusive = false }: OpenFileOptions): SimulatedInode {
    const { disk } = this.machine
    const known = disk.find(path)
    if (known !== null && create && exclusive) throw ioError('open', path, systemError('EEXIST'))
    if (known !== null) return known
    if (!create) throw new EndmarkError('ENDMARK_NOT_FOUND', `${path} does not exist`, { file: path })
    const inode = new SimulatedInode()
    disk.setName(path, inode)
    return inode
  }

  exists(path: string): boolean {
    return this.step({ operation: 'exists', path }, () => this.machine.disk.find(path) !== null)
  }

  remove(path: string): void {
    const { disk } = this.machine
    this.step({ operation: 'remove', path }, () => {
      if (disk.find(path) !== null) disk.setName(path, null)
    })
  }

  link(from: string, to: string): boolean {
    const { disk } = this.machine
    return this.step({ operation: 'link', path: to }, () => {
      const inode = disk.find(from)
      if (inode === null) throw ioError('link', to, systemError('ENOENT'))
      if (disk.find(to) !== null) return false
      disk.setName(to, inode)
      return true
    })
  }

  syncDirectory(folder: string): void {
    const { disk } = this.machine
    this.step(
      { operation: 'syncDirectory', path: folder },
      () => disk.syncDirectory(folder),
      () => disk.failSyncDirectory(folder),
    )
  }

  resolve(path: string): string {
    return path
  }

  checkFileSystem(): void {}

  now(): number {
    this.machine.pass(0)
    return this.machine.nowMs
  }

  wallClock(): number {
    return this.now()
  }

  identity(): ThreadIdentity {
    return { pid: this.#pid, thread: 0 }
  }

  /** Not a step, but an event: what waits on the event loop makes no call that could fail. */
  async delay(milliseconds: number): Promise<void> {
    await this.event('delay')
    this.machine.pass(milliseconds)
  }

  /** Resolves when the machine says that it is over. */
  event(event: SimulatedEvent): Promise<void> {
    return new Promise((resolve) => this.machine.events(this, event, resolve))
  }

  /** Nobody tends a virtual process: what it wants done from time to time is not. */
  every(): () => void {
    return () => {}
  }

  timer(): () => void {
    return () => {}
  }

  endOfTurn(callback: () => void): void {
    this.machine.events(this, 'endOfTurn', () => {
      if (!this.#isKilled) callback()
    })
  }

  delaySync(milliseconds: number): void {
    this.step({ operation: 'delay', path: '' }, () => this.machine.pass(milliseconds))
  }

  random32(): number {
    return this.machine.random.next32()
  }

  #assertAlive(): void {
    if (this.#isKilled) throw new ProcessKilled()
  }
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
