/**
 * Where the WAL-reset race (WAL-1) has its window: a checkpointer has read the header and does not hold READ(0) yet, while a writer starts
 * the log over. Calls and atomic operations let others in there as everywhere else; a pause is a step between
 * which others may go on by turns, for long.
 */
import type { Blocking, BlockingStep, Wal } from '../../src/wal/index.js'
import type { Random } from '../support/random.js'

const PAUSE: BlockingStep = { sync: () => {}, async: async () => {} }
const PAUSES_MAX = 5

/** Others may go on. */
export function* pause(random: Random): Blocking<void> {
  for (let count = random.between(0, PAUSES_MAX); count > 0; count--) yield PAUSE
}

/** From now on this connection pauses when it has read the header for a checkpoint. @returns what ends that */
export function pauseBehindHeader(wal: Wal, random: Random): () => void {
  const refresh = wal.refresh.bind(wal)
  wal.refresh = function* (held) {
    yield* refresh(held)
    yield* pause(random)
  }
  return () => {
    wal.refresh = refresh
  }
}
