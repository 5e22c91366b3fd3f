/**
 * The locks on the -shm file by SQLite's names, held through one open file description (see SlotLocks for what
 * that means). Order in which one connection takes them, so that nobody waits in a circle (LOCK-1): a
 * checkpoint takes CKPT, then WRITE if its mode needs it, then READ(n); a commit takes WRITE, then CKPT and
 * READ(n) by one try each, never waiting; recovery takes WRITE, then CKPT and RECOVER; a reader holds at most
 * one READ(n), and no read waits while it does.
 */
import { assert } from '../assert.js'
import { EndmarkError } from '../errors.js'
import {
  CKPT_LOCK_BYTE,
  DMS_LOCK_BYTE,
  READ_LOCK_BYTE,
  READ_SLOT_COUNT,
  RECOVER_LOCK_BYTE,
  WRITE_LOCK_BYTE,
} from '../format/index.js'
import { type LockMode, SlotLocks, type VfsFile } from '../vfs/index.js'

export type WalLockName = 'WRITE' | 'CKPT' | 'RECOVER' | 'DMS'

const LOCK_BYTES: Readonly<Record<WalLockName, number>> = {
  WRITE: WRITE_LOCK_BYTE,
  CKPT: CKPT_LOCK_BYTE,
  RECOVER: RECOVER_LOCK_BYTE,
  DMS: DMS_LOCK_BYTE,
}

export class WalLocks {
  readonly #shm: VfsFile
  readonly #slots: SlotLocks
  #writeWaiters: (() => void)[] = []
  #releaseFailed: (error: EndmarkError) => void = (error) => {
    throw error
  }

  constructor(shm: VfsFile) {
    this.#shm = shm
    this.#slots = new SlotLocks(shm)
  }

  /**
   * Has a lock that the system does not let go of told here instead of thrown: what was done under it is done, and its caller
   * must not believe that it was not.
   */
  onReleaseFailed(told: (error: EndmarkError) => void): void {
    this.#releaseFailed = told
  }

  #release(offset: number, mode: LockMode): void {
    try {
      if (mode === 'shared') this.#slots.releaseShared(offset)
      else this.#slots.releaseExclusive(offset)
    } catch (error) {
      if (!(error instanceof EndmarkError)) throw error
      this.#releaseFailed(error)
    }
  }

  tryExclusive(name: WalLockName): boolean {
    return this.#slots.tryExclusive(LOCK_BYTES[name])
  }

  releaseExclusive(name: WalLockName): void {
    this.#release(LOCK_BYTES[name], 'exclusive')
    if (name !== 'WRITE') return
    const waiting = this.#writeWaiters
    this.#writeWaiters = []
    for (const wake of waiting) wake()
  }

  /** Resolves when another part of this connection lets WRITE go: a commit need not poll for its own checkpoint. */
  async writeReleased(): Promise<void> {
    if (this.isHeld('WRITE')) await new Promise<void>((resolve) => this.#writeWaiters.push(resolve))
  }

  /** CKPT shared: no checkpoint is under way, and none begins. */
  tryShared(name: 'DMS' | 'CKPT'): boolean {
    return this.#slots.tryShared(LOCK_BYTES[name])
  }

  releaseShared(name: 'CKPT'): void {
    this.#release(LOCK_BYTES[name], 'shared')
  }

  /**
   * Whether no other connection is attached: then our shared DMS lock can become exclusive, for the moment until it is
   * turned back. Whoever joins in that moment tries again, as behind a first opener. @requires lock DMS shared
   */
  isAlone(): boolean {
    if (!this.#shm.tryLock(DMS_LOCK_BYTE, 1, 'exclusive')) return false
    try {
      this.#share()
    } catch {
      // Once more: everybody else is kept out. Letting go altogether would be worse, as the next to come resets the wal-index.
      this.#share()
    }
    return true
  }

  #share(): void {
    const isShared = this.#shm.tryLock(DMS_LOCK_BYTE, 1, 'shared')
    assert(isShared, 'our own exclusive lock cannot refuse us')
  }

  /** Whether a SQLite library is attached; null if that cannot be told. @requires lock DMS shared */
  isSqliteAttached(): Promise<boolean | null> {
    return this.#shm.hasProcessLocks()
  }

  /** READ(slot) shared: a reader. */
  tryRead(slot: number): boolean {
    return this.#slots.tryShared(readByte(slot))
  }

  releaseRead(slot: number): void {
    this.#release(readByte(slot), 'shared')
  }

  /** READ(slot) exclusive: to change its mark, to backfill (slot 0), to restart the log (1 to 4). */
  tryReadExclusive(slot: number): boolean {
    return this.#slots.tryExclusive(readByte(slot))
  }

  releaseReadExclusive(slot: number): void {
    this.#release(readByte(slot), 'exclusive')
  }

  /** READ(slot) exclusive becomes shared; if that fails it is let go. */
  makeReadShared(slot: number): void {
    try {
      this.#slots.makeShared(readByte(slot))
    } catch (error) {
      this.releaseReadExclusive(slot)
      throw error
    }
  }

  /** Whether this connection holds the lock, on behalf of whatever part of it. */
  isHeld(name: WalLockName): boolean {
    return this.#slots.holds(LOCK_BYTES[name], 'exclusive')
  }

  assertHeld(name: WalLockName): void {
    assert(this.isHeld(name), `the ${name} lock must be held here`)
  }

  assertReadExclusive(slot: number): void {
    assert(this.#slots.holds(readByte(slot), 'exclusive'), `READ(${slot}) must be held exclusively here`)
  }
}

function readByte(slot: number): number {
  assert(slot >= 0 && slot < READ_SLOT_COUNT, `read slot ${slot}`)
  return READ_LOCK_BYTE + slot
}
