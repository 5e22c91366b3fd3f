/**
 * Trying out files that may be damaged in any way: every operation of the API must end with a result or a typed error.
 * An `AssertionError`, `TypeError` or any other foreign error is a finding.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Database, EndmarkError, type OpenOptions, open, type StoreInfo } from '../../src/index.js'

export interface Trial {
  /** What went wrong without a typed error; empty if nothing. */
  readonly findings: string[]
  /** Codes of the errors met, in order. */
  readonly codes: string[]
  /** Whether `open` succeeded. */
  readonly opened: boolean
}

/** More than the entries of any database that is tried. */
const ENTRIES_MAX = 100_000

class Probe {
  readonly findings: string[] = []
  readonly codes: string[] = []

  async step<T>(name: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof EndmarkError) this.codes.push(error.code)
      else this.findings.push(`${name}: ${(error as Error)?.stack ?? String(error)}`)
      return undefined
    }
  }
}

/** Opens the database and does to it what can be done, writing only if asked to. */
export async function tryOut(path: string, options: OpenOptions & { write?: boolean } = {}): Promise<Trial> {
  const { write = false, ...openOptions } = options
  const probe = new Probe()
  const db = await probe.step('open', () => open(path, { timeout: 50, synchronous: 'off', ...openOptions }))
  if (db === undefined) return { ...probe, opened: false }
  const stores = (await probe.step('stores', () => db.stores())) ?? []
  await probe.step('stats', () => db.stats())
  await probe.step('check', () => db.check())
  for (const store of stores) await readStore(probe, db, store)
  if (write) {
    for (const store of stores) await writeStore(probe, db, store)
    await probe.step('create', () => db.map('created', { key: 'text', value: 'text' }))
    await probe.step('checkpoint', () => db.checkpoint({ mode: 'truncate' }))
    const dropped = stores[0]?.name
    if (dropped !== undefined) await probe.step('drop', () => db.dropStore(dropped))
  }
  await probe.step('close', () => db.close())
  return { ...probe, opened: true }
}

async function readStore(probe: Probe, db: Database, { name, kind }: StoreInfo): Promise<void> {
  const store = await probe.step(`open ${name}`, async () =>
    kind === 'map' ? await db.map(name) : await db.table(name),
  )
  if (store === undefined) return
  const entries = (options: object): Iterable<unknown> =>
    'entries' in store ? store.entries(options) : store.range(options)
  for (const options of [{}, { reverse: true }]) {
    await probe.step(`range ${name} ${JSON.stringify(options)}`, () => {
      let count = 0
      for (const _ of entries(options)) if (++count > ENTRIES_MAX) throw new Error('endless')
    })
  }
  await probe.step(`count ${name}`, () => store.count())
  for (const key of KEYS) await probe.step(`get ${name}`, () => store.get(key as never))
}

async function writeStore(probe: Probe, db: Database, { name, kind, columns }: StoreInfo): Promise<void> {
  if (kind === 'map') {
    const map = await probe.step(`open ${name}`, () => db.map(name))
    if (map === undefined) return
    for (const key of KEYS) {
      await probe.step(`put ${name}`, () => map.put(key as never, 'x'.repeat(700) as never))
      await probe.step(`delete ${name}`, () => map.delete(key as never))
    }
    return
  }
  const table = await probe.step(`open ${name}`, () => db.table(name))
  if (table === undefined) return
  for (const key of KEYS) {
    const row = Object.fromEntries(columns.map((column, index) => [column.name, index === 0 ? key : 'y'.repeat(300)]))
    await probe.step(`put ${name}`, () => table.put(row))
    await probe.step(`update ${name}`, () => table.update(key as never, { [columns.at(-1)!.name]: 'z'.repeat(500) }))
    await probe.step(`delete ${name}`, () => table.delete(key as never))
  }
}

/** Some that exist in the databases that are damaged, some that do not, for integer and for text keys. */
const KEYS: readonly unknown[] = [1, 57, 400, 'key 3', 'key 57', 'zzz']

/** The three files of a database as bytes; null for one that is not there. */
export interface Files {
  readonly main: Uint8Array
  readonly log: Uint8Array | null
  readonly shm: Uint8Array | null
}

export function readFiles(path: string): Files {
  const read = (suffix: string) => (existsSync(path + suffix) ? new Uint8Array(readFileSync(path + suffix)) : null)
  return { main: read('')!, log: read('-wal'), shm: read('-shm') }
}

export function writeFiles(path: string, { main, log, shm }: Files): void {
  writeFileSync(path, main)
  if (log !== null) writeFileSync(`${path}-wal`, log)
  if (shm !== null) writeFileSync(`${path}-shm`, shm)
}

export function copyFiles(from: string, to: string): void {
  for (const suffix of ['', '-wal', '-shm']) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix)
}
