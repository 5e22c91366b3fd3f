/** The databases of one run: made when first asked for, gone at the end. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Contender } from './contenders.js'
import { loadPeer } from './peers/index.js'
import { rowsInOrder, rowsOf } from './rows.js'

export interface DatabaseKind {
  readonly rowCount: number
  readonly keys?: 'text' | 'blob'
  /** A database of its own for a workload that leaves it other than it was. */
  readonly purpose?: string
}

/** Some stores keep all of a transaction in memory. */
const ROWS_PER_LOAD = 1_000_000

export class Databases {
  readonly #folder: string
  readonly #made = new Set<string>()

  constructor(parent: string) {
    this.#folder = mkdtempSync(join(parent, 'endmark-bench-'))
  }

  has(contender: Contender, kind: DatabaseKind): boolean {
    return this.#made.has(this.#path(contender, kind))
  }

  /** Of a database that holds `rowCount` rows, in order. */
  async pathFor(contender: Contender, kind: DatabaseKind): Promise<string> {
    const path = this.#path(contender, kind)
    if (this.#made.has(path)) return path
    const { rowCount, keys = 'text' } = kind
    const connection = await (await loadPeer(contender.peer)).open(path, { create: true, keys, synchronous: 'full' })
    for (let start = 0; start < rowCount; start += ROWS_PER_LOAD) {
      await connection.load(rowsOf(rowsInOrder(Math.min(rowCount, start + ROWS_PER_LOAD), start)))
    }
    await connection.close()
    this.#made.add(path)
    return path
  }

  /** Nothing is there yet. */
  newPath({ database }: Contender): string {
    return join(this.#folder, `${database}-new.db`)
  }

  /** Everything that belongs to a database: its log, its locks. */
  remove(path: string): void {
    this.#made.delete(path)
    for (const name of readdirSync(this.#folder)) {
      if (name.startsWith(basename(path))) rmSync(join(this.#folder, name), { recursive: true, force: true })
    }
  }

  removeAll(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #path({ database }: Contender, { rowCount, keys = 'text', purpose = 'rows' }: DatabaseKind): string {
    return join(this.#folder, `${database}-${keys}-${purpose}-${rowCount}.db`)
  }
}

/** Bytes of a database: of its file and log, or of the files in its folder. */
export function databaseSize(path: string): number {
  const folder = dirname(path)
  const files = readdirSync(folder).filter((name) => name.startsWith(basename(path)) && !/-(shm|sock|lock)/.test(name))
  return files.reduce((total, name) => total + sizeOf(join(folder, name)), 0)
}

function sizeOf(path: string): number {
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(path).reduce((total, name) => total + sizeOf(join(path, name)), 0)
}
