/**
 * The reader registry: a small file beside the database in which snapshots that have lived long say who they are, so that whoever
 * needs the log can tell who holds it, and ask that one to let go.
 *
 * A slot is owned by a kernel lock on its first byte, held through the open file description of one connection: it ends with
 * the process, and with it the entry, whatever is left in the file. Slots whose byte nobody has locked are empty.
 *
 * Nothing relies on the registry (READER-1): it never decides what a reader may read or a writer overwrite, which the locks of
 * the -shm do. So it is never synced, what does not verify is ignored, and an error of the system means that a reader is not
 * listed. It is read and written by system calls, once in a while: a map of it would let anybody who cuts the file kill us.
 */
import { EndmarkError } from '../errors.js'
import {
  decodeReaderSlot,
  encodeReaderSlot,
  get32,
  isReaderSlotOurs,
  put32,
  READER_EXPIRED_OFFSET,
  READER_SLOT_COUNT,
  READER_SLOT_SIZE,
  type ReaderSlotFields,
} from '../format/index.js'
import { SlotLocks, type Vfs, type VfsFile } from '../vfs/index.js'

/** Somebody who is listed and alive. */
export interface RegisteredReader extends ReaderSlotFields {
  readonly slot: number
}

/** A reader that is older than a second, as `db.stats().readers` has it. */
export interface ReaderInfo {
  readonly pid: number
  /** 0 for the main thread, else the id that Node gave the worker thread. */
  readonly thread: number
  /** The last frame that it sees. */
  readonly endMark: number
  /** Since when, in milliseconds since 1970. */
  readonly sinceMs: number
  /** What was given to `db.snapshot`. */
  readonly label: string | null
  /** Frames of the log that came after its state: they cannot be copied while it is there. */
  readonly framesHeld: number
}

/** An entry of ours. */
export interface Registration {
  /** Whether somebody who needs the log has asked for the end of this snapshot. */
  isExpired(): boolean
  release(): void
}

function registryPath({ path }: VfsFile): string {
  return `${path}-readers`
}

/** Takes the file away; should that fail, it stays, and is as good as empty. @requires lock exclusive on the main file */
export function removeReaderRegistry(vfs: Vfs, main: VfsFile): void {
  quietly(undefined, () => vfs.remove(registryPath(main)))
}

export class ReaderRegistry {
  readonly #vfs: Vfs
  readonly #path: string
  readonly #main: VfsFile
  #file: VfsFile | null = null
  #locks: SlotLocks | null = null
  #isClosed = false

  constructor(vfs: Vfs, main: VfsFile) {
    this.#vfs = vfs
    this.#path = registryPath(main)
    this.#main = main
  }

  /** Enters a snapshot. @returns null if there is no place for it */
  register(fields: Omit<ReaderSlotFields, 'nonce'>): Registration | null {
    return quietly(null, () => {
      const file = this.#open({ create: true })
      if (file === null) return null
      const slot = this.#claim(file)
      if (slot === null) return null
      const nonce = (this.#vfs.random32() | 1) >>> 0
      try {
        file.write([encodeReaderSlot({ ...fields, nonce })], slot * READER_SLOT_SIZE)
      } catch (error) {
        this.#locks!.releaseExclusive(slot * READER_SLOT_SIZE)
        throw error
      }
      return {
        isExpired: () => quietly(false, () => this.#expiredNonce(file, slot) === nonce),
        release: () => this.#release(file, slot),
      }
    })
  }

  /** Everyone who is listed and alive, the oldest first. */
  list(): RegisteredReader[] {
    return quietly([], () => {
      const file = this.#open({ create: false })
      if (file === null) return []
      const bytes = new Uint8Array(READER_SLOT_COUNT * READER_SLOT_SIZE)
      const count = Math.floor(file.read(bytes, 0) / READER_SLOT_SIZE)
      const readers: RegisteredReader[] = []
      for (let slot = 0; slot < count; slot++) {
        const fields = decodeReaderSlot(bytes.subarray(slot * READER_SLOT_SIZE, (slot + 1) * READER_SLOT_SIZE))
        if (fields !== null && this.#isOwned(slot)) readers.push({ ...fields, slot })
      }
      return readers.sort((a, b) => a.sinceMs - b.sinceMs)
    })
  }

  /** Asks for the end of that snapshot. Should another have taken its slot meanwhile, that one is not meant. */
  expire({ slot, nonce }: RegisteredReader): void {
    quietly(undefined, () => {
      const file = this.#open({ create: false })
      if (file === null || this.#expiredNonce(file, slot) === nonce) return
      const bytes = new Uint8Array(4)
      put32(bytes, 0, nonce)
      file.write([bytes], slot * READER_SLOT_SIZE + READER_EXPIRED_OFFSET)
    })
  }

  /** Gives up all that is registered here. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#file?.close()
    this.#file = null
  }

  #open({ create }: { readonly create: boolean }): VfsFile | null {
    if (this.#isClosed || this.#file !== null) return this.#file
    if (!create && !this.#vfs.exists(this.#path)) return null
    this.#file = this.#vfs.open(this.#path, { create, mode: this.#main.mode() })
    this.#locks = new SlotLocks(this.#file)
    return this.#file
  }

  #claim(file: VfsFile): number | null {
    const bytes = new Uint8Array(READER_SLOT_SIZE)
    for (let slot = 0; slot < READER_SLOT_COUNT; slot++) {
      const offset = slot * READER_SLOT_SIZE
      if (!this.#locks!.tryExclusive(offset)) continue
      bytes.fill(0)
      file.read(bytes, offset)
      if (isReaderSlotOurs(bytes)) return slot
      this.#locks!.releaseExclusive(offset)
    }
    return null
  }

  #release(file: VfsFile, slot: number): void {
    if (this.#isClosed) return
    quietly(undefined, () => file.write([new Uint8Array(READER_SLOT_SIZE)], slot * READER_SLOT_SIZE))
    this.#locks!.releaseExclusive(slot * READER_SLOT_SIZE)
  }

  #isOwned(slot: number): boolean {
    const offset = slot * READER_SLOT_SIZE
    const locks = this.#locks!
    if (locks.holds(offset, 'exclusive')) return true
    // Shared: two who look at the same moment must not take each other for the owner.
    if (!locks.tryShared(offset)) return true
    locks.releaseShared(offset)
    return false
  }

  #expiredNonce(file: VfsFile, slot: number): number {
    const bytes = new Uint8Array(4)
    const length = file.read(bytes, slot * READER_SLOT_SIZE + READER_EXPIRED_OFFSET)
    return length < bytes.length ? 0 : get32(bytes, 0)
  }
}

/** What the system refuses is as if there were no registry; mistakes of ours are not hidden. */
function quietly<T>(otherwise: T, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof EndmarkError) return otherwise
    throw error
  }
}
