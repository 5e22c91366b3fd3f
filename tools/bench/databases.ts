/** The databases of one run: one file per store, made when it is first asked for, gone at the end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contenders.js'
import { loadPeer } from './peers/index.js'
import { rows } from './rows.js'

export class Databases {
  readonly #folder: string
  readonly #rowCount: number
  readonly #made = new Map<string, string>()

  constructor(parent: string, rowCount: number) {
    this.#folder = mkdtempSync(join(parent, 'endmark-bench-'))
    this.#rowCount = rowCount
  }

  async pathFor({ name, peer }: Contender): Promise<string> {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const path = join(this.#folder, `${name.replace(' ', '-')}.db`)
    await (await loadPeer(peer)).create(path, rows(this.#rowCount))
    this.#made.set(name, path)
    return path
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
