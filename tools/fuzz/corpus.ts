/**
 * The corpus: sound files and messages that are damaged, and files that were findings once. One entry is all files of one name: the
 * three of a database, or a stream of messages to its writer process.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Files, readFiles } from '../../test/support/damage.js'
import { Random } from '../../test/support/random.js'
import { damageLog } from './log-damage.js'
import { damageMain } from './main-damage.js'
import { damageMessages } from './message-damage.js'
import { damageShm } from './shm-damage.js'

/** What is damaged. */
export const TARGETS = ['main', 'log', 'shm', 'ipc'] as const
export type Target = (typeof TARGETS)[number]

/** One thing to try out: with its seed it can be made again at any time. */
export interface Case {
  readonly entry: string
  readonly target: Target
  /** Null: as the entry is. */
  readonly seed: number | null
}

/** The files of a case, or the messages of one. */
export type Input = { readonly files: Files } | { readonly messages: Uint8Array }

/** The repository's own, wherever the compiled tool lies. */
export const CORPUS_FOLDER = join(repository(), 'test', 'fuzz', 'corpus')

const REQUESTS = '.requests'
const MAIN = '.db'

/** Names of the entries that can be damaged as `target`. */
export function entriesOf(folder: string, target: Target): string[] {
  const suffix = target === 'ipc' ? REQUESTS : MAIN
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix))
  const has = (name: string, other: string) => existsSync(join(folder, `${name}${other}`))
  const needed = { main: '', log: '-wal', shm: '-shm', ipc: '' }[target]
  return names
    .filter((name) => has(name, needed))
    .map((name) => name.slice(0, -suffix.length))
    .sort()
}

/** Every entry of the folder as it is. */
export function casesAsTheyAre(folder: string): Case[] {
  const cases = (target: Target) => entriesOf(folder, target).map((entry): Case => ({ entry, target, seed: null }))
  return [...cases('main'), ...cases('shm'), ...cases('ipc')]
}

export function inputOf(folder: string, { entry, target, seed }: Case): Input {
  const random = seed === null ? null : new Random(seed)
  if (target === 'ipc') {
    const stream = new Uint8Array(readFileSync(join(folder, `${entry}${REQUESTS}`)))
    return { messages: random === null ? stream : damageMessages(stream, random) }
  }
  const { main, log, shm } = readFiles(join(folder, `${entry}${MAIN}`))
  if (random === null) return { files: { main, log, shm: target === 'shm' ? shm : null } }
  // The log would stand before what is damaged; and without its wal-index it is recovered.
  if (target === 'main') return { files: { main: damageMain(main, random), log: null, shm: null } }
  if (target === 'log') return { files: { main, log: damageLog(log!, random), shm: null } }
  const isLogDamaged = random.below(4) === 0
  return { files: { main, log: isLogDamaged ? damageLog(log!, random) : log, shm: damageShm(shm!, random) } }
}

function repository(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'test', 'fuzz', 'corpus'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('there is no folder test/fuzz/corpus above the tool')
    folder = parent
  }
  return folder
}
