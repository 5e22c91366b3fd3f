/** Where a store has only one way to read, its other way to read single values is left out. */
import type { Contender } from '../contenders.js'

export function plainReads(contenders: readonly Contender[]): readonly Contender[] {
  return contenders.filter(({ peer }) => peer !== 'lmdb-get-binary-fast')
}
