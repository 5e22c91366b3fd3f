/** What the modes of durability ask for, compared. */
import type { Synchronous } from '../units.js'

const STRENGTH: Readonly<Record<Synchronous, number>> = { off: 0, normal: 1, full: 2, extra: 3 }

export function strongest(a: Synchronous, b: Synchronous): Synchronous {
  return a === b || STRENGTH[a] >= STRENGTH[b] ? a : b
}

/** Whether a commit counts only once the log was synced. */
export function isSynced({ synchronous }: { readonly synchronous: Synchronous }): boolean {
  return STRENGTH[synchronous] >= STRENGTH.full
}
