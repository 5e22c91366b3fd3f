/**
 * Who has a role: the one writer process or the one checkpointer process of a database.
 *
 * A role is an optimisation. It may be lost or contested at any time, and two processes may believe for a moment that
 * they have it; that costs speed and nothing else, as safety rests on the kernel's locks on the database alone (WRITE, CKPT).
 *
 * Two locks say who has it. A byte lock of the kernel on the role file (`app.db-writer`) ends with the process, so that a
 * successor knows at once that a killed holder is gone. `proper-lockfile` (the folder `app.db-writer.lock`) notices
 * what the kernel cannot say: that the files were removed or replaced, or that this process stood still for so long that
 * another took over. Then `onLost` is called: step down, serve nobody.
 *
 * Whoever has the byte lock of the file *that stands under the name* may break a left-over `.lock`: its maker is dead. The file
 * holds a token of its holder, which is read back through the name after locking: it would differ if the file had been
 * removed or replaced between opening and locking, and then the lock is on a file that nobody else will ever look at.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import lockfile from 'proper-lockfile'
import { EndmarkError, ioError } from '../src/errors.js'
import { nodeVfs, type Vfs, type VfsFile } from '../src/vfs/index.js'

export type RoleName = 'writer' | 'checkpointer'

export interface RoleOptions {
  /** The role is lost though it was not released: stop doing what it is for. Called at most once. */
  readonly onLost: (reason: Error) => void
  /** How often to look whether the role is still ours, ms; at least 1000. */
  readonly checkMs?: number
  readonly vfs?: Vfs
}

/** What a role file says of the holder. */
export interface RoleHolder {
  readonly pid: number
  /** ISO 8601. */
  readonly started: string
  readonly token: string
}

/** A role is lost, at the latest, when its holder stood still this long. */
const STALE_MS = 10_000
const CHECK_MS = 2000

const ROLE_FILE_MODE = 0o600
const LOCK_BYTE = 0

/** Each further attempt follows a removal of the role file by someone else at the very moment. */
const ATTEMPTS_MAX = 100

/** A holder writes its name down right after locking: as long as it is looked for. */
const NAME_WAIT_MS = 100
const NAME_POLL_MS = 5

export class RoleLock {
  readonly path: string
  readonly #file: VfsFile
  readonly #holder: RoleHolder
  readonly #vfs: Vfs
  #releaseLockfile: (() => Promise<void>) | null = null
  #isHeld = true

  private constructor(file: VfsFile, holder: RoleHolder, vfs: Vfs) {
    this.path = file.path
    this.#file = file
    this.#holder = holder
    this.#vfs = vfs
  }

  /**
   * Takes the role, or fails at once.
   * @param databasePath the resolved path of the main file
   * @throws ENDMARK_BUSY, naming the process that has it
   */
  static async acquire(databasePath: string, role: RoleName, options: RoleOptions): Promise<RoleLock> {
    const { vfs = nodeVfs() } = options
    const path = roleFileOf(databasePath, role)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const lock = RoleLock.#tryByteLock(path, vfs)
      if (lock === 'busy') throw await busy(path, role, vfs)
      if (lock === 'replaced') continue
      try {
        await lock.#takeLockfile(options)
        return lock
      } catch (error) {
        lock.#file.close()
        throw error
      }
    }
    throw new EndmarkError('ENDMARK_BUSY', `${path} is removed again and again`, { file: path })
  }

  /** `replaced`: the file that was locked no longer stands under its name. */
  static #tryByteLock(path: string, vfs: Vfs): RoleLock | 'busy' | 'replaced' {
    const file = vfs.open(path, { create: true, mode: ROLE_FILE_MODE })
    try {
      if (file.tryLock(LOCK_BYTE, 1, 'exclusive')) {
        const holder = writeHolder(file)
        if (readHolder(path)?.token === holder.token) return new RoleLock(file, holder, vfs)
        file.close()
        return 'replaced'
      }
      file.close()
      return 'busy'
    } catch (error) {
      file.close()
      throw error
    }
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Gives the role up and removes its files. */
  async release(): Promise<void> {
    if (!this.#isHeld) return
    this.#isHeld = false
    await this.#releaseLockfile?.().catch(() => undefined)
    // While the byte lock is held: a successor's file must not be the one removed.
    if (readHolder(this.path)?.token === this.#holder.token) this.#vfs.remove(this.path)
    this.#file.close()
  }

  async #takeLockfile(options: RoleOptions): Promise<void> {
    const settings: lockfile.LockOptions = {
      realpath: false,
      stale: STALE_MS,
      update: options.checkMs ?? CHECK_MS,
      onCompromised: (reason) => this.#lose(reason, options),
    }
    try {
      this.#releaseLockfile = await lockfile.lock(this.path, settings)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw ioError('lock', this.path, error)
      // Left over: its maker would still hold the byte lock.
      rmSync(`${this.path}.lock`, { recursive: true, force: true })
      this.#releaseLockfile = await lockfile.lock(this.path, settings).catch((again: unknown) => {
        throw ioError('lock', this.path, again)
      })
    }
  }

  #lose(reason: Error, { onLost }: RoleOptions): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#file.close()
    // What proper-lockfile says is about its own folder.
    const message = `${this.path}: the role was lost, its files were removed or taken over: ${reason.message}`
    onLost(new EndmarkError('ENDMARK_BUSY', message, { file: this.path, cause: reason }))
  }
}

export function roleFileOf(databasePath: string, role: RoleName): string {
  return `${databasePath}-${role}`
}

/** What the role file says, also if its writer is gone; null if it says nothing. */
export function readHolder(roleFile: string): RoleHolder | null {
  try {
    const holder = JSON.parse(readFileSync(roleFile, 'utf8')) as Partial<RoleHolder> | null
    const { pid, started, token } = holder ?? {}
    if (typeof pid !== 'number' || typeof started !== 'string' || typeof token !== 'string') return null
    return { pid, started, token }
  } catch {
    return null
  }
}

function writeHolder(file: VfsFile): RoleHolder {
  const holder: RoleHolder = { pid: process.pid, started: new Date().toISOString(), token: randomUUID() }
  file.truncate(0)
  file.write([Buffer.from(`${JSON.stringify(holder)}\n`)], 0)
  return holder
}

/** The error for a role that is taken. Its holder may be about to write its name, over that of one before it. */
async function busy(path: string, role: RoleName, vfs: Vfs): Promise<EndmarkError> {
  let holder = readHolder(path)
  for (let waited = 0; !isNamed(holder) && waited < NAME_WAIT_MS; waited += NAME_POLL_MS) {
    await vfs.delay(NAME_POLL_MS)
    holder = readHolder(path)
  }
  const who = isNamed(holder) ? `process ${holder.pid}, since ${holder.started}` : 'another process'
  return new EndmarkError('ENDMARK_BUSY', `${path}: the role of the ${role} is held by ${who}`, { file: path })
}

function isNamed(holder: RoleHolder | null): holder is RoleHolder {
  if (holder === null) return false
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
