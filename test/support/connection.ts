/**
 * One connection of the lower layers, without trees: for tests of the log and the pager that write raw pages. Pages 2
 * and up hold one byte repeated; page 1 stays the header of a real database.
 */
import { type HeldPages, Pager, type WritePages } from '../../src/pager/index.js'
import { GroupCommit } from '../../src/txn/group-commit.js'
import { pageNumber, type Synchronous } from '../../src/units.js'
import { nodeVfs, type Vfs } from '../../src/vfs/index.js'
import {
  type Attachment,
  attach,
  type CheckpointMode,
  type CheckpointResult,
  checkpoint,
  detach,
  runAsync,
  runSync,
  type Wal,
} from '../../src/wal/index.js'

export interface ConnectionOptions {
  readonly vfs?: Vfs
  readonly pageSize?: number
  readonly timeoutMs?: number
  readonly readOnly?: boolean
  /** Create a missing file, and fill an empty one; true if not given. */
  readonly create?: boolean
}

export class Connection {
  readonly attachment: Attachment
  readonly wal: Wal
  readonly pager: Pager
  readonly commits: GroupCommit

  constructor(attachment: Attachment) {
    this.attachment = attachment
    this.wal = attachment.wal
    this.pager = new Pager(this.wal, { usableSize: attachment.header.usableSize, cacheLimitBytes: 1 << 20 })
    this.commits = new GroupCommit(this.wal, this.pager, {
      beforeBlocking: () => {},
      beforeLock: () => null,
      beforeBatch: () => {},
      beforeAppend: () => {},
      published: () => {},
      afterCommit: () => {},
    })
  }

  /** Commits `value` into every byte of each of the pages, growing the database as needed. */
  async fill(pages: readonly number[], value: number, synchronous: Synchronous = 'full'): Promise<void> {
    await this.commits.run((writer) => fillPages(writer, pages, value), { synchronous })
  }

  fillSync(pages: readonly number[], value: number, synchronous: Synchronous = 'full'): void {
    this.commits.runSync((writer) => fillPages(writer, pages, value), { synchronous })
  }

  /** The bytes that fill pages 2 and up in the newest committed state. */
  contents(): number[] {
    const held = this.pager.acquire()
    try {
      return contentsOf(held)
    } finally {
      this.pager.release(held)
    }
  }

  /** The salts of the newest committed state: the name of the log's generation. */
  salts(): string {
    runSync(this.wal.refresh())
    return `${this.wal.header.salt1}/${this.wal.header.salt2}`
  }

  /** The byte that fills a page in the newest committed state. */
  valueOf(page: number): number {
    const held = this.pager.acquire()
    try {
      return uniformValue(held.pages.page(pageNumber(page)).bytes)
    } finally {
      this.pager.release(held)
    }
  }

  checkpoint(mode: CheckpointMode = 'passive', timeoutMs = 0): Promise<CheckpointResult> {
    return runAsync(checkpoint(this.wal, { mode, synchronous: 'full', timeoutMs }))
  }

  checkpointSync(mode: CheckpointMode = 'passive'): CheckpointResult {
    return runSync(checkpoint(this.wal, { mode, synchronous: 'full', timeoutMs: 0 }))
  }

  close(): unknown {
    return detach(this.attachment, 'full')
  }

  /** Ends the connection as a killed process would: locks go, nothing is cleaned up. */
  vanish(): void {
    this.attachment.shm.close()
    this.wal.log.file.close()
    this.wal.main.close()
  }
}

export function fillPages(writer: WritePages, pages: readonly number[], value: number): void {
  for (const page of pages) {
    while (writer.pageCount < page) writer.grow()
    writer.writable(pageNumber(page)).bytes.fill(value)
  }
}

/** The bytes that fill pages 2 and up of a held state. */
export function contentsOf({ pages }: HeldPages): number[] {
  return Array.from({ length: pages.pageCount - 1 }, (_, i) => uniformValue(pages.page(pageNumber(i + 2)).bytes))
}

export function uniformValue(bytes: Uint8Array): number {
  const first = bytes[0]!
  for (const byte of bytes) if (byte !== first) throw new Error(`page holds ${first} and ${byte}`)
  return first
}

export function connect(path: string, options: ConnectionOptions = {}): Connection {
  const { vfs = nodeVfs(), pageSize = 4096, timeoutMs = 2000, readOnly = false, create = !readOnly } = options
  return new Connection(runSync(attach(path, { vfs, create, readOnly, pageSize, timeoutMs })))
}
