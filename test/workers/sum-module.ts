/** A module for `pool.scan`: the sum of the values of a map, and how many there are. */
import type { PartToScan } from '../../src/index.js'

export interface Sum {
  readonly sum: number
  readonly count: number
}

export default function sumOf(entries: Iterable<[number, number]>, factor: number, part: PartToScan): Sum {
  let sum = 0
  let count = 0
  for (const [, value] of entries) {
    sum += value * factor
    count++
  }
  if (count !== part.snapshot.count(part.store, part.range)) throw new Error('the part has another range')
  return { sum, count }
}

export function merge(results: readonly Sum[]): Sum {
  return results.reduce((a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }))
}
