/**
 * The parts of a range between cuts. Each cut is a key: entries up to and including it belong to the part before it, so that
 * every entry of the range is in exactly one part.
 */
import type { RangeOptions } from './range.js'

/**
 * @param cuts keys inside the range, rising in the order of the store
 * @returns one part more than there are cuts, in the order in which the range is read
 */
export function cutRange<Bound>(range: RangeOptions<Bound>, cuts: readonly Bound[]): RangeOptions<Bound>[] {
  const { gt, gte, lt, lte, reverse = false } = range
  const lower = gte === undefined ? (gt === undefined ? {} : { gt }) : { gte }
  const upper = lte === undefined ? (lt === undefined ? {} : { lt }) : { lte }
  const parts: RangeOptions<Bound>[] = []
  for (let part = 0; part <= cuts.length; part++) {
    const from = part === 0 ? lower : { gt: cuts[part - 1]! }
    const to = part === cuts.length ? upper : { lte: cuts[part]! }
    parts.push({ ...from, ...to, reverse })
  }
  return reverse ? parts.reverse() : parts
}
