/**
 * The sign of life of a client: an exclusive lock of the kernel on one byte of the -shm file, at the offset that is the
 * client's id. It ends with the process, however that ends, so anyone can find out whether a client lives by trying it.
 * Nothing is stored there; SQLite's own locks stand at 120 to 128, far below the smallest id.
 *
 * The lock has an open file description of its own: the -shm of a Database counts its locks by itself, and a lock of the
 * same description would not conflict (trap (a)). Take it only while the Database is open: the -shm is removed
 * when nobody is attached.
 */
import { randomInt } from 'node:crypto'
import { EndmarkError } from '../src/errors.js'
import { nodeVfs, type Vfs, type VfsFile } from '../src/vfs/index.js'
import { CLIENT_ID_BOUND, CLIENT_ID_MIN } from './protocol.js'

/** Ids are random out of 2^48: that several in a row are taken does not happen by chance. */
const ATTEMPTS_MAX = 8

/** Held by a client as long as its Database is open. */
export class ClientLock {
  readonly clientId: number
  readonly #shm: VfsFile

  private constructor(clientId: number, shm: VfsFile) {
    this.clientId = clientId
    this.#shm = shm
  }

  /** @param databasePath the resolved path of the main file, which this process has open */
  static acquire(databasePath: string, vfs: Vfs = nodeVfs()): ClientLock {
    const shm = vfs.open(`${databasePath}-shm`, {})
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const clientId = randomInt(CLIENT_ID_MIN, CLIENT_ID_BOUND - 1)
      if (shm.tryLock(clientId, 1, 'exclusive')) return new ClientLock(clientId, shm)
    }
    shm.close()
    throw new EndmarkError('ENDMARK_BUSY', `no client id is free on ${shm.path}`, { file: shm.path })
  }

  release(): void {
    this.#shm.close()
  }
}

/** Asks for the signs of life of others. */
export class ClientLockProbe {
  readonly #shm: VfsFile

  constructor(databasePath: string, vfs: Vfs = nodeVfs()) {
    this.#shm = vfs.open(`${databasePath}-shm`, {})
  }

  isAlive(clientId: number): boolean {
    // Shared, so that two who ask at the same time do not take each other for the client.
    if (!this.#shm.tryLock(clientId, 1, 'shared')) return true
    this.#shm.unlock(clientId, 1)
    return false
  }

  close(): void {
    this.#shm.close()
  }
}
