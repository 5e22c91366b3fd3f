/** Which versions of the stores are measured. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Contender } from './contenders.js'
import { engineFolder } from './engine.js'
import type { PeerName } from './peers/index.js'

const PACKAGES: Readonly<Record<PeerName, string | null>> = {
  'endmark-auto': 'endmark',
  'endmark-inline': 'endmark',
  'better-sqlite3': 'better-sqlite3',
  'node:sqlite': null,
  'lmdb-get': 'lmdb',
  'lmdb-get-binary-fast': 'lmdb',
  'classic-level': 'classic-level',
  turso: '@tursodatabase/database',
}

/** By the name of the package; `node:sqlite` has the version of its SQLite. */
export function versionsOf(contenders: readonly Contender[]): Record<string, string> {
  const names = contenders.map(({ peer }) => [PACKAGES[peer] ?? peer, PACKAGES[peer]] as const)
  return Object.fromEntries(
    names.map(([name, fromPackage]) => [name, fromPackage ? packageVersion(fromPackage) : sqlite()]),
  )
}

function sqlite(): string {
  return `SQLite ${process.versions.sqlite}`
}

/** Packages need not export their package.json: it is looked for above the file that they do export. */
function packageVersion(name: string): string {
  const entry = name === 'endmark' ? join(engineFolder, 'index.js') : createRequire(import.meta.url).resolve(name)
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const found = readPackage(join(folder, 'package.json'))
    if (found?.name === name && found.version !== undefined) return found.version
  }
  return 'unknown'
}

function readPackage(path: string): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
