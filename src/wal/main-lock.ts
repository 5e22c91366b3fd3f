/**
 * SQLite's locks on the main file: shared for as long as a connection is open, exclusive to be alone (last close,
 * switching the journal mode, filling an empty file). PENDING keeps newcomers out while somebody goes exclusive.
 */
import { assert } from '../assert.js'
import { PENDING_BYTE, SHARED_FIRST, SHARED_SIZE } from '../format/index.js'
import type { VfsFile } from '../vfs/index.js'

export class MainLock {
  readonly #file: VfsFile
  #mode: 'none' | 'shared' | 'exclusive' = 'none'

  constructor(file: VfsFile) {
    this.#file = file
  }

  get mode(): 'none' | 'shared' | 'exclusive' {
    return this.#mode
  }

  /** @returns false while another connection is, or wants to be, alone with the file */
  tryShared(): boolean {
    assert(this.#mode === 'none', `shared lock asked for while it is ${this.#mode}`)
    if (!this.#file.tryLock(PENDING_BYTE, 1, 'shared')) return false
    const isLocked = this.#file.tryLock(SHARED_FIRST, SHARED_SIZE, 'shared')
    this.#file.unlock(PENDING_BYTE, 1)
    if (isLocked) this.#mode = 'shared'
    return isLocked
  }

  /** Turns the shared lock into an exclusive one; the shared one stays if that fails. */
  tryExclusive(): boolean {
    assert(this.#mode === 'shared', `exclusive lock asked for while it is ${this.#mode}`)
    if (!this.#file.tryLock(PENDING_BYTE, 1, 'exclusive')) return false
    const isLocked = this.#file.tryLock(SHARED_FIRST, SHARED_SIZE, 'exclusive')
    if (isLocked) this.#mode = 'exclusive'
    else this.#file.unlock(PENDING_BYTE, 1)
    return isLocked
  }

  /** Back to shared, without a moment in between in which nothing is held. */
  downgrade(): void {
    assert(this.#mode === 'exclusive', `downgrade while the lock is ${this.#mode}`)
    const isLocked = this.#file.tryLock(SHARED_FIRST, SHARED_SIZE, 'shared')
    assert(isLocked, 'our own exclusive lock cannot refuse us')
    this.#file.unlock(PENDING_BYTE, 1)
    this.#mode = 'shared'
  }

  release(): void {
    if (this.#mode === 'none') return
    this.#file.unlock(SHARED_FIRST, SHARED_SIZE)
    if (this.#mode === 'exclusive') this.#file.unlock(PENDING_BYTE, 1)
    this.#mode = 'none'
  }
}
