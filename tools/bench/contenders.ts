/** Who is compared: a store, and for Endmark whether a writer process serves its clients. */
import type { PeerName } from './peers/index.js'

export interface Contender {
  readonly name: string
  readonly peer: PeerName
  /** `endmark serve` runs on the file meanwhile. */
  readonly isServed: boolean
}

export const CONTENDERS: readonly Contender[] = [
  { name: 'endmark', peer: 'endmark-auto', isServed: true },
  { name: 'endmark inline', peer: 'endmark-inline', isServed: false },
  { name: 'better-sqlite3', peer: 'better-sqlite3', isServed: false },
  { name: 'lmdb', peer: 'lmdb', isServed: false },
]

export function isOurs({ name }: { readonly name: string }): boolean {
  return name.startsWith('endmark')
}
