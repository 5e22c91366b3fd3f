/** Damage that knows nothing of what the bytes mean, and numbers that programs stumble over. */
import type { Random } from '../../test/support/random.js'

/** Changes a bit, a byte, a stretch, or copies bytes from elsewhere. */
export function damageBytes(bytes: Uint8Array, random: Random): void {
  if (bytes.length === 0) return
  const at = random.below(bytes.length)
  switch (random.below(4)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8)
      return
    case 1:
      bytes[at] = random.below(256)
      return
    case 2:
      bytes.fill(random.below(2) * 255, at, Math.min(bytes.length, at + random.between(1, 16)))
      return
    default: {
      const from = random.below(bytes.length)
      bytes.copyWithin(at, from, from + random.between(1, 64))
    }
  }
}

/** A number for a field of `size` bytes: an extreme, one beside what stands there, or one of `likely`. */
export function strangeNumber(random: Random, size: number, now: number, likely: readonly number[]): number {
  const bound = 256 ** size
  const extremes = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, bound - 1]
  const near = [now + 1, now - 1, now * 2, Math.floor(now / 2)]
  const from = random.pick([extremes, near, likely.length > 0 ? likely : extremes, [random.next32()]])
  return ((random.pick(from) % bound) + bound) % bound
}

export function putNumber(bytes: Uint8Array, at: number, size: number, value: number): void {
  if (at < 0 || at + size > bytes.length) return
  let rest = value
  for (let index = at + size - 1; index >= at; index--) {
    bytes[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

export function getNumber(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let index = at; index < at + size; index++) value = value * 256 + (bytes[index] ?? 0)
  return value
}

/** Puts a strange number in the place of what stands there. */
export function damageNumber(
  bytes: Uint8Array,
  [at, size]: readonly [offset: number, size: number],
  random: Random,
  likely: readonly number[] = [],
): void {
  putNumber(bytes, at, size, strangeNumber(random, size, getNumber(bytes, at, size), likely))
}
