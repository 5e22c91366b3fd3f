/** Who is compared: a store, and for Endmark whether a writer process serves its clients. */
import { absence, type PeerName } from './peers/index.js'
import type { Absence } from './results.js'

export interface Contender {
  readonly name: string
  readonly peer: PeerName
  /** Contenders that name the same one work on the same file, one after the other. */
  readonly database: string
  /** `endmark serve` runs on the file while commits are measured. */
  readonly isServed: boolean
  /** What it is measured in: one store may stand in for another where they would do the same. */
  readonly reads: boolean
  readonly writes: boolean
  /** Several processes may have a database open. */
  readonly isShared: boolean
}

const ALL = { isServed: false, reads: true, writes: true, isShared: true }

export const CONTENDERS: readonly Contender[] = [
  { ...ALL, name: 'endmark', peer: 'endmark-auto', database: 'endmark', isServed: true },
  { ...ALL, name: 'endmark inline', peer: 'endmark-inline', database: 'endmark', reads: false },
  { ...ALL, name: 'better-sqlite3', peer: 'better-sqlite3', database: 'better-sqlite3' },
  { ...ALL, name: 'node:sqlite', peer: 'node:sqlite', database: 'node-sqlite' },
  { ...ALL, name: 'lmdb', peer: 'lmdb-get', database: 'lmdb' },
  { ...ALL, name: 'lmdb getBinaryFast', peer: 'lmdb-get-binary-fast', database: 'lmdb', writes: false },
  { ...ALL, name: 'classic-level', peer: 'classic-level', database: 'classic-level', isShared: false },
  { ...ALL, name: 'turso', peer: 'turso', database: 'turso', isShared: false },
]

export function isOurs({ name }: { readonly name: string }): boolean {
  return name.startsWith('endmark')
}

/** Which of these can be measured here, and why not the others. */
export async function presentOf(
  contenders: readonly Contender[],
): Promise<{ readonly present: readonly Contender[]; readonly absent: readonly Absence[] }> {
  const present: Contender[] = []
  const absent: Absence[] = []
  for (const contender of contenders) {
    const reason = await absence(contender.peer)
    if (reason === null) present.push(contender)
    else absent.push({ store: contender.name, reason })
  }
  return { present, absent }
}
