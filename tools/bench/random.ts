/** Random numbers that are the same in every run. */

/** @returns uniform 32-bit numbers */
export function xorshift32(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9)
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

export function noise(count: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: count }, xorshift32(0))
}

/** 0 … count - 1 in a random order. */
export function shuffled(count: number, seed: number): Uint32Array {
  const random = xorshift32(seed)
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = random() % (last + 1)
    const moved = order[last]!
    order[last] = order[other]!
    order[other] = moved
  }
  return order
}

const ZIPF_EXPONENT = 0.99
const DRAWN_MAX = 2 ** 32

/**
 * Ranks 0 … count - 1 in the zipfian distribution of YCSB (Gray et al., "Quickly generating billion-record synthetic databases"): rank 0
 * is drawn most often.
 */
export function zipfianRanks(count: number, seed: number): () => number {
  const random = xorshift32(seed)
  const zeta = zetaOf(count)
  const alpha = 1 / (1 - ZIPF_EXPONENT)
  const eta = (1 - (2 / count) ** (1 - ZIPF_EXPONENT)) / (1 - zetaOf(2) / zeta)
  return () => {
    const drawn = random() / DRAWN_MAX
    if (drawn * zeta < 1) return 0
    if (drawn * zeta < 1 + 0.5 ** ZIPF_EXPONENT) return Math.min(1, count - 1)
    return Math.min(count - 1, Math.floor(count * (eta * drawn - eta + 1) ** alpha))
  }
}

function zetaOf(count: number): number {
  let zeta = 0
  for (let rank = 1; rank <= count; rank++) zeta += 1 / rank ** ZIPF_EXPONENT
  return zeta
}

/** Spreads ranks over all rows, so that the most wanted rows are not neighbours. */
export function scattered(rank: number, count: number): number {
  return (Math.imul(rank + 1, 0x9e3779b1) >>> 0) % count
}
