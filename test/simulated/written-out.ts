/**
 * Simulated databases, written out as files and shown to SQLite: it must find each of them whole, and in it what the model allows.
 * As many as that are there at once, so that neither the disk nor a message to SQLite's process gets large.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { askSqlite } from '../support/referee.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { PATH } from './simulated-database.js'

const AT_ONCE = 100

interface Written {
  readonly path: string
  /** For the message of a failing test. */
  readonly at: string
  readonly isAllowed: (contents: string) => boolean
}

export class WrittenOut {
  readonly #t: ExecutionContext
  readonly #folder: string
  #waiting: Written[] = []
  /** Databases so far. */
  count = 0

  constructor(t: ExecutionContext) {
    this.#t = t
    this.#folder = temporaryFolder(t)
  }

  /** A disk without the database counts for nothing: a power loss may leave that. */
  async add(disk: SimulatedDisk, at: string, isAllowed: (contents: string) => boolean): Promise<void> {
    const files = disk.contents()
    if (!files.has(PATH)) return
    const home = join(this.#folder, String(this.count++))
    mkdirSync(home)
    // Not the -shm: what a power loss leaves of it is of no use to anyone, and the first opener empties it.
    for (const end of ['', '-wal']) {
      const bytes = files.get(PATH + end)
      if (bytes !== undefined) writeFileSync(join(home, `app.db${end}`), bytes)
    }
    this.#waiting.push({ path: join(home, 'app.db'), at, isAllowed })
    if (this.#waiting.length >= AT_ONCE) await this.judge()
  }

  /** Asks SQLite about all that wait. */
  async judge(): Promise<void> {
    const judged = this.#waiting
    this.#waiting = []
    const paths = judged.map(({ path }) => path)
    for (const [i, { integrity, contents }] of (await readWithSqlite(this.#t, paths)).entries()) {
      const { at, isAllowed } = judged[i]!
      if (integrity !== 'ok') this.#t.fail(`${at}: ${integrity}`)
      if (!isAllowed(contents)) this.#t.fail(`${at}: SQLite finds\n${contents.slice(0, 1000)}`)
    }
    for (const path of paths) rmSync(join(path, '..'), { recursive: true })
  }
}

/** What SQLite says of the databases at these paths; their contents as `contentsOf` has them. */
async function readWithSqlite(t: ExecutionContext, paths: readonly string[]) {
  if (paths.length === 0) return []
  return askSqlite(
    t,
    paths[0]!,
    (db, all) => {
      const Sqlite = db.constructor as unknown as new (path: string) => typeof db
      return all.map((path) => {
        const copy = new Sqlite(path)
        const integrity = String(copy.pragma('integrity_check', { simple: true }))
        const names = copy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid").pluck().all()
        const texts = names.map((name) => {
          const rows = copy.prepare(`SELECT * FROM ${name}`).raw(name === 'entries')
          return `${name}: ${JSON.stringify(rows.all())}`
        })
        copy.close()
        return { integrity, contents: texts.join('\n') }
      })
    },
    [...paths],
  )
}
