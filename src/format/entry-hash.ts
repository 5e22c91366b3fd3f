/**
 * Hashes of keys, for tables in memory only: they stand in no file and may change with any version. All 32 bits depend on
 * all of the key that is looked at.
 */

const MULTIPLIER = 0x9e3779b1 | 0
const FINAL_MULTIPLIER = 0x85ebca6b | 0

/** Of longer keys only the end counts, where they tend to differ. */
const HASHED_BYTES_MAX = 64

/** Hash of `length` bytes. */
export function hashBytes(bytes: Uint8Array, start: number, length: number, seed: number): number {
  let hash = Math.imul(seed ^ length, MULTIPLIER)
  const end = start + length
  let at = length > HASHED_BYTES_MAX ? end - HASHED_BYTES_MAX : start
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, MULTIPLIER)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER)
  return finish(hash)
}

/** Hash of a safe integer. */
export function hashInteger(value: number, seed: number): number {
  const high = Math.floor(value / 0x100000000)
  return finish(Math.imul(Math.imul(seed ^ value, MULTIPLIER) ^ high, MULTIPLIER))
}

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), FINAL_MULTIPLIER)
  mixed = Math.imul(mixed ^ (mixed >>> 13), MULTIPLIER)
  return mixed ^ (mixed >>> 16)
}
